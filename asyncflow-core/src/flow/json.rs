//! Reading JSON that anybody may have sent.

use serde::de::{DeserializeOwned, IgnoredAny};

use super::DecodeError;

/// How deep JSON may be nested, wherever in it and whether or not the type looks there.
const DEEPEST: usize = 127;

/// Reads a value, and names the place where it doesn't fit.
pub(super) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    let text = check(bytes).map_err(DecodeError::Malformed)?;
    serde_json::from_str(text).map_err(|_| explain::<T>(text))
}

fn check(bytes: &[u8]) -> Result<&str, String> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| format!("the body is not UTF-8: byte {} starts no character", error.valid_up_to()))?;
    if text.starts_with('\u{feff}') {
        return Err("the body starts with a byte order mark: JSON has none".into());
    }
    if too_deep(bytes) {
        return Err(format!("the JSON is nested deeper than {DEEPEST}"));
    }
    Ok(text)
}

fn too_deep(bytes: &[u8]) -> bool {
    // What opens seldom cannot be deep: the usual body is counted, not followed.
    if memchr::memchr2_iter(b'[', b'{', bytes).take(DEEPEST + 1).count() <= DEEPEST {
        return false;
    }
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'[' | b'{' => {
                depth += 1;
                if depth > DEEPEST {
                    return true;
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

/// Says what is wrong with a text that could not be read: only now it is read slowly.
fn explain<T: DeserializeOwned>(text: &str) -> DecodeError {
    if let Err(error) = serde_json::from_str::<IgnoredAny>(text) {
        return DecodeError::Malformed(format!("the body is not JSON: {error}"));
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    match serde_path_to_error::deserialize::<_, T>(&mut reader) {
        Ok(_) => DecodeError::mismatch("the JSON does not fit"),
        Err(error) => {
            let place = match error.path().to_string() {
                whole if whole == "." => String::new(),
                place => place,
            };
            DecodeError::Mismatch { place, message: error.into_inner().to_string() }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::Value;

    use super::*;

    #[derive(Deserialize, Debug, PartialEq)]
    struct Order {
        items: Vec<Item>,
    }

    #[derive(Deserialize, Debug, PartialEq)]
    struct Item {
        count: u8,
    }

    fn malformed(bytes: &[u8]) -> bool {
        matches!(read::<Value>(bytes), Err(DecodeError::Malformed(_)))
            && matches!(read::<Order>(bytes), Err(DecodeError::Malformed(_)))
    }

    #[test]
    fn a_mismatch_is_named_by_its_place() {
        let error = read::<Order>(br#"{"items":[{"count":1},{"count":300}]}"#).unwrap_err();
        let DecodeError::Mismatch { place, .. } = &error else { panic!("{error}") };
        assert_eq!(place, "items[1].count");
        assert!(matches!(read::<Order>(b"null"), Err(DecodeError::Mismatch { place, .. }) if place.is_empty()));
    }

    #[test]
    fn what_is_no_json_is_malformed_whatever_the_type() {
        for bytes in [
            &b""[..],
            b"{",
            b"nope",
            b"{}x",
            b"\xef\xbb\xbf{}",
            b"{\"a\":\"\xff\"}",
            b"[1,]",
            b"{\"items\":[{\"count\":300}]",
        ] {
            assert!(malformed(bytes), "{}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn depth_is_bounded_wherever_it_is() {
        let nested =
            |depth: usize| format!(r#"{{"items":[],"other":{}{}}}"#, "[".repeat(depth - 1), "]".repeat(depth - 1));
        assert_eq!(read::<Order>(nested(127).as_bytes()), Ok(Order { items: vec![] }));
        assert!(read::<Value>(nested(127).as_bytes()).is_ok());
        assert!(malformed(nested(128).as_bytes()));
        let strings = format!("[{}]", vec![r#""[\"{[""#; 200].join(","));
        assert!(read::<Value>(strings.as_bytes()).is_ok());
    }
}
