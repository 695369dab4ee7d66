//! Header values that are lists, whose elements may hold the separator between quotes.

/// The elements of a value between separators that are not within quotes, trimmed; what follows a quote that is never closed is dropped.
pub(crate) fn elements(value: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(value);
    std::iter::from_fn(move || {
        let value = rest.take()?;
        let (mut quoted, mut escaped) = (false, false);
        for (at, &byte) in value.iter().enumerate() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                _ if byte == separator && !quoted => {
                    rest = Some(&value[at + 1..]);
                    return Some(trim(&value[..at]));
                }
                _ => {}
            }
        }
        (!quoted).then(|| trim(value))
    })
}

/// The text before and after the first `=`; without one, the text alone.
pub(crate) fn pair(element: &[u8]) -> (&[u8], Option<&[u8]>) {
    match element.iter().position(|&byte| byte == b'=') {
        Some(at) => (trim(&element[..at]), Some(trim(&element[at + 1..]))),
        None => (element, None),
    }
}

/// The text without the quotes around it, if it has both.
pub(crate) fn unquoted(text: &[u8]) -> &[u8] {
    match text {
        [b'"', within @ .., b'"'] => within,
        bare => bare,
    }
}

/// Without optional whitespace around it.
pub(crate) fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(value: &str) -> Vec<&str> {
        elements(value.as_bytes(), b',').map(|element| std::str::from_utf8(element).unwrap()).collect()
    }

    #[test]
    fn separators_within_quotes_do_not_count() {
        assert_eq!(split(r#" a , "b,\",c" ,d="e,f""#), ["a", r#""b,\",c""#, r#"d="e,f""#]);
        assert_eq!(split(""), [""]);
        assert_eq!(split(",,"), ["", "", ""]);
        assert_eq!(split("\t,\\,"), ["", "\\", ""]);
    }

    #[test]
    fn an_open_quote_ends_the_list() {
        assert_eq!(split(r#"a, b="c, d"#), ["a"]);
        assert_eq!(split(r#"a, "\"#), ["a"]);
    }

    #[test]
    fn a_pair_is_split_at_its_first_sign() {
        assert_eq!(pair(b"a = b=c"), (&b"a"[..], Some(&b"b=c"[..])));
        assert_eq!(pair(b"a="), (&b"a"[..], Some(&b""[..])));
        assert_eq!(pair(b"a"), (&b"a"[..], None));
        assert_eq!(unquoted(b"\"a\""), b"a");
        assert_eq!(unquoted(b"\""), b"\"");
    }
}
