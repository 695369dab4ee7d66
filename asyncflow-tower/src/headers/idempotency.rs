//! `Idempotency-Key`: quoted or bare, the same key.

use asyncflow_core::IdempotencyKey;
use http::{HeaderMap, HeaderName};

use super::list;
use crate::answer::problem::{Problem, Refusal};

pub(crate) static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The request's key, where it has one.
///
/// # Errors
/// It has two, or one that is none.
pub(crate) fn read(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, Refusal> {
    let mut lines = headers.get_all(&IDEMPOTENCY_KEY).iter();
    let Some(line) = lines.next() else { return Ok(None) };
    let wrong = |why| Err(Refusal::new(Problem::InvalidIdempotencyKey, why));
    if lines.next().is_some() {
        return wrong("there is more than one Idempotency-Key");
    }
    match text(line.as_bytes()).map(IdempotencyKey::new) {
        Some(Ok(key)) => Ok(Some(key)),
        _ => wrong("an Idempotency-Key is 1 to 255 visible ASCII characters, in quotes or not"),
    }
}

/// What is between the quotes, or all of it where there are none; nothing where there is one alone.
fn text(value: &[u8]) -> Option<&str> {
    let value = list::trim(value);
    let key = list::unquoted(value);
    let whole = key.len() != value.len() || !(value.starts_with(b"\"") || value.ends_with(b"\""));
    std::str::from_utf8(key).ok().filter(|_| whole)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn key(lines: &[&str]) -> Result<Option<IdempotencyKey>, Refusal> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(&IDEMPOTENCY_KEY, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        read(&headers)
    }

    #[test]
    fn quotes_are_no_part_of_a_key() {
        assert_eq!(text(b"\"abc\""), Some("abc"));
        assert_eq!(text(b" abc\t"), Some("abc"));
        assert_eq!(text(b"a\"c"), Some("a\"c"));
        assert!(key(&[]).unwrap().is_none());
        for line in ["abc", "\"abc\"", "~!", &"k".repeat(255), &format!("\"{}\"", "k".repeat(255))] {
            assert!(key(&[line]).unwrap().is_some(), "{line}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for line in [
            "",
            "\"\"",
            "\"",
            "\"abc",
            "abc\"",
            "a b",
            "\"a\", \"b\"",
            "k\u{e9}",
            "\u{1f511}",
            &"k".repeat(256),
            "\"\t\"",
        ] {
            assert!(key(&[line]).is_err(), "{line}");
        }
        assert!(key(&["a", "a"]).is_err());
    }
}
