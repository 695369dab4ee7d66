//! The time of a file: that of a clock, but that it never runs backwards.

use std::sync::{Arc, Mutex, PoisonError};

use asyncflow_core::{Clock, Stamp};

/// Where the clock is set back, time goes on from the latest stamp, at the clock's pace: it does not stand until the clock has caught up,
/// or no lease would end in between.
#[derive(Debug)]
pub(crate) struct OneWay {
    clock: Arc<dyn Clock>,
    shown: Mutex<Shown>,
}

#[derive(Debug)]
struct Shown {
    latest: Stamp,
    /// How far our time is ahead of the clock.
    ahead: std::time::Duration,
}

impl OneWay {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, shown: Mutex::new(Shown { latest: Stamp::from_micros(i64::MIN), ahead: Default::default() }) }
    }

    pub(crate) fn now(&self) -> Stamp {
        let clock = self.clock.now();
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let now = clock + shown.ahead;
        let behind = shown.latest.since(now);
        shown.ahead += behind;
        shown.latest = now + behind;
        shown.latest
    }

    /// A stamp that somebody else made: it is past.
    pub(crate) fn has_been(&self, stamp: Stamp) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.latest = shown.latest.max(stamp);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use asyncflow_core::ManualClock;

    use super::*;

    #[test]
    fn time_goes_on_from_the_latest_stamp() {
        let at = Stamp::from_micros;
        let manual = Arc::new(ManualClock::at(at(1000)));
        let clock = OneWay::new(manual.clone());
        assert_eq!(clock.now(), at(1000));
        manual.set(at(400));
        assert_eq!(clock.now(), at(1000));
        manual.advance(Duration::from_micros(5));
        assert_eq!(clock.now(), at(1005));
        clock.has_been(at(2000));
        manual.advance(Duration::from_micros(5));
        assert_eq!(clock.now(), at(2000));
        manual.set(at(3000));
        clock.has_been(at(100));
        assert!(clock.now() >= at(3000));
    }
}
