//! The names of keys.

use std::fmt::Write;

use asyncflow_core::JobId;

/// What all keys of a flow begin with. The braces have a cluster keep them in one slot; neither part can leave them.
pub(crate) fn base(prefix: &str, flow: &str) -> String {
    let mut base = format!("{{{prefix}:");
    for letter in flow.chars() {
        match letter {
            // Flows of an engine have none of these.
            '{' | '}' | ':' | '%' => write!(base, "%{:02x}", u32::from(letter)).unwrap_or_default(),
            _ => base.push(letter),
        }
    }
    base.push('}');
    base
}

/// A key of a job: its record (`j`), its request (`r`), its outcome (`o`), its progress (`p`).
pub(crate) fn of_job(base: &str, kind: u8, id: JobId) -> Vec<u8> {
    let mut key = Vec::with_capacity(base.len() + 17);
    key.extend_from_slice(base.as_bytes());
    key.push(kind);
    key.extend_from_slice(&id.as_u128().to_be_bytes());
    key
}

/// A key of all flows together.
pub(crate) fn common(prefix: &str, name: &str) -> String {
    format!("{prefix}:{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_flow_leaves_its_braces_or_takes_anothers_keys() {
        assert_eq!(base("asyncflow", "greet-1.0_~"), "{asyncflow:greet-1.0_~}");
        assert_eq!(base("a:b", "c"), "{a:b:c}");
        assert_ne!(base("a", "b:c"), base("a:b", "c"));
        assert_eq!(base("a", "x}j{%:\u{e9}"), "{a:x%7dj%7b%25%3a\u{e9}}");
        assert_eq!(of_job("{a:b}", b'j', JobId::from_u128(1)), b"{a:b}j\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01");
    }
}
