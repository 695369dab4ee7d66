//! When a failed attempt is followed by another.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::duration;

/// When a failed attempt is followed by another: never, unless set.
///
/// ```
/// # use asyncflow_core::Retry; use std::time::Duration;
/// // 5 attempts, 1 s, 2 s, 4 s, 8 s apart, each delay cut by up to a half at random
/// let retry = Retry::exponential(5, Duration::from_secs(1));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Retry {
    /// A failed attempt is the last.
    #[default]
    Never,
    /// Attempts that follow each other at the same distance.
    #[non_exhaustive]
    Fixed {
        /// How many attempts there are in all.
        attempts: u32,
        /// From the end of one to the beginning of the next.
        #[serde(with = "duration")]
        delay: Duration,
    },
    /// Attempts that follow each other at growing distances.
    #[non_exhaustive]
    Exponential {
        /// How many attempts there are in all.
        attempts: u32,
        /// Before the second attempt; doubled before each further one.
        #[serde(with = "duration")]
        delay: Duration,
        /// The longest delay.
        #[serde(with = "duration")]
        cap: Duration,
        /// The largest share of a delay that is taken off at random, 0 to 1.
        jitter: f64,
    },
}

impl Retry {
    /// So many attempts in all, so long after each other.
    pub fn fixed(attempts: u32, delay: Duration) -> Self {
        Self::Fixed { attempts, delay }
    }

    /// So many attempts in all, the first delay doubled each time, up to an hour, up to half of it taken off at random.
    pub fn exponential(attempts: u32, delay: Duration) -> Self {
        Self::Exponential { attempts, delay, cap: Duration::from_secs(3600), jitter: 0.5 }
    }

    /// Sets the longest delay of an exponential policy; others have none to set.
    pub fn cap(mut self, longest: Duration) -> Self {
        if let Self::Exponential { cap, .. } = &mut self {
            *cap = longest;
        }
        self
    }

    /// Sets the share of an exponential policy's delays that is taken off at random, 0 to 1; others have none to set.
    pub fn jitter(mut self, share: f64) -> Self {
        if let Self::Exponential { jitter, .. } = &mut self {
            *jitter = share;
        }
        self
    }

    /// How long after the failure that makes it so many the next attempt comes; `None` for no further one.
    /// `chance` is a random number from 0 to 1.
    pub(crate) fn after(&self, failures: u32, chance: f64) -> Option<Duration> {
        match *self {
            Self::Never => None,
            Self::Fixed { attempts, delay } => (failures < attempts).then_some(delay),
            Self::Exponential { attempts, delay, cap, jitter } => (failures < attempts).then(|| {
                let doublings = failures.saturating_sub(1).min(31);
                let whole = delay.saturating_mul(1 << doublings).min(cap);
                let left = whole.as_secs_f64() * (1.0 - (jitter * chance).clamp(0.0, 1.0));
                // As a float, what is very long may be a little longer.
                Duration::try_from_secs_f64(left).map_or(whole, |left| left.min(whole))
            }),
        }
    }

    /// What contradicts itself in the policy.
    pub(super) fn check(&self) -> Result<(), String> {
        match self {
            Self::Fixed { attempts: 0, .. } | Self::Exponential { attempts: 0, .. } => {
                Err("its attempts are 0: say 1 for a single one".into())
            }
            Self::Exponential { jitter, .. } if !(0.0..=1.0).contains(jitter) => {
                Err(format!("its jitter is {jitter}: say a share from 0 to 1"))
            }
            Self::Exponential { delay, cap, .. } if cap < delay => {
                Err(format!("its cap of {cap:?} is below its first delay of {delay:?}"))
            }
            Self::Fixed { delay, .. } | Self::Exponential { cap: delay, .. } if *delay > duration::LONGEST => {
                Err(format!("its delay of {delay:?} is longer than a hundred years"))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn attempts_are_counted_in_all() {
        assert_eq!(Retry::Never.after(1, 0.0), None);
        let fixed = Retry::fixed(3, SECOND);
        assert_eq!([1, 2, 3].map(|n| fixed.after(n, 0.5)), [Some(SECOND), Some(SECOND), None]);
    }

    #[test]
    fn exponential_delays_double_to_their_cap_and_are_cut_at_random() {
        let retry = Retry::exponential(u32::MAX, SECOND).cap(5 * SECOND);
        assert_eq!([1, 2, 3, 4, 4000].map(|n| retry.after(n, 0.0).unwrap().as_secs()), [1, 2, 4, 5, 5]);
        assert_eq!(retry.after(2, 1.0), Some(SECOND));
        assert_eq!(retry.clone().jitter(0.0).after(2, 1.0), Some(2 * SECOND));
    }

    #[test]
    fn nothing_overflows() {
        let retry = Retry::Exponential { attempts: u32::MAX, delay: Duration::MAX, cap: Duration::MAX, jitter: 0.0 };
        assert!(retry.check().is_err());
        assert_eq!(retry.after(1, 1.0), Some(Duration::MAX));
        assert_eq!(Retry::exponential(9, Duration::from_secs(u64::MAX)).after(8, 0.0), Some(Duration::from_secs(3600)));
    }
}
