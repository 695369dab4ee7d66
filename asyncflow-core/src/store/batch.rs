//! What a store is asked in one round trip, and what it answers.

use std::{sync::Arc, time::Duration};

use super::{Guard, Part, Parts, Patch};
use crate::{
    job::{JobId, JobKey, Mark, Record, Stamp, State, Tally, Token},
    policy::{Limits, Policy},
};

/// Entries to apply in one round trip: inserts, then changes, then claims.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Jobs to insert.
    pub inserts: Vec<Insert>,
    /// Records to change; at most one entry a job.
    pub changes: Vec<Change>,
    /// Jobs to take.
    pub claims: Vec<Claim>,
}

impl Batch {
    /// The bytes of all parts in it.
    pub(super) fn bytes(&self) -> usize {
        let requests = self.inserts.iter().map(|insert| insert.request.bytes.len());
        let outcomes = self.changes.iter().map(|change| match &change.patch.parts {
            Parts::Result(part) | Parts::Error(part) => part.bytes.len(),
            Parts::Keep | Parts::Drop => 0,
        });
        requests.chain(outcomes).sum()
    }
}

/// What became of a batch's entries, each in the order asked.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// One an insert.
    pub inserts: Vec<Inserted>,
    /// One a change.
    pub changes: Vec<Changed>,
    /// One a claim.
    pub claims: Vec<Taken>,
}

/// A job to insert.
#[derive(Clone, Debug)]
pub struct Insert {
    /// Which job; its id is made once, outside every retry.
    pub job: JobKey,
    /// The version of its flow.
    pub flow_version: u16,
    /// What the rules made of it.
    pub facts: Facts,
    /// Whose it is, where owners are named.
    pub owner: Option<Arc<str>>,
    /// What it was given.
    pub request: Part,
    /// Under which it is to be found again.
    pub idempotency: Option<Idempotency>,
    /// Which key's limits it counts for, where it is not its owner's.
    pub limit_key: Option<Arc<str>>,
    /// Of what it is the one that lives.
    pub unique: Option<Unique>,
    /// How many may wait beside it.
    pub room: Room,
}

impl Insert {
    /// The record that the store keeps of the job, inserted now. Where owners take turns, the store then gives it its [turn](crate::state::turn).
    pub fn record(&self, now: Stamp) -> Record {
        Record {
            job: self.job.clone(),
            flow_version: self.flow_version,
            state: self.facts.state,
            version: 1,
            created: now,
            started: None,
            ended: None,
            due: now + self.facts.due,
            rank: now.as_micros().saturating_sub(self.facts.lead),
            priority: self.facts.priority,
            token: None,
            mark: Mark::None,
            tally: Tally::default(),
            owner: self.owner.clone(),
            limit_key: self.limit_key.clone(),
            unique_key: self.unique.as_ref().map(|unique| unique.key.clone()),
            progress: None,
            policy: self.facts.policy.clone(),
        }
    }
}

/// The first facts of a job, as the rules made them.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// `Scheduled` or `Enqueued`.
    pub state: State,
    /// When it is due, after the store's now.
    pub due: Duration,
    /// How much earlier than it is ready the job counts, in microseconds.
    pub lead: i64,
    /// −10 to 10.
    pub priority: i8,
    /// What any node needs to know to look after the job.
    pub policy: Arc<Policy>,
}

/// What makes a repeated request the same job. Kept apart from the record, and beyond it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// What the asker calls it; one name space an owner (or for all without one) and flow.
    pub key: Arc<str>,
    /// Of the request's bytes and media type.
    pub fingerprint: u128,
    /// How long the key is remembered, from its first use.
    pub keep: Duration,
}

/// What a job is the one of that lives, of its owner (or of all without one) and flow.
#[derive(Clone, Debug, PartialEq)]
pub struct Unique {
    /// What the asker calls it.
    pub key: Arc<str>,
    /// What becomes of one that waits, so that this one takes its place; where there is none, or one that runs, this one is not inserted.
    pub replace: Option<Patch>,
}

/// How many jobs may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Of the flow.
    pub waiting: u64,
    /// Of the job's owner in the flow; as many as of the flow where `None`.
    pub waiting_per_owner: Option<u64>,
}

/// What became of an insert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// It is there now.
    Created {
        /// When it was made.
        created: Stamp,
    },
    /// It was there before, under its own id, its key, or as the one that lives. An asker's own id is its success.
    Existing {
        /// The id of the job that is there (or was: a key outlives its job).
        id: JobId,
        /// When that was made.
        created: Stamp,
    },
    /// Its key was used for another request. Nothing was inserted.
    OtherBody,
    /// Too many jobs of the flow wait. Nothing was inserted.
    Full,
    /// Too many jobs of the owner wait. Nothing was inserted.
    OverQuota,
}

/// A record to change.
#[derive(Clone, Debug)]
pub struct Change {
    /// Which job.
    pub job: JobKey,
    /// On which condition.
    pub guard: Guard,
    /// How.
    pub patch: Patch,
}

/// What became of a change.
#[derive(Clone, Debug, PartialEq)]
pub enum Changed {
    /// The record as it is now (as it was last, where it was purged).
    Applied(Record),
    /// The condition did not hold: the record as it is, read in the same step.
    Refused(Record),
    /// There is no such record.
    Missing,
}

/// Jobs to take: which, under which token, and what becomes of each. The store picks; the rules have decided the patch.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Which jobs.
    pub pick: Pick,
    /// What may run of the flow, those that run already included: checked in the same step for each job that is taken, but not for those that
    /// its token holds already.
    pub limits: Option<Arc<Limits>>,
    /// Under which the worker holds them.
    pub token: Token,
    /// What becomes of each.
    pub patch: Patch,
}

/// Which jobs to take. Just `Enqueued` ones are taken, whichever way they are named.
#[derive(Clone, Debug)]
pub enum Pick {
    /// This one, if it is ready.
    Job(JobKey),
    /// The ready ones of lowest rank.
    Next {
        /// Of this flow.
        flow: Arc<str>,
        /// Of one of these versions of it; named twice is as good as once.
        versions: Arc<[u16]>,
        /// At most so many.
        jobs: usize,
        /// Stop before their requests have more bytes than this together; one job is taken, however large it is.
        bytes: usize,
    },
}

/// What a claim took.
#[derive(Clone, Debug, Default)]
pub struct Taken {
    /// The jobs that are held under its token, in the order of their ranks.
    pub jobs: Vec<Claimed>,
    /// Where a rate holds a ready job back that nothing else does: how long until it may be taken, if nobody else is.
    pub after: Option<Duration>,
}

/// A job that was taken, with what its handler needs.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// The record, as it is now.
    pub record: Record,
    /// What it was given.
    pub request: Part,
}
