//! The time of a file: that of a clock, but that it never runs backwards.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use asyncflow_core::{Clock, Stamp};

/// Where the clock is set back, time goes on from the latest stamp until the clock has caught up: it does not stand, or no lease would end in
/// between; and it is the clock's again as soon as that was set right, or all that waits for a time would be due.
#[derive(Debug)]
pub(crate) struct OneWay {
    clock: Arc<dyn Clock>,
    shown: Mutex<Shown>,
}

#[derive(Debug)]
struct Shown {
    latest: Stamp,
    /// When that was, by the clock's steady time.
    at: Duration,
}

impl OneWay {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        let at = clock.steady();
        Self { clock, shown: Mutex::new(Shown { latest: Stamp::from_micros(i64::MIN), at }) }
    }

    pub(crate) fn now(&self) -> Stamp {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        // Within: who read it earlier must not find it behind what was shown since.
        let (clock, steady) = (self.clock.now(), self.clock.steady());
        let gone_on = shown.latest + steady.saturating_sub(shown.at);
        let now = if clock >= shown.latest { clock } else { gone_on };
        *shown = Shown { latest: now, at: steady };
        now
    }

    /// A stamp that somebody else made: it is past.
    pub(crate) fn has_been(&self, stamp: Stamp) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if shown.latest < stamp {
            *shown = Shown { latest: stamp, at: self.clock.steady() };
        }
    }
}

#[cfg(test)]
mod tests {
    use asyncflow_core::ManualClock;

    use super::*;

    fn at(second: i64) -> Stamp {
        Stamp::from_micros(second * 1_000_000)
    }

    #[test]
    fn time_goes_on_from_the_latest_stamp() {
        let manual = Arc::new(ManualClock::at(at(1000)));
        let clock = OneWay::new(manual.clone());
        assert_eq!(clock.now(), at(1000));
        manual.set(at(400));
        assert_eq!(clock.now(), at(1000));
        manual.advance(Duration::from_secs(5));
        assert_eq!(clock.now(), at(1005));
        clock.has_been(at(2000));
        manual.advance(Duration::from_secs(5));
        assert_eq!(clock.now(), at(2005));
        clock.has_been(at(100));
        assert_eq!(clock.now(), at(2005));
    }

    #[test]
    fn a_clock_that_was_set_right_again_is_followed() {
        let manual = Arc::new(ManualClock::at(at(0)));
        let clock = OneWay::new(manual.clone());
        clock.has_been(at(1_000_000));
        assert_eq!(clock.now(), at(1_000_000));
        // Set right, and wrong and right again and again.
        for right in (1_000_100..1_009_000).step_by(100) {
            manual.set(at(right));
            assert_eq!(clock.now(), at(right));
            manual.set(at(right - 500_000));
            assert_eq!(clock.now(), at(right));
        }
    }
}
