//! What is fuzzed here, each held against a slow and plain second opinion: at random by the tests below, guided by coverage from the
//! folder `fuzz`. A target takes any bytes, and panics where the two disagree.

mod json;
mod values;

pub use json::json;
pub use values::values;

/// What bodies are put together of.
#[rustfmt::skip]
pub const JSON: &[&str] = &[
    "{", "}", "[", "]", "[[[[[[[[[[[[[[[[", "]]]]]]]]]]]]]]]]", ":", ",", "\"", "\\", "\"items\":[", "{\"count\":1}", "\"note\":", "\"x\"",
    "1", "-0", ".5", "e9", "null", "true", "false", "\\ud800", "\\u0041", "\\n", " ", "\t", "\u{feff}", "\u{e9}", "300",
    "{\"type\":\"a\",\"message\":\"b\"", "\"causes\":[\"c\"]", "\"detail\":\"d\"", "{\"text\":\"a\"", "\"percentage\":", "\"data\":",
];

/// What settings are put together of.
#[rustfmt::skip]
pub const VALUES: &[&str] = &[
    "{", "}", ":", ",", "\"", "{\"timeout\":", "{\"retry\":", "\"never\"", "{\"fixed\":{\"attempts\":3,\"delay\":", "{\"retention\":",
    "{\"succeeded\":\"1d\"}", "{\"expiry\":", "\"1h 30m\"", "\"30s\"", "null", "1.5", "-1", "0", "s", "ms", "m", "h", "d", " ", ".",
    "18446744073709551615", "{\"exponential\":{\"attempts\":4,\"delay\":", "\"cap\":", "\"jitter\":", "0.9092974268256817}}",
    "\"priority\":", "\"max_bytes\":", "\"max_request\":", "\"max_waiting\":5", "\"max_waiting_per_owner\":", "\"max_crashes\":",
    "\"also_runs\":[1]", "\"boost\":", "0197a6e8-0000-7000-8000-00000000abcd", "-", "application/", "json", "+json", "text/plain",
    "; charset=utf-8", "\u{e9}", "{\"limits\":{\"rate\":{\"jobs\":3,\"per\":\"1s\"}}}",
    "{\"flows\":{\"a\":{\"limits\":{\"rate_per_key\":{\"jobs\":2,\"per\":\"1s\"}}}}}", "\"limits\":", "{\"running\":", "\"rate\":{\"jobs\":", "\"per\":", "{\"flows\":{\"a\":", "{\"paused\":true,",
    "\"version\":", "\"fair\":true",
];

#[cfg(test)]
#[path = "../../../fuzz/at_random.rs"]
mod at_random;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_read_as_a_slow_reader_reads_them() {
        at_random::run(JSON, json);
    }

    #[test]
    fn values_are_read_as_a_slow_reader_reads_them() {
        at_random::run(VALUES, values);
    }
}
