//! Where jobs live. The store is also the queue: it holds each job's whole truth, picks by rank, and applies what the rules decided.

mod batch;
mod coalesced;
mod error;
mod hints;
mod memory;
mod part;
mod patch;
mod patience;
#[cfg(all(test, asyncflow_shuttle))]
mod schedules;

use std::fmt;

use async_trait::async_trait;

pub use batch::{
    Answers, Batch, Change, Changed, Claim, Claimed, Facts, Idempotency, Insert, Inserted, Pick, Room, Taken, Unique,
};
pub use coalesced::{Coalesced, Coalescing};
pub use error::StoreError;
pub use hints::{Hint, HintStream, Hints};
pub use memory::MemoryStore;
pub use part::{ContentType, Part, PartName};
pub use patch::{Due, Guard, Parts, Patch, YOUNGEST_PURGED};
pub use patience::once_available;

use crate::{
    job::{JobKey, Record, State},
    policy::Settings,
};

/// A store of jobs: one way to write, in batches, and a few to read. Object-safe, so that it is chosen per deployment.
///
/// # What every store guarantees
///
/// - It is linearizable per job, and what it answered `Ok` to is durable (in as far as it is durable at all).
/// - Its time is one clock for all who share it. Patches hold durations; the store adds them to its now.
/// - It knows no rule: it checks a [`Guard`] with the meaning that [`Guard::admits`] gives it, and does to the record what
///   [`Patch::apply`] does. A job that becomes ready and has a [spacing](crate::Policy::spacing) is given its rank by
///   [`state::turn`](crate::state::turn), from what the store remembers of the flow and the owner.
/// - A claim never takes more than its [`Limits`](crate::Limits) allow, however many claim at once, and passes over jobs of a key that has to wait.
/// - Its futures may be polled outside of a tokio runtime: what needs one holds its handle.
/// - It is cancel safe in this sense alone: a dropped future's batch was applied as a whole, in part, or not at all, entry by entry.
///
/// No method has a default, so that a wrapper forwards each or does not compile.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// Applies inserts, then changes, then claims, in one round trip.
    ///
    /// `Ok`: all of it is durable, answers stand in the order asked, each entry is atomic by itself. A batch has at most one change a
    /// job. Inserting an id that exists changes nothing. A claim whose token holds jobs already answers exactly those that are
    /// `Processing` under it now, their lease renewed by the claim's patch; where there are none it is a fresh claim.
    ///
    /// # Errors
    /// Nothing is known of any entry; the same batch may be sent again.
    async fn write(&self, batch: &Batch) -> Result<Answers, StoreError>;

    /// The records of these jobs, in the order asked, forgotten ones too; `None` where there is none. Never loads a part.
    ///
    /// # Errors
    /// The store could not be asked.
    async fn get(&self, jobs: &[JobKey]) -> Result<Vec<Option<Record>>, StoreError>;

    /// One part of a job; `None` where the job or the part is not there.
    ///
    /// # Errors
    /// The store could not be asked.
    async fn part(&self, job: &JobKey, name: PartName) -> Result<Option<Part>, StoreError>;

    /// Records that are due by the store's clock, those of the longest past first, at most `limit`, and what is set for the flows.
    /// Records of a format that this version of the store cannot read are passed over: they must not block those behind them.
    ///
    /// # Errors
    /// The store could not be asked.
    async fn due(&self, limit: usize) -> Result<Attention, StoreError>;

    /// Sets what is set for the flows, if that was the version before this one until now; says whether it was. All are
    /// [hinted](Hints::anything) that something changed.
    ///
    /// # Errors
    /// Nothing is known of it.
    async fn put_settings(&self, settings: &Settings) -> Result<bool, StoreError>;

    /// A page of records, for operators, in the order of their ids.
    ///
    /// # Errors
    /// The store could not be asked.
    async fn list(&self, query: &Query) -> Result<Page, StoreError>;

    /// How many jobs of a flow there are, at a cost that does not grow with them.
    ///
    /// # Errors
    /// The store could not be asked.
    async fn counts(&self, flow: &str) -> Result<Counts, StoreError>;

    /// Whether the store can be read and written now: for start-up and readiness.
    ///
    /// # Errors
    /// Why it can't.
    async fn check(&self) -> Result<(), StoreError>;

    /// The most bytes that a part may have.
    fn largest_part(&self) -> usize;

    /// News of changes, whoever makes them, from now on; any of it may be lost.
    fn hints(&self) -> HintStream;
}

/// What a node looks after once a second.
#[derive(Clone, Debug, Default)]
pub struct Attention {
    /// Records that are due.
    pub records: Vec<Record>,
    /// What is set for the flows.
    pub settings: std::sync::Arc<Settings>,
}

/// Which records an operator wants to see.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Query {
    /// Of this flow.
    pub flow: std::sync::Arc<str>,
    /// In this state; any unless set.
    pub state: Option<State>,
    /// Of this owner; any unless set.
    pub owner: Option<std::sync::Arc<str>>,
    /// With an id after this one; from the first unless set.
    pub after: Option<crate::job::JobId>,
    /// So many at most; 100 unless set.
    pub limit: usize,
}

impl Query {
    /// The first hundred jobs of this flow.
    pub fn new(flow: impl Into<std::sync::Arc<str>>) -> Self {
        Self { flow: flow.into(), state: None, owner: None, after: None, limit: 100 }
    }

    /// Only those in this state.
    pub fn state(mut self, state: State) -> Self {
        self.state = Some(state);
        self
    }

    /// Only those of this owner.
    pub fn owner(mut self, owner: impl Into<std::sync::Arc<str>>) -> Self {
        self.owner = Some(owner.into());
        self
    }

    /// Only those after this one: [`Page::next`] of the page before.
    pub fn after(mut self, id: crate::job::JobId) -> Self {
        self.after = Some(id);
        self
    }

    /// At most so many.
    pub fn limit(mut self, records: usize) -> Self {
        self.limit = records;
        self
    }

    /// Whether a record is of those that are asked for. Forgotten ones never are.
    pub fn admits(&self, record: &Record) -> bool {
        record.job.flow == self.flow
            && record.mark != crate::job::Mark::Forget
            && self.state.is_none_or(|state| record.state == state)
            && self.owner.as_ref().is_none_or(|owner| record.owner.as_ref() == Some(owner))
            && self.after.is_none_or(|after| record.job.id > after)
    }
}

/// A page of records.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The records, in the order of their ids.
    pub records: Vec<Record>,
    /// From where the next page goes on; `None` where this is the last.
    pub next: Option<crate::job::JobId>,
}

/// How many jobs of a flow there are, those to be forgotten included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Jobs in each state, in the order of [`State::ALL`].
    pub states: [u64; 6],
    /// When the job that is next in line was made; `None` where none is ready. Of jobs of one priority, it is the oldest.
    pub oldest: Option<crate::job::Stamp>,
}

impl Counts {
    /// Jobs in this state.
    pub fn of(&self, state: State) -> u64 {
        self.states[state as usize]
    }

    /// Jobs that wait, now or for later.
    pub fn waiting(&self) -> u64 {
        self.of(State::Scheduled) + self.of(State::Enqueued)
    }
}
