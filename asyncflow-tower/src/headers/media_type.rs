//! `Content-Type` and `Content-Encoding`: what a request's body says it is.

use asyncflow_core::store::ContentType;
use http::{
    HeaderMap,
    header::{CONTENT_ENCODING, CONTENT_TYPE},
};

use super::list;

/// What a request's head says of its body.
#[derive(Debug, PartialEq)]
pub(crate) struct Media {
    /// The type to decode it by, or why it can't be taken if it is not empty.
    pub(crate) taken: Result<ContentType, &'static str>,
    /// Whether it is a text that the flow takes, so that an empty body is an empty text.
    pub(crate) text: bool,
}

/// Reads what the body is; `encoded`: there is a `Content-Encoding`; `takes` says whether the flow takes a media type, given in lower case without parameters.
pub(crate) fn read(headers: &HeaderMap, encoded: bool, takes: impl Fn(&str) -> bool) -> Media {
    let mut lines = headers.get_all(CONTENT_TYPE).iter();
    let (first, second) = (lines.next(), lines.next());
    let mut media = match (first, second) {
        (None, _) => Media { taken: Err("a body needs a Content-Type"), text: false },
        (Some(_), Some(_)) => Media { taken: Err("a body has one Content-Type"), text: false },
        (Some(line), None) => one(line.as_bytes(), takes),
    };
    if encoded && !headers.get_all(CONTENT_ENCODING).iter().all(|line| is_identity(line.as_bytes())) {
        media.taken = Err("a body is taken as it is: no Content-Encoding other than identity");
    }
    media
}

pub(crate) const NOT_TAKEN: &str = "this flow does not take this media type";
/// Bytes of the longest media type that is taken, with its parameters.
pub(crate) const LONGEST: usize = 1024;

fn one(line: &[u8], takes: impl Fn(&str) -> bool) -> Media {
    let not_taken = Media { taken: Err(NOT_TAKEN), text: false };
    if line == b"application/json" && takes("application/json") {
        return Media { taken: Ok(ContentType::Json), text: false };
    }
    let line = list::trim(line);
    if line.len() > LONGEST {
        // It would be kept with each job, beside the request that has a limit of its own.
        return Media { taken: Err("a Content-Type has at most 1024 bytes"), text: false };
    }
    let Ok(whole) = std::str::from_utf8(line) else { return not_taken };
    // Two types in one line, as a proxy may join them.
    if list::elements(whole.as_bytes(), b',').count() != 1 {
        return not_taken;
    }
    let (essence, parameters) = whole.split_once(';').unwrap_or((whole, ""));
    let essence = essence.trim().to_ascii_lowercase();
    if !is_media_type(&essence) || !takes(&essence) {
        return not_taken;
    }
    let foreign = essence.starts_with("text/") && !is_utf8(parameters);
    let text = essence == "text/plain";
    let taken = match essence.as_str() {
        _ if foreign => Err("a text is taken as UTF-8 alone"),
        "application/json" => Ok(ContentType::Json),
        "text/plain" => Ok(ContentType::Text),
        "application/octet-stream" => Ok(ContentType::Bytes),
        _ => Ok(ContentType::Other(whole.into())),
    };
    Media { taken, text }
}

/// Whether this is a type and a subtype, each of the characters of a token.
fn is_media_type(essence: &str) -> bool {
    let is_token = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
    };
    essence.split_once('/').is_some_and(|(kind, sub)| is_token(kind) && is_token(sub))
}

/// Whether no parameter names another charset.
fn is_utf8(parameters: &str) -> bool {
    list::elements(parameters.as_bytes(), b';').map(list::pair).all(|(name, value)| {
        let charset = list::unquoted(value.unwrap_or_default());
        !name.eq_ignore_ascii_case(b"charset")
            || charset.eq_ignore_ascii_case(b"utf-8")
            || charset.eq_ignore_ascii_case(b"utf8")
    })
}

