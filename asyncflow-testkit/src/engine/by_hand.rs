//! What stands between the engine and its store and workers, so that jobs run when the test says so.

use std::{
    collections::HashSet,
    future::Future,
    pin::pin,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
};

use async_trait::async_trait;
use asyncflow_core::{
    BoxError, Executor, JobKey, MemoryStore, Record, Settings, State, Store, Token, Worker,
    store::{
        Answers, Attention, Batch, Change, Changed, Claim, Counts, Guard, HintStream, Page, Part, PartName, Pick,
        Query, StoreError,
    },
};
use std::sync::Arc;
use tokio::sync::watch;

use crate::faults::Faulty;

/// What the parts of a test engine share.
#[derive(Debug)]
pub(super) struct Shared {
    /// The jobs, past everything that goes wrong on the way to them.
    pub(super) memory: MemoryStore,
    /// Jobs run as they come.
    pub(super) freely: AtomicBool,
    /// Under which the engine would take jobs by itself.
    pub(super) beside: Mutex<HashSet<Token>>,
    /// Under which lost workers held their jobs.
    pub(super) lost: Mutex<HashSet<Token>>,
    pub(super) worker: watch::Sender<Option<Worker>>,
}

impl Shared {
    pub(super) fn record(&self, job: &JobKey) -> Option<Record> {
        at_once(self.memory.get(std::slice::from_ref(job))).ok()?.pop()?
    }

    pub(super) fn part(&self, job: &JobKey, name: PartName) -> Option<Part> {
        at_once(self.memory.part(job, name)).ok()?
    }

    /// The jobs of a flow in this state, or in any, in the order in which they were made.
    pub(super) fn records(&self, flow: &Arc<str>, state: Option<State>) -> Vec<Record> {
        let mut all = Query::new(flow.clone()).limit(usize::MAX);
        all.state = state;
        at_once(self.memory.list(&all)).map(|page| page.records).unwrap_or_default()
    }

    pub(super) fn write(&self, batch: &Batch) -> Result<Answers, StoreError> {
        at_once(self.memory.write(batch))
    }

    /// Whoever holds this job writes nothing more.
    pub(super) fn lose(&self, job: &JobKey) {
        lock(&self.lost).extend(self.record(job).and_then(|record| record.token));
    }

    /// Whether a claim of this batch is not the test's own, which names a job that is there. A submit's may come again without its insert.
    fn holds_back(&self, batch: &Batch, claim: &Claim) -> bool {
        let named = matches!(claim.pick, Pick::Job(_)) && batch.inserts.is_empty();
        let mut beside = lock(&self.beside);
        beside.extend((!named).then_some(claim.token));
        beside.contains(&claim.token) && !self.freely.load(Ordering::SeqCst)
    }

    fn is_lost(&self, change: &Change) -> bool {
        matches!(change.guard, Guard::Holder { token, .. } if lock(&self.lost).contains(&token))
    }
}

/// What the memory store answers: it never waits.
fn at_once<T>(answer: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    match pin!(answer).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => Err(StoreError::unavailable("the memory store waits")),
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where the engine's jobs live. Who asks it for whatever is ready, or for what it just made, finds nothing, unless jobs run as they
/// come: jobs are claimed one by one. And what lost workers write is not applied.
#[derive(Debug)]
pub(super) struct ByHand {
    pub(super) store: Faulty<MemoryStore>,
    pub(super) shared: Arc<Shared>,
}

#[async_trait]
impl Store for ByHand {
    async fn write(&self, batch: &Batch) -> Result<Answers, StoreError> {
        let held_back: Vec<bool> = batch.claims.iter().map(|claim| self.shared.holds_back(batch, claim)).collect();
        let lost: Vec<bool> = batch.changes.iter().map(|change| self.shared.is_lost(change)).collect();
        let passed = Batch {
            inserts: batch.inserts.clone(),
            changes: rest(&batch.changes, &lost),
            claims: rest(&batch.claims, &held_back),
        };
        let answers = match passed.inserts.len() + passed.changes.len() + passed.claims.len() {
            0 => Answers::default(),
            _ => self.store.write(&passed).await?,
        };
        Ok(Answers {
            inserts: answers.inserts,
            changes: with(&lost, answers.changes, || Changed::Missing),
            claims: with(&held_back, answers.claims, Default::default),
        })
    }

    async fn get(&self, jobs: &[JobKey]) -> Result<Vec<Option<Record>>, StoreError> {
        self.store.get(jobs).await
    }

    async fn part(&self, job: &JobKey, name: PartName) -> Result<Option<Part>, StoreError> {
        self.store.part(job, name).await
    }

    async fn due(&self, limit: usize) -> Result<Attention, StoreError> {
        self.store.due(limit).await
    }

    async fn put_settings(&self, settings: &Settings) -> Result<bool, StoreError> {
        self.store.put_settings(settings).await
    }

    async fn list(&self, query: &Query) -> Result<Page, StoreError> {
        self.store.list(query).await
    }

    async fn counts(&self, flow: &str) -> Result<Counts, StoreError> {
        self.store.counts(flow).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.store.check().await
    }

    fn largest_part(&self) -> usize {
        self.store.largest_part()
    }

    fn hints(&self) -> HintStream {
        self.store.hints()
    }
}

/// Those that are not left out.
fn rest<T: Clone>(all: &[T], left_out: &[bool]) -> Vec<T> {
    all.iter().zip(left_out).filter(|(_, left_out)| !**left_out).map(|(entry, _)| entry.clone()).collect()
}

/// The answers to the rest, with one for each that was left out.
fn with<T>(left_out: &[bool], answers: Vec<T>, none: impl Fn() -> T) -> Vec<T> {
    let mut answers = answers.into_iter();
    let answer = |left_out: &bool| if *left_out { Some(none()) } else { answers.next() };
    left_out.iter().map_while(answer).collect()
}

/// Runs jobs as they come where the store lets it, and hands the test its worker.
#[derive(Debug)]
pub(super) struct Hand(pub(super) Arc<Shared>);

#[async_trait]
impl Executor for Hand {
    async fn dispatch(&self, _: &[JobKey]) {}

    async fn run(&self, worker: Worker) -> Result<(), BoxError> {
        self.0.worker.send_replace(Some(worker.clone()));
        while worker.word().await {
            worker.fill().await;
        }
        Ok(())
    }
}
