//! Durations in configuration: `"30s"`, `"1h 30m"`, or a number of seconds.

use std::{fmt, time::Duration};

use serde::{Deserializer, Serializer, de};

/// The longest duration that a policy may hold: about a hundred years, so that no sum of a stamp and a duration leaves its range.
pub(super) const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

pub(super) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&humantime::format_duration(*duration))
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    deserializer.deserialize_any(InWords)
}

/// The same for a duration that may be absent.
pub(super) mod option {
    use super::*;

    pub(in super::super) fn serialize<S: Serializer>(
        duration: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => super::serialize(duration, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        struct Absent;

        impl<'de> de::Visitor<'de> for Absent {
            type Value = Option<Duration>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                InWords.expecting(f)?;
                f.write_str(", or null")
            }

            fn visit_none<E: de::Error>(self) -> Result<Self::Value, E> {
                Ok(None)
            }

            fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
                Ok(None)
            }

            fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
                super::deserialize(deserializer).map(Some)
            }
        }

        deserializer.deserialize_option(Absent)
    }
}

struct InWords;

impl de::Visitor<'_> for InWords {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration such as \"30s\" or \"1h 30m\", or a number of seconds")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
        parse(text)
            .map_err(|error| E::custom(format_args!("`{text}` is no duration such as \"30s\" or \"1h 30m\": {error}")))
    }

    fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Duration, E> {
        Ok(Duration::from_secs(seconds))
    }

    fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Duration, E> {
        u64::try_from(seconds)
            .map(Duration::from_secs)
            .map_err(|_| E::custom(format_args!("`{seconds}` is no duration: it is negative")))
    }

    fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<Duration, E> {
        Duration::try_from_secs_f64(seconds)
            .map_err(|error| E::custom(format_args!("`{seconds}` is no duration: {error}")))
    }
}

/// Reads spans such as `1h 30m`. Their sum is ours: humantime's may panic where it is beyond all durations.
fn parse(text: &str) -> Result<Duration, humantime::DurationError> {
    let (mut sum, mut rest) = (Duration::ZERO, text);
    loop {
        // A span ends where a digit follows its unit.
        let unit = rest.find(char::is_alphabetic).unwrap_or(rest.len());
        let end = rest[unit..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |end| unit + end);
        let (span, after) = rest.split_at(end);
        sum = sum.checked_add(humantime::parse_duration(span)?).ok_or(humantime::DurationError::NumberOverflow)?;
        if after.is_empty() {
            return Ok(sum);
        }
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    struct Times {
        #[serde(with = "super")]
        one: Duration,
        #[serde(with = "super::option", default)]
        other: Option<Duration>,
    }

    #[derive(serde::Deserialize)]
    struct Flat {
        #[serde(flatten)]
        times: Times,
    }

    #[test]
    fn words_and_seconds_are_read_and_all_else_is_named() {
        let millis = |millis| Duration::from_millis(millis);
        for (json, one, other) in [
            (r#"{"one":"1m 30s","other":"250ms"}"#, 90_000, Some(250)),
            (r#"{"one":90,"other":0.25}"#, 90_000, Some(250)),
            (r#"{"one":0,"other":null}"#, 0, None),
            (r#"{"one":1.5}"#, 1_500, None),
        ] {
            let times = Times { one: millis(one), other: other.map(millis) };
            assert_eq!(serde_json::from_str::<Times>(json).unwrap(), times);
            assert_eq!(serde_json::from_str::<Flat>(json).unwrap().times, times);
            assert_eq!(serde_json::from_str::<Times>(&serde_json::to_string(&times).unwrap()).unwrap(), times);
        }
        for (json, why) in [
            (r#"{"one":-1}"#, "`-1` is no duration: it is negative"),
            (r#"{"one":-1.5}"#, "`-1.5` is no duration: "),
            (r#"{"one":"soon"}"#, "`soon` is no duration such as"),
            (r#"{"one":true}"#, "expected a duration such as \"30s\" or \"1h 30m\", or a number of seconds"),
            (r#"{"one":null}"#, "expected a duration such as"),
            (r#"{"one":1,"other":[]}"#, "expected a duration such as"),
        ] {
            let error = serde_json::from_str::<Times>(json).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn no_sum_of_spans_is_too_large_to_refuse() {
        assert_eq!(parse("1h 30m1s 500ms"), Ok(Duration::from_millis(5_401_500)));
        assert_eq!(parse("18446744073709551615s 999ms"), Ok(Duration::new(u64::MAX, 999_000_000)));
        for text in
            ["18446744073709551615s 1000ms", "18446744073709551615s 1s", "18446744073709551616s", "1h 2", "s", ""]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
