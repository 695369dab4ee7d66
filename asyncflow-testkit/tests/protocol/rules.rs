//! The real rules on the model's small records, and the switches that turn one rule of the design off.

use std::{sync::Arc, time::Duration};

use asyncflow_core::{
    JobError, JobId, JobKey, Mark, Policy, Record, Retention, Retry, Stamp, State, Tally, Token,
    state::{self, Event, Refusal, Wish},
    store::{Due, Facts, Guard, Part, Patch},
};

use crate::world::{Budget, Counts, End, Held, Job};

pub const NOW: Stamp = Stamp::from_micros(1_700_000_000_000_000);
pub const LEASE: Duration = Duration::from_secs(30);
const SECOND: Duration = Duration::from_secs(1);

/// A rule of the design that can be switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    RandomToken,
    SameTokenSameJobs,
    AskedAgainRenews,
    KnowsCancel,
    KnowsForget,
    StillDue,
    StillDueSeesTheLease,
    TwoLooks,
    ForgetMarksRunning,
    PurgeWaitsForTheWorker,
    ForgottenIsInert,
    RetriesEndBeforePurge,
    KeysApart,
    LimitCountsForgotten,
    CrashesInARow,
    DrainsCountNothing,
    DrainResolvesClaims,
    MarksAtTheAnswer,
    OwnDeadline,
    BodyHoldsSlot,
    SnoozesBounded,
    IdleSlotsClaim,
    GivenUpInsertResolvesClaim,
    DeleteEndsWaiting,
    HolderOfOneClaim,
    DecidesAgainForItsClaim,
}

impl Rule {
    pub const ALL: [Self; 26] = [
        Self::RandomToken,
        Self::SameTokenSameJobs,
        Self::AskedAgainRenews,
        Self::KnowsCancel,
        Self::KnowsForget,
        Self::StillDue,
        Self::StillDueSeesTheLease,
        Self::TwoLooks,
        Self::ForgetMarksRunning,
        Self::PurgeWaitsForTheWorker,
        Self::ForgottenIsInert,
        Self::RetriesEndBeforePurge,
        Self::KeysApart,
        Self::LimitCountsForgotten,
        Self::CrashesInARow,
        Self::DrainsCountNothing,
        Self::DrainResolvesClaims,
        Self::MarksAtTheAnswer,
        Self::OwnDeadline,
        Self::BodyHoldsSlot,
        Self::SnoozesBounded,
        Self::IdleSlotsClaim,
        Self::GivenUpInsertResolvesClaim,
        Self::DeleteEndsWaiting,
        Self::HolderOfOneClaim,
        Self::DecidesAgainForItsClaim,
    ];
}

/// A fleet, and what may happen to it.
#[derive(Clone, Debug)]
pub struct Protocol {
    pub jobs: usize,
    pub nodes: usize,
    /// Jobs are carried by a broker.
    pub carrying: bool,
    /// Jobs that the fleet may run at once.
    pub limit: Option<usize>,
    /// All jobs are submitted under one idempotency key.
    pub keyed: bool,
    /// Nodes have no names: worlds that differ in that alone are one.
    pub alike: bool,
    /// A lone process proves at opening that nobody else has the store open.
    pub lone: bool,
    pub budget: Budget,
    pub without: Option<Rule>,
    pub policy: Arc<Policy>,
}

impl Protocol {
    /// One job and two nodes that claim from the store; nothing goes wrong. The job may fail once, put itself off once, and lose one lease
    /// in a row.
    pub fn pulling(budget: Budget) -> Self {
        let policy = Policy {
            retry: Retry::fixed(2, SECOND),
            retention: Retention::of(Duration::ZERO),
            max_crashes: 2,
            max_snoozes: 1,
            ..Policy::default()
        };
        Self {
            jobs: 1,
            nodes: 2,
            carrying: false,
            limit: None,
            keyed: false,
            alike: true,
            lone: false,
            budget,
            without: None,
            policy: Arc::new(policy),
        }
    }

    pub fn carrying(budget: Budget) -> Self {
        Self { carrying: true, ..Self::pulling(budget) }
    }

    pub fn without(self, rule: Rule) -> Self {
        Self { without: Some(rule), alike: false, ..self }
    }

    pub fn policy(mut self, change: impl FnOnce(&mut Policy)) -> Self {
        change(Arc::make_mut(&mut self.policy));
        self
    }

    pub fn has(&self, rule: Rule) -> bool {
        self.without != Some(rule)
    }

    pub fn submitted(&self) -> Job {
        let Facts { state, due, .. } = state::submit(None, 0, &self.policy);
        Job {
            state,
            mark: Mark::None,
            due: due.is_zero(),
            token: None,
            started: 0,
            counts: Counts::default(),
            request: true,
        }
    }