fn is_identity(line: &[u8]) -> bool {
    line.split(|&byte| byte == b',')
        .map(list::trim)
        .all(|coding| coding.is_empty() || coding.eq_ignore_ascii_case(b"identity"))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn media(lines: &[(http::HeaderName, &str)]) -> Media {
        let mut headers = HeaderMap::new();
        for (name, line) in lines {
            headers.append(name, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        read(&headers, true, |essence| {
            assert_eq!(essence, essence.to_ascii_lowercase());
            ["application/json", "text/plain", "application/octet-stream", "text/csv"].contains(&essence)
                || essence.ends_with("+json")
        })
    }

    fn typed(line: &str) -> Result<ContentType, &'static str> {
        media(&[(CONTENT_TYPE, line)]).taken
    }

    #[test]
    fn a_type_is_known_in_any_case_and_with_parameters() {
        assert_eq!(typed("application/json"), Ok(ContentType::Json));
        assert_eq!(typed(" Application/JSON ; charset=latin1; a=\"b,;c\""), Ok(ContentType::Json));
        assert_eq!(typed("text/plain"), Ok(ContentType::Text));
        assert_eq!(typed("text/plain; Charset=\"UTF-8\""), Ok(ContentType::Text));
        assert_eq!(typed("text/plain;;charset;x=charset=latin1;charset=utf8"), Err("a text is taken as UTF-8 alone"));
        assert_eq!(typed("application/octet-stream;a=b"), Ok(ContentType::Bytes));
        assert_eq!(typed("text/csv;header=absent"), Ok(ContentType::Other("text/csv;header=absent".into())));
        assert_eq!(typed("application/Problem+json"), Ok(ContentType::Other("application/Problem+json".into())));
    }

    #[test]
    fn a_text_in_another_charset_is_not_taken() {
        for line in ["text/plain;charset=latin1", "text/plain; charset=utf-16", "text/csv; charset=utf-8;charset=x"] {
            assert_eq!(typed(line), Err("a text is taken as UTF-8 alone"), "{line}");
        }
        assert!(media(&[(CONTENT_TYPE, "text/plain;charset=latin1")]).text);
    }

    #[test]
    fn what_is_no_single_known_type_is_not_taken() {
        for line in [
            "",
            "json",
            "/",
            "application/",
            "/json",
            "application/json/x",
            "application /json",
            "*/*",
            "application/xml",
            "application/json, application/json",
            "application/json; a=b, text/plain",
            "application/json; a=\"b",
            "\"application/json\"",
            "application/json\u{e9}",
            "application/+json,",
        ] {
            assert_eq!(typed(line), Err(NOT_TAKEN), "{line}");
        }
        assert!(media(&[]).taken.is_err());
        assert!(media(&[(CONTENT_TYPE, "application/json"), (CONTENT_TYPE, "application/json")]).taken.is_err());
    }

    #[test]
    fn a_type_is_bounded_with_its_parameters() {
        for essence in ["application/json", "application/x+json", "text/csv"] {
            let longest = format!("{essence};a={}", "b".repeat(LONGEST - essence.len() - 3));
            assert!(typed(&format!(" {longest} ")).is_ok(), "{essence}");
            assert_eq!(typed(&(longest + "b")), Err("a Content-Type has at most 1024 bytes"), "{essence}");
        }
    }

    #[test]
    fn nothing_but_identity_is_undone() {
        let encoded = |line| media(&[(CONTENT_TYPE, "application/json"), (CONTENT_ENCODING, line)]).taken.is_ok();
        for line in ["identity", "Identity", "", " identity , identity"] {
            assert!(encoded(line), "{line}");
        }
        for line in ["gzip", "identity, gzip", "identity;q=1", "br"] {
            assert!(!encoded(line), "{line}");
        }
        let two = [(CONTENT_TYPE, "application/json"), (CONTENT_ENCODING, "identity"), (CONTENT_ENCODING, "gzip")];
        assert!(media(&two).taken.is_err());
    }
}
