//! Entity tags: a record's version, always weak, as an outer layer may compress what they tag.

use http::{HeaderMap, HeaderValue, header::IF_NONE_MATCH};

use super::list;
use crate::answer::header_value;

/// The tag of what a record of this version shows.
pub(crate) fn tag(version: u64) -> HeaderValue {
    // Few jobs have more versions.
    static FIRST: [HeaderValue; 8] = [
        HeaderValue::from_static(r#"W/"0""#),
        HeaderValue::from_static(r#"W/"1""#),
        HeaderValue::from_static(r#"W/"2""#),
        HeaderValue::from_static(r#"W/"3""#),
        HeaderValue::from_static(r#"W/"4""#),
        HeaderValue::from_static(r#"W/"5""#),
        HeaderValue::from_static(r#"W/"6""#),
        HeaderValue::from_static(r#"W/"7""#),
    ];
    if let Some(first) = usize::try_from(version).ok().and_then(|version| FIRST.get(version)) {
        return first.clone();
    }
    header_value(["W/\"", itoa::Buffer::new().format(version), "\""].concat())
}

/// Whether the client says that it knows this version.
pub(crate) fn is_known(headers: &HeaderMap, version: u64) -> bool {
    let mut digits = itoa::Buffer::new();
    let version = digits.format(version).as_bytes();
    headers.get_all(IF_NONE_MATCH).iter().any(|line| {
        list::elements(line.as_bytes(), b',').any(|element| {
            let tag = element.strip_prefix(b"W/").unwrap_or(element);
            element == b"*"
                || (tag.len() == version.len() + 2 && tag.starts_with(b"\"") && list::unquoted(tag) == version)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(lines: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(IF_NONE_MATCH, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        is_known(&headers, 12)
    }

    #[test]
    fn a_tag_is_weak() {
        for version in 0..20 {
            assert_eq!(tag(version), format!("W/\"{version}\""));
        }
        assert_eq!(tag(u64::MAX), "W/\"18446744073709551615\"");
    }

    #[test]
    fn tags_are_compared_weakly() {
        for line in ["W/\"12\"", "\"12\"", "*", " W/\"1\" ,\"12\"", "\"a,b\", W/\"12\",", "nonsense, \"12\""] {
            assert!(known(&[line]), "{line}");
        }
        assert!(known(&["\"1\"", "\"12\""]));
    }

    #[test]
    fn what_is_no_tag_of_ours_is_not_known() {
        for line in [
            "",
            "12",
            "W/12",
            "w/\"12\"",
            "W/ \"12\"",
            "\"012\"",
            "\"12",
            "12\"",
            "\"\"",
            "\"",
            "\"a, \"12\"",
            "**",
            "\"*\"",
        ] {
            assert!(!known(&[line]), "{line}");
        }
        assert!(!known(&[]));
    }
}
