//! Readers that wait for a job to change, on whichever node it runs.

use std::{
    collections::BTreeMap,
    pin::pin,
    sync::{Arc, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::node::{Node, Phase};
use crate::{
    job::{JobKey, Mark, Record},
    store::{HintStream, StoreError},
    sync::{
        Mutex, MutexGuard, Notify,
        atomic::{AtomicU64, Ordering},
    },
};

/// Records that one sweep reads at a time.
const PAGE: usize = 500;

/// What a reader waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// The job's end.
    Ended,
    /// A version of the record other than this one, or the job's end.
    Changed(u64),
}

impl Until {
    fn holds(self, record: &Record) -> bool {
        record.state.is_ended() || matches!(self, Self::Changed(known) if record.version != known)
    }
}

/// The readers of one node.
pub(crate) struct Waiting {
    readers: Mutex<Readers>,
    /// News from the store.
    pub(crate) hints: HintStream,
    most: usize,
}

#[derive(Default)]
struct Readers {
    jobs: BTreeMap<JobKey, Vec<Arc<Reader>>>,
    count: usize,
}

struct Reader {
    wake: Notify,
    /// The version that it saw last; 0 where it saw none.
    seen: AtomicU64,
}

impl Waiting {
    pub(crate) fn new(hints: HintStream, most: usize) -> Self {
        Self { readers: Mutex::default(), hints, most }
    }

    /// Wakes who waits for this job.
    pub(crate) fn wake(&self, job: &JobKey) {
        if let Some(readers) = self.readers().jobs.get(job) {
            readers.iter().for_each(|reader| reader.wake.notify_one());
        }
    }

    /// Wakes everybody.
    pub(crate) fn wake_all(&self) {
        self.readers().jobs.values().flatten().for_each(|reader| reader.wake.notify_one());
    }

    fn enter(&self, job: &JobKey) -> Option<Place<'_>> {
        let mut readers = self.readers();
        if readers.count >= self.most {
            return None;
        }
        readers.count += 1;
        let reader = Arc::new(Reader { wake: Notify::new(), seen: AtomicU64::new(0) });
        readers.jobs.entry(job.clone()).or_default().push(reader.clone());
        self.hints.want_changes(readers.count);
        Some(Place { waiting: self, job: job.clone(), reader })
    }

    fn readers(&self) -> MutexGuard<'_, Readers> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A reader's place, which it leaves however it goes.
struct Place<'a> {
    waiting: &'a Waiting,
    job: JobKey,
    reader: Arc<Reader>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut readers = self.waiting.readers();
        readers.count -= 1;
        if let Some(others) = readers.jobs.get_mut(&self.job) {
            others.retain(|other| !Arc::ptr_eq(other, &self.reader));
            if others.is_empty() {
                readers.jobs.remove(&self.job);
            }
        }
        self.waiting.hints.want_changes(readers.count);
    }
}

impl Node {
    /// The record as the store has it, for whoever `sees` it.
    pub(super) async fn read<E: From<StoreError>>(
        &self,
        job: JobKey,
        sees: impl Fn(&Record) -> bool,
    ) -> Result<Option<Record>, E> {
        let mut records = self.call(self.store.get(std::slice::from_ref(&job))).await?;
        // Looked at where it is: a record is so large that its moves count.
        let visible = |record: &Record| record.mark != Mark::Forget && sees(record);
        records.retain(|record| record.as_ref().is_some_and(visible));
        Ok(records.pop().flatten())
    }

    /// Waits until a record is as it should be, it is gone, patience ends (while the node drains, after a tick), or there are too many readers:
    /// then the record as it is.
    pub(super) async fn wait(
        &self,
        job: &JobKey,
        until: Until,
        patience: Duration,
    ) -> Result<Option<Record>, StoreError> {
        let began = Instant::now();
        let record = self.wait_open(job, until, patience).await?;
        if self.phase() == Phase::Open || record.as_ref().is_none_or(|record| until.holds(record)) {
            return Ok(record);
        }
        // Who waits must not hold up a drain, nor come back at once, again and again.
        let left = patience.saturating_sub(began.elapsed()).min(self.timing.tick);
        self.on_runtime(|| tokio::time::sleep(left)).await;
        self.read(job.clone(), |_| true).await
    }

    /// The same, but no longer than the node is open.
    pub(super) async fn wait_open(
        &self,
        job: &JobKey,
        until: Until,
        patience: Duration,
    ) -> Result<Option<Record>, StoreError> {
        // Entered before the first look, or a change in between would be missed.
        let place = if patience.is_zero() { None } else { self.waiting.enter(job) };
        let Some(place) = place else { return self.read(job.clone(), |_| true).await };
        let mut patience = pin!(self.on_runtime(|| tokio::time::sleep(patience)));
        loop {
            let record = self.read(job.clone(), |_| true).await?;
            if self.phase() > Phase::Open || record.as_ref().is_none_or(|record| until.holds(record)) {
                return Ok(record);
            }
            place.reader.seen.store(record.as_ref().map_or(0, |record| record.version), Ordering::Relaxed);
            tokio::select! {
                biased;
                () = place.reader.wake.notified() => {}
                () = patience.as_mut() => return Ok(record),
            }
        }
    }

    /// Reads everything that somebody waits for, and wakes whose job has changed: for hints that were lost.
    pub(super) async fn sweep(&self) -> Result<(), StoreError> {
        let jobs: Vec<JobKey> = self.waiting.readers().jobs.keys().cloned().collect();
        for page in jobs.chunks(PAGE) {
            let records = self.look(page).await?;
            let readers = self.waiting.readers();
            for (job, record) in page.iter().zip(records).filter_map(|(job, record)| Some((job, record?))) {
                let version = record.filter(|record| record.mark != Mark::Forget).map_or(0, |record| record.version);
                for reader in readers.jobs.get(job).into_iter().flatten() {
                    if reader.seen.load(Ordering::Relaxed) != version {
                        reader.wake.notify_one();
                    }
                }
            }
        }
        Ok(())
    }
}
