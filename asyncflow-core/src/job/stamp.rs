//! A point in a store's time.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

/// A point in time by the store's clock: microseconds since 1970, UTC.
///
/// Arithmetic saturates, so no setting can overflow it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Stamp(i64);

impl Stamp {
    /// The stamp of so many microseconds since 1970.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since 1970.
    pub fn as_micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970, rounded down; 0 for earlier times.
    pub fn as_secs(self) -> u64 {
        (self.0.max(0) / 1_000_000).unsigned_abs()
    }

    /// How long `self` is after `earlier`; zero where it isn't.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0).max(0).unsigned_abs())
    }
}

impl std::ops::Add<Duration> for Stamp {
    type Output = Self;

    fn add(self, by: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(by.as_micros()).unwrap_or(i64::MAX)))
    }
}

impl From<SystemTime> for Stamp {
    fn from(time: SystemTime) -> Self {
        match time.duration_since(UNIX_EPOCH) {
            Ok(after) => Self(0) + after,
            Err(before) => Self(i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |micros| -micros)),
        }
    }
}

impl From<Stamp> for SystemTime {
    fn from(stamp: Stamp) -> Self {
        let distance = Duration::from_micros(stamp.0.unsigned_abs());
        let time = if stamp.0 < 0 { UNIX_EPOCH.checked_sub(distance) } else { UNIX_EPOCH.checked_add(distance) };
        time.unwrap_or(UNIX_EPOCH)
    }
}

/// RFC 3339, UTC, whole seconds: `2023-08-14T15:30:45Z`.
impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // RFC 3339 ends with the year 9999.
        let last = 253_402_300_799;
        let time = UNIX_EPOCH + Duration::from_secs(self.as_secs().min(last));
        humantime::format_rfc3339_seconds(time).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_written_in_whole_seconds() {
        assert_eq!(Stamp::from_micros(1_692_027_045_999_999).to_string(), "2023-08-14T15:30:45Z");
        assert_eq!(Stamp::from_micros(i64::MIN).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(Stamp::from_micros(i64::MAX).to_string(), "9999-12-31T23:59:59Z");
    }

    #[test]
    fn arithmetic_saturates() {
        let end = Stamp::from_micros(i64::MAX);
        assert_eq!(end + Duration::MAX, end);
        assert_eq!(Stamp::default().since(end), Duration::ZERO);
        assert_eq!(end.since(Stamp::default()), Duration::from_micros(i64::MAX.unsigned_abs()));
        assert_eq!(Stamp::from(SystemTime::from(Stamp::from_micros(-5))), Stamp::from_micros(-5));
    }
}
