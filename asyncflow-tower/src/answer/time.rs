//! Times as the wire shows them.

use asyncflow_core::Stamp;

/// RFC 3339, UTC, whole seconds, as [`Stamp`] displays itself; by hand, as each status shows up to three.
pub(crate) fn rfc3339(stamp: Stamp) -> [u8; 20] {
    // Up to the end of the year 9999, so that a year has four digits.
    let seconds = stamp.as_secs().min(253_402_300_799);
    // In half the width division is cheaper, and none of these needs more.
    let (days, second) = ((seconds / 86_400) as u32, (seconds % 86_400) as u32);
    // Years begin in March here, so that a leap day ends one; eras of 400 years, all of one length, begin in March of the year 0.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year_of_era = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next_year) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = era * 400 + year_of_era + next_year;

    let mut text = *b"0000-00-00T00:00:00Z";
    let mut put = |at: usize, number: u32| {
        // Two digits, so neither leaves its byte.
        text[at] += (number / 10) as u8;
        text[at + 1] += (number % 10) as u8;
    };
    put(0, year / 100);
    put(2, year % 100);
    put(5, month);
    put(8, day);
    put(11, second / 3600);
    put(14, second / 60 % 60);
    put(17, second % 60);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_right(seconds: i64) {
        let stamp = Stamp::from_micros(seconds.saturating_mul(1_000_000).saturating_add(999_999));
        assert_eq!(std::str::from_utf8(&rfc3339(stamp)).unwrap(), stamp.to_string(), "{seconds}");
    }

    #[test]
    fn it_is_what_a_stamp_displays() {
        [i64::MIN, -1, 0, 1_692_027_045, 253_402_300_799, 253_402_300_800, i64::MAX].into_iter().for_each(is_right);
        // Each day up to the year 2100 (no leap year) and beyond, each at another time of day.
        (0..60_000).for_each(|day| is_right(day * 86_400 + day * 7 % 86_400));
        // Each end of February and of the year.
        (1970..9999).for_each(|year: i64| {
            let start = (year - 1970) * 365 + (year - 1969) / 4 - (year - 1901) / 100 + (year - 1601) / 400;
            [0, 58, 59, 60, 364].into_iter().for_each(|day| is_right((start + day) * 86_400));
        });
    }
}
