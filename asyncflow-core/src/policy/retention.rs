//! How long ended jobs are kept.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::duration;
use crate::job::State;

/// How long a job is kept after its end, by outcome; at least a minute after it was made, whatever is set here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Retention {
    /// Of a job that succeeded; 24 hours unless set.
    #[serde(with = "duration")]
    pub succeeded: Duration,
    /// Of a job that failed; 7 days unless set.
    #[serde(with = "duration")]
    pub failed: Duration,
    /// Of a job that was cancelled; 24 hours unless set.
    #[serde(with = "duration")]
    pub cancelled: Duration,
}

impl Retention {
    /// The same for every outcome.
    pub fn of(duration: Duration) -> Self {
        Self { succeeded: duration, failed: duration, cancelled: duration }
    }

    /// Sets how long a job that succeeded is kept.
    pub fn succeeded(mut self, duration: Duration) -> Self {
        self.succeeded = duration;
        self
    }

    /// Sets how long a job that failed is kept.
    pub fn failed(mut self, duration: Duration) -> Self {
        self.failed = duration;
        self
    }

    /// Sets how long a job that was cancelled is kept.
    pub fn cancelled(mut self, duration: Duration) -> Self {
        self.cancelled = duration;
        self
    }

    /// How long a job that ended so is kept; for a state that is no end, as if it were cancelled.
    pub(crate) fn after(&self, end: State) -> Duration {
        match end {
            State::Succeeded => self.succeeded,
            State::Failed => self.failed,
            _ => self.cancelled,
        }
    }
}

impl Default for Retention {
    fn default() -> Self {
        let day = Duration::from_secs(24 * 3600);
        Self { succeeded: day, failed: 7 * day, cancelled: day }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_outcome_is_kept_for_a_time_of_its_own() {
        let [succeeded, failed, cancelled] = [1, 2, 3].map(Duration::from_secs);
        let retention = Retention::default().succeeded(succeeded).failed(failed).cancelled(cancelled);
        let kept = [State::Succeeded, State::Failed, State::Cancelled].map(|end| retention.after(end));
        assert_eq!(kept, [succeeded, failed, cancelled]);
        assert_eq!(Retention::of(failed).cancelled, failed);
    }
}
