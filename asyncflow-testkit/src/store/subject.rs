//! A store under test, and plain ways to ask it; what goes wrong panics.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use asyncflow_core::{
    Clock, JobId, JobKey, Limits, ManualClock, Mark, Policy, Record, Stamp, State, Store, Token,
    state::{self, Event},
    store::{
        Answers, Batch, Change, Changed, Claim, Claimed, Due, Guard, Idempotency, Insert, Inserted, Part, PartName,
        Patch, Pick, Room, Taken,
    },
};

/// The flow that behaviours use where one is enough.
pub const FLOW: &str = "flow";
/// For how long behaviours claim.
pub const LEASE: Duration = Duration::from_secs(30);
/// What the clock of a fresh store shows: 2026-01-01.
pub const START: Stamp = Stamp::from_micros(1_767_225_600_000_000);

/// A fresh store, and the clock that it runs on. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The store.
    pub store: Arc<dyn Store>,
    /// Its clock.
    pub clock: Arc<ManualClock>,
}

impl Subject {
    /// A store without jobs on a clock that shows [`START`].
    pub fn new(store: Arc<dyn Store>, clock: Arc<ManualClock>) -> Self {
        Self { store, clock }
    }

    /// What the clock shows.
    pub fn now(&self) -> Stamp {
        self.clock.now()
    }

    /// An id of version 7, later than those before it.
    pub fn id(&self) -> JobId {
        let millis = self.now().as_micros().unsigned_abs() / 1000;
        JobId::from_u128(u128::from(millis) << 80 | 0x7000 << 64 | 0x8 << 60 | u128::from(unique()))
    }

    /// A token that no other call returns.
    pub fn token(&self) -> Token {
        Token::from_u128(u128::from(unique().wrapping_mul(0x9e37_79b9_7f4a_7c15)) << 64 | 1)
    }

    /// A job of [`FLOW`] to be run at once, with room for any number.
    pub fn job(&self) -> Insert {
        Insert {
            job: key(FLOW, self.id()),
            flow_version: 0,
            facts: state::submit(None, 0, &Arc::new(Policy::default())),
            owner: None,
            limit_key: None,
            unique: None,
            request: Part::json("{}"),
            idempotency: None,
            room: Room { waiting: u64::MAX, waiting_per_owner: None },
        }
    }

    /// Writes a batch, and checks that each entry has its answer.
    pub async fn write(&self, batch: Batch) -> Answers {
        let answers = self.store.write(&batch).await.expect("the store writes");
        assert_eq!(answers.inserts.len(), batch.inserts.len(), "one answer an insert");
        assert_eq!(answers.changes.len(), batch.changes.len(), "one answer a change");
        assert_eq!(answers.claims.len(), batch.claims.len(), "one answer a claim");
        answers
    }

    /// Inserts one job.
    pub async fn insert(&self, insert: &Insert) -> Inserted {
        self.write(Batch { inserts: vec![insert.clone()], ..Batch::default() }).await.inserts.remove(0)
    }

    /// Inserts a job that is new, and returns its record.
    pub async fn add(&self, insert: Insert) -> Record {
        assert_eq!(self.insert(&insert).await, Inserted::Created { created: self.now() });
        insert.record(self.now())
    }

    /// Reads one record.
    pub async fn get(&self, job: &JobKey) -> Option<Record> {
        self.store.get(std::slice::from_ref(job)).await.expect("the store reads").pop().expect("one answer a job")
    }

    /// Reads one part.
    pub async fn part(&self, job: &JobKey, name: PartName) -> Option<Part> {
        self.store.part(job, name).await.expect("the store reads")
    }

    /// The request and the outcome of a job.
    pub async fn parts(&self, job: &JobKey) -> (Option<Part>, Option<Part>) {
        (self.part(job, PartName::Request).await, self.part(job, PartName::Outcome).await)
    }

    /// What is due, at most so many.
    pub async fn due(&self, limit: usize) -> Vec<JobId> {
        let due = self.store.due(limit).await.expect("the store reads");
        due.records.into_iter().map(|record| record.job.id).collect()
    }

    /// Jobs of [`FLOW`] in each state.
    pub async fn states(&self) -> [u64; 6] {
        self.store.counts(FLOW).await.expect("the store counts").states
    }

    /// Asks for one change.
    pub async fn ask(&self, job: &JobKey, guard: Guard, patch: Patch) -> Changed {
        let change = Change { job: job.clone(), guard, patch };
        self.write(Batch { changes: vec![change], ..Batch::default() }).await.changes.remove(0)
    }

