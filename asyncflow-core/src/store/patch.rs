//! What a store does to a record, and on which condition.

use std::{sync::Arc, time::Duration};

use super::Part;
use crate::job::{Mark, Progress, Record, Stamp, State, Tally, Token};

/// The youngest age at which a record may be purged: an insert's own retries end long before, so a late one finds it.
pub const YOUNGEST_PURGED: Duration = Duration::from_secs(60);

/// The condition of a change. Refused, it comes back with the record as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// Nobody changed the record since it was read at this version.
    Version(u64),
    /// It is `Processing` under this token, and carries no mark beyond the one that was known.
    Holder {
        /// Under which it is held.
        token: Token,
        /// When it was claimed: a claim that lands late may take it once more under the same token, for nobody, and what its first run
        /// still says must not pass then.
        started: Option<Stamp>,
        /// The mark that was known, or that matters not.
        knows: Mark,
    },
    /// It has this version and is due at this very time, which is past by the store's clock.
    StillDue {
        /// The version that was seen.
        version: u64,
        /// The time that was seen.
        due: Stamp,
    },
}

impl Guard {
    /// Whether the record, as it is now, meets the condition.
    pub fn admits(&self, record: &Record, now: Stamp) -> bool {
        match *self {
            Self::Version(version) => record.version == version,
            Self::Holder { token, started, knows } => {
                let held =
                    record.state == State::Processing && record.token == Some(token) && record.started == started;
                held && record.mark <= knows
            }
            Self::StillDue { version, due } => record.version == version && record.due == due && due <= now,
        }
    }
}

/// What changes in a record, decided beforehand: absolute values and durations, so that a store applies it without a rule.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Patch {
    /// The new state; the old one where `None`. Set, the store stamps `started` for `Processing` and `ended` for an end.
    pub to: Option<State>,
    /// When it is due.
    pub due: Option<Due>,
    /// It is ready now: its rank becomes the store's now less so many microseconds.
    pub lead: Option<i64>,
    /// The new mark.
    pub mark: Option<Mark>,
    /// The new counts.
    pub tally: Option<Tally>,
    /// The new progress, or that there is none.
    pub progress: Option<Option<Arc<Progress>>>,
    /// What becomes of the parts.
    pub parts: Parts,
    /// A reader need not know: the version stays.
    pub quiet: bool,
    /// The record goes, with all its parts.
    pub purge: bool,
}

/// When a job is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// So long after the store's now.
    In(Duration),
    /// So long after the store's now, but not before a minute after the job was made.
    Purge(Duration),
}

/// What becomes of a job's parts.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Parts {
    /// They stay.
    #[default]
    Keep,
    /// The result comes; the request goes.
    Result(Part),
    /// The error comes; the request stays.
    Error(Part),
    /// All go.
    Drop,
}

impl Patch {
    /// Does to the record what the patch says, but for its parts and for [`purge`](Self::purge). `token` is the claim's, and matters
    /// just where the patch makes the job `Processing`.
    pub fn apply(&self, record: &mut Record, token: Option<Token>, now: Stamp) {
        if let Some(state) = self.to {
            record.state = state;
            record.token = token.filter(|_| state == State::Processing);
            if state == State::Processing {
                record.started = Some(now);
            } else if state.is_ended() {
                record.ended = Some(now);
            }
        }
        match self.due {
            Some(Due::In(duration)) => record.due = now + duration,
            Some(Due::Purge(duration)) => record.due = (now + duration).max(record.created + YOUNGEST_PURGED),
            None => {}
        }
        if let Some(lead) = self.lead {
            record.rank = now.as_micros().saturating_sub(lead);
        }
        if let Some(mark) = self.mark {
            record.mark = mark;
        }
        if let Some(tally) = self.tally {
            record.tally = tally;
        }
        if let Some(progress) = &self.progress {
            record.progress.clone_from(progress);
        }
        if !self.quiet {
            record.version += 1;
        }
    }
}
