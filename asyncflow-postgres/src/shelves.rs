//! Where ended jobs are put: the divisions of shelves that there are, as this node knows them.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use asyncflow_core::{Policy, store::StoreError};
use tokio_postgres::types::Type;

use crate::{database::Shared, params::Params};

/// Shelves that there may be: the last one holds what goes within a year and a half.
const SHELVES: usize = 17;
/// The first shelf holds what goes within so many seconds, and each other one what goes within twice as many as the one before.
const FIRST: u64 = 375;
/// How long a job usually takes from its making to its end, at most.
const USUAL: u64 = 30;
/// How often a node looks after what it shares with others.
const EVERY: Duration = Duration::from_secs(1);
/// Microseconds by which a clock that was given is turned, after which it does so too.
const TURNED: u64 = 60_000_000;

#[derive(Default)]
pub(crate) struct Shelves(Mutex<Known>);

#[derive(Default)]
struct Known {
    wanted: [bool; SHELVES],
    from: [Option<i64>; SHELVES],
    until: [Option<i64>; SHELVES],
    /// When that was, and by the clock that was given.
    tended: Option<(Instant, Option<i64>)>,
}

impl Shelves {
    /// Ended jobs of this policy want shelves to stand on. Says whether one is new.
    pub(crate) fn want(&self, policy: &Policy) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let retention = &policy.retention;
        let mut new = false;
        for keep in [retention.succeeded, retention.failed, retention.cancelled] {
            if let Some(shelf) = shelf(keep) {
                new |= !std::mem::replace(&mut known.wanted[shelf], true);
            }
        }
        new
    }

    /// From when and until when ids were made that each shelf has a place for.
    pub(crate) fn spans(&self) -> (Vec<Option<i64>>, Vec<Option<i64>>) {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (known.from.to_vec(), known.until.to_vec())
    }

    /// Whether it is time again to look after what is shared, by the machine's clock or by the one that was given.
    pub(crate) fn are_to_be_tended(&self, now: Option<i64>) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let turned = |since: Option<i64>| now.zip(since).is_some_and(|(now, since)| now.abs_diff(since) > TURNED);
        let due = known.tended.is_none_or(|(at, since)| at.elapsed() >= EVERY || turned(since));
        if due {
            known.tended = Some((Instant::now(), now));
        }
        due
    }
}

impl Shared {
    /// Looks after what all nodes share: one of them does, the others find it done.
    pub(crate) async fn tend(&self) -> Result<(), StoreError> {
        let wanted: Vec<i16> = {
            let known = self.shelves.0.lock().unwrap_or_else(PoisonError::into_inner);
            known.wanted.iter().zip(1..).filter(|(wanted, _)| **wanted).map(|(_, shelf)| shelf).collect()
        };
        let mut params = Params::default();
        params.push(self.now(), Type::INT8);
        params.push(self.schema.area, Type::INT4);
        params.push(wanted, Type::INT2_ARRAY);
        let rows = self.reads.call(self.names.epoch(), self.schema.tend(), &params).await?;
        let mut divisions: Vec<(i16, i64, i64)> = rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
        divisions.sort_unstable();
        self.shelves.0.lock().unwrap_or_else(PoisonError::into_inner).take(&divisions);
        Ok(())
    }
}

impl Known {
    /// Takes note of the divisions that there are, in their order. Where nobody made any for a while, some are missing in between: then those
    /// before are given nothing more to hold.
    fn take(&mut self, divisions: &[(i16, i64, i64)]) {
        (self.from, self.until) = Default::default();
        for (shelf, begins, ends) in divisions {
            let Some(at) = usize::try_from(shelf - 1).ok().filter(|at| *at < SHELVES) else { continue };
            if self.until[at] != Some(*begins) {
                self.from[at] = Some(*begins);
            }
            self.until[at] = Some(*ends);
        }
    }
}

/// The shelf, counted from 0, of jobs that are kept for so long; what goes soon, or never, has none.
fn shelf(keep: Duration) -> Option<usize> {
    let span = keep.as_secs().saturating_add(USUAL);
    (0..SHELVES).find(|shelf| span <= FIRST << shelf).filter(|_| span > FIRST / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_longer_stands_on_a_later_shelf() {
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        assert_eq!(
            [hours(0), hours(1), hours(24), hours(7 * 24), Duration::MAX].map(shelf),
            [None, Some(4), Some(8), Some(11), None]
        );
    }

    #[test]
    fn nothing_is_put_where_divisions_are_missing() {
        let mut known = Known::default();
        known.take(&[(1, 0, 10), (1, 10, 20), (2, 0, 20), (2, 40, 60), (2, 60, 80), (99, 0, 1)]);
        assert_eq!([known.from[0], known.until[0]], [Some(0), Some(20)]);
        assert_eq!([known.from[1], known.until[1]], [Some(40), Some(80)]);
        assert_eq!([known.from[2], known.until[2]], [None, None]);
    }
}