    /// Changes a record that is as the caller knows it, and checks that it became what the patch makes of it.
    pub async fn change(&self, record: &Record, patch: Patch) -> Record {
        let mut expected = record.clone();
        patch.apply(&mut expected, None, self.now());
        let changed = self.ask(&record.job, Guard::Version(record.version), patch).await;
        assert_eq!(changed, Changed::Applied(expected.clone()));
        assert_eq!(self.get(&record.job).await.as_ref(), Some(&expected), "what was answered is what is kept");
        expected
    }

    /// What the rules make of an event, written.
    pub async fn event(&self, record: &Record, event: Event) -> Record {
        let (guard, patch) = state::decide(record, event).expect("the event fits");
        match self.ask(&record.job, guard, patch).await {
            Changed::Applied(record) => record,
            other => panic!("the change was not applied: {other:?}"),
        }
    }

    /// Checks that a change is refused with the record as the caller knows it, and writes nothing.
    pub async fn refused(&self, record: &Record, guard: Guard) {
        let before = (self.parts(&record.job).await, self.states().await);
        let patch = Patch {
            to: Some(State::Failed),
            due: Some(Due::Purge(Duration::ZERO)),
            mark: Some(Mark::Forget),
            parts: asyncflow_core::store::Parts::Result(Part::json("refused")),
            ..Patch::default()
        };
        assert_eq!(self.ask(&record.job, guard, patch).await, Changed::Refused(record.clone()), "{guard:?}");
        assert_eq!(
            self.ask(&record.job, guard, Patch { purge: true, ..Patch::default() }).await,
            Changed::Refused(record.clone())
        );
        assert_eq!(self.get(&record.job).await.as_ref(), Some(record));
        assert_eq!((self.parts(&record.job).await, self.states().await), before, "a refused change wrote something");
    }

    /// Claims under a token, for [`LEASE`].
    pub async fn claim(&self, pick: Pick, token: Token) -> Vec<Claimed> {
        self.write(Batch { claims: vec![claim(pick, token)], ..Batch::default() }).await.claims.remove(0).jobs
    }

    /// Claims ready jobs of [`FLOW`] under a new token.
    pub async fn take(&self, jobs: usize) -> Vec<Record> {
        self.claim(next(jobs), self.token()).await.into_iter().map(|claimed| claimed.record).collect()
    }

    /// Claims within limits under a new token, for [`LEASE`].
    pub async fn take_within(&self, limits: &Limits, pick: Pick) -> Taken {
        let claims = vec![limited(pick, limits, self.token())];
        self.write(Batch { claims, ..Batch::default() }).await.claims.remove(0)
    }

    /// A job of [`FLOW`] that is held.
    pub async fn running(&self) -> Record {
        let record = self.add(self.job()).await;
        let claimed = self.claim(Pick::Job(record.job), self.token()).await;
        claimed.into_iter().next().expect("the job is claimed").record
    }

    /// Runs `what` so often at once, and returns what it returned.
    pub async fn at_once<T, F>(&self, times: usize, what: impl Fn(Self) -> F) -> Vec<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let tasks: Vec<_> = (0..times).map(|_| tokio::spawn(what(self.clone()))).collect();
        let mut all = Vec::with_capacity(times);
        for task in tasks {
            all.push(task.await.expect("the task ends"));
        }
        all
    }
}

/// A number that no other call returns, nor one in another process that tests the same store; later ones are higher.
fn unique() -> u64 {
    static MADE: AtomicU64 = AtomicU64::new(0);
    u64::from(std::process::id()) << 36 | MADE.fetch_add(1, Ordering::SeqCst)
}

pub(super) fn key(flow: &str, id: JobId) -> JobKey {
    JobKey { flow: flow.into(), id }
}

/// Ready jobs of [`FLOW`].
pub(super) fn next(jobs: usize) -> Pick {
    Pick::Next { flow: FLOW.into(), versions: Arc::new([0]), jobs, bytes: usize::MAX }
}

pub(super) fn claim(pick: Pick, token: Token) -> Claim {
    Claim { pick, limits: None, token, patch: state::claim(LEASE) }
}

pub(super) fn limited(pick: Pick, limits: &Limits, token: Token) -> Claim {
    Claim { limits: Some(Arc::new(limits.clone())), ..claim(pick, token) }
}

pub(super) fn named(key: &str, fingerprint: u128) -> Option<Idempotency> {
    Some(Idempotency { key: key.into(), fingerprint, keep: Duration::from_secs(3600) })
}

pub(super) fn ids<'a>(records: impl IntoIterator<Item = &'a Record>) -> Vec<JobId> {
    records.into_iter().map(|record| record.job.id).collect()
}
