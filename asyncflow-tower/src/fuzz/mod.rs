//! What is fuzzed here, each held against a slow and plain second opinion: at random by the tests below, guided by coverage from the
//! folder `fuzz`. A target takes any bytes, and panics where the two disagree.

mod headers;
mod route;

pub use headers::headers;
pub use route::route;

/// What paths are put together of.
#[rustfmt::skip]
pub const ROUTE: &[&str] = &[
    "/", "/", "//", "api", "v1", "/api", "/api/v1", "data", "data2", "status", "result", "error", "cancel", "x", ".", "..", "%2f", "\u{e9}",
    "0197a6e8-0000-7000-8000-00000000abcd", "0197A6E8-0000-7000-8000-00000000ABCD", "0197a6e8", "-0000", "00000000-0000-0000-0000-00000000000\u{e9}",
];

/// What headers are put together of.
#[rustfmt::skip]
pub const HEADERS: &[&str] = &[
    "wait", "Wait=", "wait=7", "respond-async", "=", ",", ";", " ", "\t", "\"", "\\", "\n", "*", "W/", "\"7\"", "W/\"7\"", "7", "0", "26",
    "99999999999", "application/json", "Application/JSON", "text/plain", "text/csv", "application/octet-stream", "a/b", "/", "+json",
    "charset=utf-8", "Charset=\"UTF8\"", "charset=latin1", "identity", "gzip", "key", "k\u{e9}y", "x", "!",
    "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk",
];

#[cfg(test)]
#[path = "../../../fuzz/at_random.rs"]
mod at_random;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_as_a_slow_reader_reads_them() {
        at_random::run(ROUTE, route);
    }

    #[test]
    fn headers_are_read_as_a_slow_reader_reads_them() {
        at_random::run(HEADERS, headers);
    }
}
