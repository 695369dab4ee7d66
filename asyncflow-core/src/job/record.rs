//! The small, often read part of a job: its whole truth but for the bytes it was given and gave.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{JobKey, Progress, Stamp, Token};
use crate::policy::Policy;

/// Where a job is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum State {
    /// It becomes ready later: put off by its submitter, a retry or a snooze.
    Scheduled,
    /// It waits for a worker.
    Enqueued,
    /// A worker holds it.
    Processing,
    /// It ended with a result.
    Succeeded,
    /// It ended with an error.
    Failed,
    /// It was stopped before it succeeded.
    Cancelled,
}

impl State {
    /// Every state, in the order of a job's life.
    pub const ALL: [Self; 6] =
        [Self::Scheduled, Self::Enqueued, Self::Processing, Self::Succeeded, Self::Failed, Self::Cancelled];

    /// Whether the job is over: it never changes again.
    pub fn is_ended(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }

    /// Whether the job waits to be run, now or later.
    pub fn is_waiting(self) -> bool {
        matches!(self, Self::Scheduled | Self::Enqueued)
    }

    /// The state's name, as the wire shows it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "Scheduled",
            Self::Enqueued => "Enqueued",
            Self::Processing => "Processing",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::Cancelled => "Cancelled",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What was asked of a job while it ran; a later mark includes the earlier ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Mark {
    /// Nothing.
    #[default]
    None,
    /// Stop.
    Cancel,
    /// Stop, and be forgotten: readers see nothing from then on.
    Forget,
}

/// How often things happened to a job. Each count stops at its largest value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Tally {
    /// Runs that ended, by themselves or by a lost lease.
    pub attempts: u32,
    /// Runs that ended with an error, a panic or a timeout.
    pub failures: u32,
    /// Leases lost since a run last ended by itself.
    pub crashes: u8,
    /// Leases lost in all.
    pub crashes_in_all: u8,
    /// Times the handler put the job off.
    pub snoozes: u16,
}

/// One job, as a store keeps it. The parts (request, outcome) lie beside it and are read on their own.
///
/// `Debug` shows no payload.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Which job.
    pub job: JobKey,
    /// The version of the flow that the request was made for.
    pub flow_version: u16,
    /// Where the job is in its life.
    pub state: State,
    /// Grows by one with each change that a reader may see (a heartbeat is none).
    pub version: u64,
    /// When it was inserted.
    pub created: Stamp,
    /// When the latest attempt was claimed.
    pub started: Option<Stamp>,
    /// When it ended.
    pub ended: Option<Stamp>,
    /// When it next needs attention if nothing else happens. `Scheduled`: when it becomes ready; `Enqueued`: when it has waited too
    /// long; `Processing`: when the lease ends; ended: when it is purged.
    pub due: Stamp,
    /// Orders ready jobs, lowest first: the time at which it became ready, less what its priority is worth. Microseconds.
    pub rank: i64,
    /// −10 to 10, higher is sooner.
    pub priority: i8,
    /// Under which it is held; there just while it is `Processing`.
    pub token: Option<Token>,
    /// What was asked of it.
    pub mark: Mark,
    /// How often things happened to it.
    pub tally: Tally,
    /// Whose it is, where owners are named.
    pub owner: Option<Arc<str>>,
    /// Which key's limits it counts for, where it is not its owner's.
    pub limit_key: Option<Arc<str>>,
    /// Under which it is the one that lives, of its owner and flow.
    pub unique_key: Option<Arc<str>>,
    /// The latest report of the latest attempt.
    pub progress: Option<Arc<Progress>>,
    /// What any node needs to know to look after it.
    pub policy: Arc<Policy>,
}

impl Record {
    /// Which key's limits it counts for: its own, or else its owner.
    pub fn limited_by(&self) -> Option<&Arc<str>> {
        self.limit_key.as_ref().or(self.owner.as_ref())
    }

    /// Whether it is the one of its [unique key](Self::unique_key) still: it has not ended and is not to be forgotten.
    pub fn is_live(&self) -> bool {
        !self.state.is_ended() && self.mark < Mark::Forget
    }

    /// Whether both are as one claim took it: one that lands late may have taken the job once more under the same token.
    pub(crate) fn is_of_one_claim(&self, other: &Self) -> bool {
        (self.token, self.started) == (other.token, other.started)
    }

    /// The attempt that runs, or how many have ended.
    pub fn attempt(&self) -> u32 {
        self.tally.attempts.saturating_add((self.state == State::Processing).into())
    }
}
