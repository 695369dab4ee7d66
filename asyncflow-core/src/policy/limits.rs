//! What of a flow may run in all of the fleet.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::duration;
use crate::job::Stamp;

/// What of a flow may run in all of the fleet, whichever nodes share the store: it is checked with each claim, in the same step.
///
/// A key is what [`SubmitOptions::limit_key`](crate::SubmitOptions::limit_key) says, or else the job's owner; a job that has neither counts
/// for the flow alone. Where one key has to wait, jobs of others go on.
///
/// ```
/// # use asyncflow_core::{FlowOptions, Limits, Rate}; use std::time::Duration;
/// let limits = Limits::new().running(20).running_per_key(2).rate_per_key(Rate::new(100, Duration::from_secs(60)));
/// let options = FlowOptions::new().limits(limits);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Jobs of the flow that may run at once.
    pub running: Option<u64>,
    /// Jobs of one key that may run at once.
    pub running_per_key: Option<u64>,
    /// How often jobs of the flow may start.
    pub rate: Option<Rate>,
    /// How often jobs of one key may start.
    pub rate_per_key: Option<Rate>,
}

impl Limits {
    /// No limits.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets [`running`](Self#structfield.running).
    pub fn running(mut self, jobs: u64) -> Self {
        self.running = Some(jobs);
        self
    }

    /// Sets [`running_per_key`](Self#structfield.running_per_key).
    pub fn running_per_key(mut self, jobs: u64) -> Self {
        self.running_per_key = Some(jobs);
        self
    }

    /// Sets [`rate`](Self#structfield.rate).
    pub fn rate(mut self, rate: Rate) -> Self {
        self.rate = Some(rate);
        self
    }

    /// Sets [`rate_per_key`](Self#structfield.rate_per_key).
    pub fn rate_per_key(mut self, rate: Rate) -> Self {
        self.rate_per_key = Some(rate);
        self
    }

    /// Whether there is none.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Whether one says how many may run at once: a job must not run on then where another may have been started in its place.
    pub(crate) fn bounds_running(&self) -> bool {
        self.running.is_some() || self.running_per_key.is_some()
    }

    /// Whether the limits can be kept.
    pub(crate) fn check(&self) -> Result<(), String> {
        for (name, most) in [("running", self.running), ("running_per_key", self.running_per_key)] {
            if most == Some(0) {
                return Err(format!("{name} is 0, so that no job would ever run: pause the flow instead"));
            }
        }
        for (name, rate) in [("rate", self.rate), ("rate_per_key", self.rate_per_key)] {
            let Some(Rate { jobs, per }) = rate else { continue };
            if jobs == 0 {
                return Err(format!("{name} has 0 jobs, so that no job would ever run: pause the flow instead"));
            }
            if per.as_micros() < u128::from(jobs) || per > duration::LONGEST {
                return Err(format!(
                    "{name} of {jobs} jobs in {per:?} is not within one a microsecond and a hundred years"
                ));
            }
        }
        Ok(())
    }
}

/// How often jobs may start: so many at once, and again as many evenly over each such time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Jobs.
    pub jobs: u32,
    /// In so long.
    #[serde(with = "duration")]
    pub per: Duration,
}

impl Rate {
    /// So many jobs in so long.
    pub fn new(jobs: u32, per: Duration) -> Self {
        Self { jobs, per }
    }

    /// Whether one more may start now: then what a store remembers in place of `last`; or else how long until one may.
    ///
    /// What is remembered is the time at which everything that started is paid back; past that it need not be remembered. A store that is
    /// told to wait goes on from what of it [counts](Self::owed).
    ///
    /// # Errors
    /// How long until one may start, if no other does.
    pub fn start(&self, last: Option<Stamp>, now: Stamp) -> Result<Stamp, Duration> {
        let (one, all) = self.spans();
        let owed = last.map_or(Duration::ZERO, |last| self.owed(last, now).since(now)) + one;
        match owed.checked_sub(all) {
            Some(over) if !over.is_zero() => Err(over),
            _ => Ok(now + owed),
        }
    }

    /// What counts of what a store remembers: where the clock was set back, or the rate was another, it may be further ahead than this rate
    /// can owe. It is to be remembered in place of `last`, or the wait would begin anew with each look.
    pub fn owed(&self, last: Stamp, now: Stamp) -> Stamp {
        last.min(now + self.spans().1)
    }

    /// For how long one start counts, and as many as there may be at once. Whole microseconds, as stores keep them, and none too few.
    fn spans(&self) -> (Duration, Duration) {
        let jobs = u64::from(self.jobs.max(1));
        let one = u64::try_from(self.per.as_micros()).unwrap_or(u64::MAX).div_ceil(jobs);
        (Duration::from_micros(one), Duration::from_micros(one.saturating_mul(jobs)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Stamp = Stamp::from_micros(1_000_000_000);

    #[test]
    fn so_many_start_at_once_and_then_evenly() {
        let rate = Rate::new(3, Duration::from_secs(3));
        let mut last = None;
        for _ in 0..3 {
            last = Some(rate.start(last, NOW).unwrap());
        }
        let wait = rate.start(last, NOW).unwrap_err();
        assert_eq!(wait, Duration::from_secs(1));
        last = Some(rate.start(last, NOW + wait).unwrap());
        rate.start(last, NOW + wait).unwrap_err();
        let later = NOW + Duration::from_secs(100);
        assert_eq!(rate.start(last, later), rate.start(None, later));
    }

    #[test]
    fn no_rate_is_exceeded_for_being_no_whole_number_of_microseconds() {
        let (rate, mut last, mut now, mut started) = (Rate::new(7, Duration::from_millis(1)), None, NOW, 0);
        while now < NOW + Duration::from_secs(1) {
            match rate.start(last, now) {
                Ok(next) => (last, started) = (Some(next), started + 1),
                Err(wait) => now = now + wait,
            }
        }
        assert!((6_900..=7_007).contains(&started), "{started}");
    }

    #[test]
    fn a_clock_that_was_set_back_holds_nothing_back_for_long() {
        let rate = Rate::new(2, Duration::from_secs(2));
        let last = rate.start(None, NOW + Duration::from_secs(1_000_000)).unwrap();
        let wait = rate.start(Some(last), NOW).unwrap_err();
        assert_eq!(wait, Duration::from_secs(1));
        rate.start(Some(rate.owed(last, NOW)), NOW + wait).unwrap();
    }

    #[test]
    fn limits_that_no_job_could_meet_are_named() {
        let wrong = |limits: Limits| limits.check().unwrap_err();
        assert!(wrong(Limits::new().running(0)).starts_with("running is 0"));
        assert!(wrong(Limits::new().running_per_key(0)).starts_with("running_per_key is 0"));
        assert!(wrong(Limits::new().rate(Rate::new(0, Duration::from_secs(1)))).starts_with("rate has 0"));
        assert!(wrong(Limits::new().rate_per_key(Rate::new(5, Duration::ZERO))).starts_with("rate_per_key of 5"));
        assert_eq!(Limits::new().running(1).rate(Rate::new(1, Duration::from_secs(1))).check(), Ok(()));
    }
}
