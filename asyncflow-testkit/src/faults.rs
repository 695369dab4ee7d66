//! A store that goes wrong when it is told to: for tests of what stands above a store.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use asyncflow_core::{
    JobId, JobKey, Record, Settings, Store,
    store::{Answers, Attention, Batch, Counts, HintStream, Hints, Page, Part, PartName, Query, StoreError},
};
use tokio::sync::Notify;

/// What happens to a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Nothing.
    None,
    /// It is not applied, and fails.
    Before,
    /// It is applied, and its answer is lost.
    After,
    /// It is applied, and its answer takes so long.
    Late(Duration),
    /// It is refused for good.
    Reject,
    /// It panics, as no store should.
    Panic,
}

/// Tells a [`Faulty`] store how to go wrong. Cheap to clone: clones steer the same store.
#[derive(Clone, Debug, Default)]
pub struct Faults(Arc<State>);

#[derive(Debug, Default)]
struct State {
    writes: Mutex<VecDeque<Fault>>,
    away: AtomicBool,
    away_for: AtomicU64,
    frozen: AtomicBool,
    thawed: Notify,
    deaf: AtomicBool,
    slow: Mutex<Duration>,
    refused: Mutex<Option<JobId>>,
    sent: AtomicU64,
}

impl Faults {
    /// No faults yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What happens to the next writes, one after the other.
    pub fn next_writes(&self, faults: impl IntoIterator<Item = Fault>) {
        lock(&self.0.writes).extend(faults);
    }

    /// Every call fails at once, or none does any more.
    pub fn away(&self, away: bool) {
        self.0.away.store(away, Ordering::SeqCst);
    }

    /// The next so many calls of any kind fail at once.
    pub fn away_for(&self, calls: u64) {
        self.0.away_for.store(calls, Ordering::SeqCst);
    }

    /// Calls are not answered, or are answered again: a node whose store is frozen for it sees what a frozen or cut off node sees.
    pub fn frozen(&self, frozen: bool) {
        self.0.frozen.store(frozen, Ordering::SeqCst);
        self.0.thawed.notify_waiters();
    }

    /// Subscribers from now on hear nothing.
    pub fn deaf(&self, deaf: bool) {
        self.0.deaf.store(deaf, Ordering::SeqCst);
    }

    /// Every write takes so long from now on.
    pub fn slow(&self, by: Duration) {
        *lock(&self.0.slow) = by;
    }

    /// Every write that changes this job is refused for good from now on; of what else is in it, all but changes is applied.
    pub fn refuse(&self, job: JobId) {
        *lock(&self.0.refused) = Some(job);
    }

    /// How many writes were sent.
    pub fn writes(&self) -> u64 {
        self.0.sent.load(Ordering::SeqCst)
    }
}

/// A store that goes wrong when its [`Faults`] say so.
#[derive(Clone, Debug)]
pub struct Faulty<S> {
    inner: S,
    faults: Faults,
}

impl<S: Store> Faulty<S> {
    /// Wraps a store.
    pub fn new(inner: S, faults: &Faults) -> Self {
        Self { inner, faults: faults.clone() }
    }

    async fn reach(&self) -> Result<&S, StoreError> {
        let state = &*self.faults.0;
        while state.frozen.load(Ordering::SeqCst) {
            let mut thawed = std::pin::pin!(state.thawed.notified());
            thawed.as_mut().enable();
            if state.frozen.load(Ordering::SeqCst) {
                thawed.await;
            }
        }
        let left = state.away_for.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |calls| calls.checked_sub(1));
        match left.is_ok() || state.away.load(Ordering::SeqCst) {
            true => Err(StoreError::unavailable("it is away")),
            false => Ok(&self.inner),
        }
    }
}

#[async_trait]
impl<S: Store> Store for Faulty<S> {
    async fn write(&self, batch: &Batch) -> Result<Answers, StoreError> {
        let inner = self.reach().await?;
        let fault = lock(&self.faults.0.writes).pop_front().unwrap_or(Fault::None);
        self.faults.0.sent.fetch_add(1, Ordering::SeqCst);
        let slow = *lock(&self.faults.0.slow);
        if !slow.is_zero() {
            tokio::time::sleep(slow).await;
        }
        let refused = *lock(&self.faults.0.refused);
        if batch.changes.iter().any(|change| Some(change.job.id) == refused) {
            inner.write(&Batch { changes: Vec::new(), ..batch.clone() }).await?;
            return Err(StoreError::rejected("it was told to refuse changes of this job"));
        }
        match fault {
            Fault::None => inner.write(batch).await,
            Fault::Before => Err(StoreError::unavailable("the write was lost")),
            Fault::After => {
                inner.write(batch).await?;
                Err(StoreError::unavailable("the answer was lost"))
            }
            Fault::Late(by) => {
                let answers = inner.write(batch).await;
                tokio::time::sleep(by).await;
                answers
            }
            Fault::Reject => Err(StoreError::rejected("it was told to refuse this")),
            Fault::Panic => panic!("the store was told to"),
        }
    }

    async fn get(&self, jobs: &[JobKey]) -> Result<Vec<Option<Record>>, StoreError> {
        self.reach().await?.get(jobs).await
    }

    async fn part(&self, job: &JobKey, name: PartName) -> Result<Option<Part>, StoreError> {
        self.reach().await?.part(job, name).await
    }

    async fn due(&self, limit: usize) -> Result<Attention, StoreError> {
        self.reach().await?.due(limit).await
    }

    async fn put_settings(&self, settings: &Settings) -> Result<bool, StoreError> {
        self.reach().await?.put_settings(settings).await
    }

    async fn list(&self, query: &Query) -> Result<Page, StoreError> {
        self.reach().await?.list(query).await
    }

    async fn counts(&self, flow: &str) -> Result<Counts, StoreError> {
        self.reach().await?.counts(flow).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.reach().await?.check().await
    }

    fn largest_part(&self) -> usize {
        self.inner.largest_part()
    }

    fn hints(&self) -> HintStream {
        match self.faults.0.deaf.load(Ordering::SeqCst) {
            true => Hints::new().subscribe(),
            false => self.inner.hints(),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