    /// The real record. Whoever saw it before it changed since must not take it for the one that was seen.
    pub fn record(&self, id: usize, job: &Job, same_version: bool, same_due: bool) -> Record {
        let seen = Duration::from_secs(if same_due { 0 } else { 1 });
        let past = Stamp::from_micros(NOW.as_micros() - 5_000_000);
        let ended = job.state.is_ended().then_some(NOW);
        Record {
            job: JobKey { flow: "flow".into(), id: JobId::from_u128(id as u128) },
            flow_version: 0,
            state: job.state,
            version: if same_version { 7 } else { 8 },
            created: NOW,
            started: job.token.map(|_| taken_at(job.started)),
            ended,
            due: if job.due { past + seen } else { NOW + LEASE + seen },
            rank: 0,
            priority: 0,
            token: job.token.map(|token| Token::from_u128(token.into())),
            mark: job.mark,
            tally: Tally {
                attempts: 0,
                failures: job.counts.failures.into(),
                crashes: job.counts.crashes,
                crashes_in_all: job.counts.crashes,
                snoozes: job.counts.snoozes.into(),
            },
            owner: None,
            limit_key: None,
            unique_key: None,
            progress: None,
            policy: self.policy.clone(),
        }
    }

    /// What a worker that goes by this answer writes of an end.
    pub fn ending(&self, held: &Held, end: End) -> Result<(Guard, Patch), Refusal> {
        let mut counts = held.counts;
        if end == End::Snoozed && !self.has(Rule::SnoozesBounded) {
            counts.snoozes = 0;
        }
        let job = Job {
            state: State::Processing,
            mark: held.mark,
            due: false,
            token: Some(held.token),
            started: held.started,
            counts,
            request: true,
        };
        let record = self.record(held.job, &job, true, true);
        let event = match end {
            End::Succeeded => Event::Succeeded(Part::json("1")),
            End::Failed => Event::Failed { error: JobError::new("Wrong", ""), wish: Wish::Policy, chance: 0.0 },
            End::Snoozed => Event::Snoozed(SECOND),
            End::Drained => Event::Drained,
            End::Stopped { started } => Event::Stopped { started },
        };
        let (mut guard, mut patch) = state::decide(&record, event)?;
        if let Guard::Holder { knows, .. } = &mut guard {
            if !self.has(Rule::KnowsCancel) {
                *knows = (*knows).max(Mark::Cancel);
            }
            if !self.has(Rule::KnowsForget) {
                *knows = Mark::Forget;
            }
        }
        if let Some(tally) = &mut patch.tally {
            if !self.has(Rule::CrashesInARow) {
                tally.crashes = held.counts.crashes;
            }
            if !self.has(Rule::SnoozesBounded) {
                tally.snoozes = 0;
            }
        }
        if end == End::Drained && !self.has(Rule::DrainsCountNothing) {
            patch = state::decide(&record, Event::LeaseLost)?.1;
        }
        Ok((guard, patch))
    }

    /// What the recovery loop makes of a record that is due.
    pub fn due(&self, id: usize, job: &Job) -> Option<(Guard, Patch)> {
        let record = self.record(id, job, true, true);
        if job.mark == Mark::Forget && !self.has(Rule::PurgeWaitsForTheWorker) {
            return Some((Guard::Version(record.version), Patch { purge: true, ..Patch::default() }));
        }
        let (mut guard, mut patch) = state::decide(&record, Event::Due).ok()?;
        if !self.has(Rule::StillDue) {
            guard = Guard::Version(record.version);
        }
        self.without_youngest_purged(&mut patch);
        Some((guard, patch))
    }

    pub fn lapse(&self, id: usize, job: &Job) -> Option<(Guard, Patch)> {
        state::decide(&self.record(id, job, true, true), Event::LeaseLost).ok()
    }

    pub fn cancel(&self, id: usize, job: &Job) -> Option<(Guard, Patch)> {
        state::decide(&self.record(id, job, true, true), Event::Cancel).ok()
    }

    pub fn delete(&self, id: usize, job: &Job) -> Option<(Guard, Patch)> {
        let mut record = self.record(id, job, true, true);
        match job.state {
            State::Processing if !self.has(Rule::ForgetMarksRunning) => record.state = State::Enqueued,
            State::Scheduled | State::Enqueued if !self.has(Rule::DeleteEndsWaiting) => {
                let (guard, patch) = state::decide(&record, Event::Delete).ok()?;
                return Some((guard, Patch { to: None, due: None, ..patch }));
            }
            _ => {}
        }
        let (guard, mut patch) = state::decide(&record, Event::Delete).ok()?;
        if job.state == State::Processing && !self.has(Rule::PurgeWaitsForTheWorker) {
            patch.due = Some(Due::Purge(Duration::ZERO));
        }
        self.without_youngest_purged(&mut patch);
        Some((guard, patch))
    }

    pub fn claim(&self) -> Patch {
        state::claim(LEASE)
    }

    pub fn without_youngest_purged(&self, patch: &mut Patch) {
        if let (Some(Due::Purge(keep)), false) = (patch.due, self.has(Rule::RetriesEndBeforePurge)) {
            patch.due = Some(Due::In(keep));
        }
    }
}

/// The time that stands for a claim, of those under one token.
pub fn taken_at(started: u8) -> Stamp {
    NOW + Duration::from_micros(started.into())
}

/// What a real record says to the model.
pub fn job(record: &Record, request: bool) -> Job {
    Job {
        state: record.state,
        mark: record.mark,
        due: record.due <= NOW,
        token: record.token.map(|token| token.as_u128() as u8),
        started: record.token.and(record.started).map_or(0, |at| (at.as_micros() - NOW.as_micros()) as u8),
        counts: Counts {
            failures: record.tally.failures as u8,
            crashes: record.tally.crashes,
            snoozes: record.tally.snoozes as u8,
        },
        request,
    }
}
