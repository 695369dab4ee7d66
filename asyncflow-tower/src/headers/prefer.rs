//! `Prefer` (RFC 7240): how long a client would wait, and whether it would rather not.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::list;

pub(crate) static PREFER: HeaderName = HeaderName::from_static("prefer");
pub(crate) const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// The preferences that are known here; others, and malformed ones, count as not said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Prefer {
    /// Whole seconds, no more than the cap.
    wait: Option<u32>,
    respond_async: bool,
}

impl Prefer {
    /// Reads what a request prefers; nobody waits for longer than `cap` seconds.
    pub(crate) fn read(headers: &HeaderMap, cap: u32) -> Self {
        let mut prefer = Self::default();
        for line in headers.get_all(&PREFER) {
            for element in list::elements(line.as_bytes(), b',') {
                prefer.add(element, cap);
            }
        }
        prefer
    }

    fn add(&mut self, element: &[u8], cap: u32) {
        let Some(preference) = list::elements(element, b';').next() else { return };
        let (name, value) = list::pair(preference);
        let value = list::unquoted(value.unwrap_or_default());
        if name.eq_ignore_ascii_case(b"respond-async") {
            self.respond_async |= value.is_empty();
        } else if name.eq_ignore_ascii_case(b"wait") && self.wait.is_none() && value.iter().all(u8::is_ascii_digit) {
            self.wait = Some(if value.is_empty() { cap } else { seconds(value).min(cap) });
        }
    }

    /// How long to wait, where that was asked.
    pub(crate) fn patience(self) -> Option<Duration> {
        self.wait.map(|seconds| Duration::from_secs(seconds.into()))
    }

    /// What `Preference-Applied` says: how long was waited for, and on a 202 that it is one where that was asked.
    pub(crate) fn applied(self, accepted: bool) -> Option<HeaderValue> {
        match (self.respond_async && accepted, self.wait) {
            (false, None) => None,
            (true, None) => Some(HeaderValue::from_static("respond-async")),
            (false, Some(wait)) => HeaderValue::try_from(format!("wait={wait}")).ok(),
            (true, Some(wait)) => HeaderValue::try_from(format!("respond-async, wait={wait}")).ok(),
        }
    }

    /// The same preferences where nothing is there to wait for.
    pub(crate) fn without_wait(self) -> Self {
        Self { wait: None, ..self }
    }
}

/// The number of these digits, or the largest where it is larger.
fn seconds(digits: &[u8]) -> u32 {
    digits.iter().fold(0, |number: u32, digit| number.saturating_mul(10).saturating_add(u32::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Prefer {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(&PREFER, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        Prefer::read(&headers, 25)
    }

    fn wait(line: &str) -> Option<u32> {
        read(&[line]).wait
    }

    #[test]
    fn the_first_well_formed_wait_wins() {
        assert_eq!(wait("wait=3, wait=5"), Some(3));
        assert_eq!(wait("wait=x, Wait=5"), Some(5));
        assert_eq!(wait("wait=-1, wait=1.5, wait=+2, wait=0x1, wait=\"4\"; foo=\"b,a\", wait=6"), Some(4));
        assert_eq!(read(&["foo", "wait=7", "wait=8"]).wait, Some(7));
        assert_eq!(wait("wait = 5 ;a"), Some(5));
        assert_eq!(wait("wait=0"), Some(0));
    }

    #[test]
    fn a_bare_or_long_wait_means_the_cap() {
        for bare in ["wait", "wait=", "wait=\"\"", "WAIT", "wait;a=b", "wait=26", "wait=99999999999999999999999"] {
            assert_eq!(wait(bare), Some(25), "{bare}");
        }
    }

    #[test]
    fn what_is_unknown_or_malformed_counts_as_not_said() {
        for line in [
            "",
            ",",
            "=",
            "=5",
            "waiting=5",
            "wai t=5",
            "wait 5",
            "wait=5 6",
            "foo=\"wait=5",
            "foo=\", wait=5",
            "wait=\"5",
            "wait=5;a=\"",
            "foo;wait=5",
            "\"wait\"=5",
            "wait=\u{666}",
            "wait='5'",
        ] {
            assert_eq!(read(&[line]), Prefer::default(), "{line}");
        }
    }

    #[test]
    fn what_was_applied_is_said_back() {
        let said =
            |line: &str, accepted| read(&[line]).applied(accepted).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(said("wait=99", false).as_deref(), Some("wait=25"));
        assert_eq!(said("wait=9, respond-async", true).as_deref(), Some("respond-async, wait=9"));
        assert_eq!(said("wait=9, respond-async", false).as_deref(), Some("wait=9"));
        assert_eq!(said("respond-async", true).as_deref(), Some("respond-async"));
        assert_eq!(said("respond-async", false), None);
    }
}
