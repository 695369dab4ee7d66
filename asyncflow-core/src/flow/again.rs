//! What a handler may ask for when it cannot succeed now.

use std::{fmt, time::Duration};

use super::{BoxError, last_segment};

/// An error that says whether and when the job is to be tried again. It is recognised wherever it stands in the chain of an error's sources.
///
/// ```
/// # use asyncflow_core::Again; use std::time::Duration;
/// # fn busy() -> std::io::Error { std::io::ErrorKind::WouldBlock.into() }
/// // another attempt in a minute, whatever the delay of the flow's retry policy
/// let later = Again::after(Duration::from_secs(60), busy());
/// // no further attempt, whatever the policy
/// let never = Again::never(busy());
/// // not now, and this was no attempt
/// let snooze = Again::snooze(Duration::from_secs(60));
/// ```
#[derive(Debug)]
pub struct Again {
    pub(super) what: What,
    pub(super) kind: &'static str,
    source: BoxError,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    After(Duration),
    Snooze(Duration),
    Never,
}

impl Again {
    /// The attempt failed, and the next comes after this long while the flow's retry policy allows further ones. Where it has no retry
    /// policy, there may be as many as snoozes.
    pub fn after<E: Into<BoxError>>(delay: Duration, error: E) -> Self {
        Self { what: What::After(delay), kind: last_segment(std::any::type_name::<E>()), source: error.into() }
    }

    /// Not now: the job is put off for so long, and no attempt is counted.
    pub fn snooze(delay: Duration) -> Self {
        Self { what: What::Snooze(delay), kind: "Snoozed", source: "the job was put off".into() }
    }

    /// The attempt failed, and none follows.
    pub fn never<E: Into<BoxError>>(error: E) -> Self {
        Self { what: What::Never, kind: last_segment(std::any::type_name::<E>()), source: error.into() }
    }

    /// Looks for one in an error and its sources.
    pub(super) fn within<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a Self> {
        std::iter::successors(Some(error), |error| error.source()).take(32).find_map(|error| error.downcast_ref())
    }
}

impl fmt::Display for Again {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

impl std::error::Error for Again {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.source()
    }
}
