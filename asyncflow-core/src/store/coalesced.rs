//! Many callers, one round trip: while one batch is on its way, the next gathers.

mod reads;

use std::{collections::HashSet, fmt, sync::Arc};

use async_trait::async_trait;
use tokio::{
    runtime::Handle,
    sync::{Semaphore, mpsc, oneshot},
};

use self::reads::Reads;
use super::{Answers, Attention, Batch, Counts, HintStream, Page, Part, PartName, Pick, Query, Store, StoreError};
use crate::{
    job::{JobId, JobKey, Record},
    policy::Settings,
};

/// Turns at which a batch that had company lets others come along.
const TURNS: usize = 3;
/// Batches that wait for another of the same job at most, before the others wait with them.
const MOST_LATER: usize = 4096;

/// How a store likes its batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Coalescing {
    /// Batches that may be on their way at once; 1 unless set.
    pub in_flight: usize,
    /// Reads of records that may be on their way at once; 4 unless set.
    pub reads: usize,
    /// Entries (or records to read) at which a batch takes no further company; 256 unless set.
    pub entries: usize,
    /// Bytes of parts at which a batch takes no further company; 8 MiB unless set.
    pub bytes: usize,
}

impl Default for Coalescing {
    fn default() -> Self {
        Self { in_flight: 1, reads: 4, entries: 256, bytes: 8 << 20 }
    }
}

impl Coalescing {
    /// Sets how many batches may be on their way at once.
    pub fn in_flight(mut self, batches: usize) -> Self {
        self.in_flight = batches.max(1);
        self
    }

    /// Sets how many reads of records may be on their way at once: those that come meanwhile share the next.
    pub fn reads(mut self, reads: usize) -> Self {
        self.reads = reads.max(1);
        self
    }

    /// Sets at how many entries a batch takes no further company.
    pub fn entries(mut self, entries: usize) -> Self {
        self.entries = entries.max(1);
        self
    }

    /// Sets at how many bytes of parts a batch takes no further company.
    pub fn bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes.max(1);
        self
    }
}

/// A store whose callers share round trips: a lone one waits for nobody, and a thousand share a transaction and a disk sync, or a read.
///
/// A task of its own sends the batches, so a caller that goes away leaves none half sent; what has not been sent by then is not sent at
/// all, so that nothing lands long after its asker gave up, and a store that hangs gathers no more than its callers hold. Renewals of
/// leases do not queue behind other writes. A batch of which one entry can never be taken is sent again in halves, so that entry fails alone.
pub struct Coalesced<S> {
    inner: Arc<S>,
    reads: Reads<S>,
    writes: mpsc::Sender<Ask>,
    renewals: mpsc::Sender<Ask>,
}

/// One caller's batch, and where its answers go.
struct Ask {
    batch: Batch,
    reply: oneshot::Sender<Result<Answers, StoreError>>,
}

impl<S: Store> Coalesced<S> {
    /// Wraps a store; its batches are sent by tasks of the current tokio runtime.
    ///
    /// # Errors
    /// There is no tokio runtime here.
    pub fn new(inner: S, coalescing: Coalescing) -> Result<Self, StoreError> {
        let runtime = Handle::try_current()
            .map_err(|_| StoreError::unusable("there is no tokio runtime here: open the store within one"))?;
        let inner = Arc::new(inner);
        let lane = || {
            let (asks, queue) = mpsc::channel(coalescing.entries);
            runtime.spawn(drive(inner.clone(), queue, coalescing));
            asks
        };
        let reads = Reads::new(inner.clone(), coalescing, &runtime);
        Ok(Self { writes: lane(), renewals: lane(), reads, inner })
    }

    /// The store within.
    pub fn inner(&self) -> &S {
        &self.inner
    }
}

#[async_trait]
impl<S: Store> Store for Coalesced<S> {
    async fn write(&self, batch: &Batch) -> Result<Answers, StoreError> {
        let renews = batch.inserts.is_empty()
            && batch.claims.is_empty()
            && batch.changes.iter().all(|change| change.patch.quiet);
        let lane = if renews { &self.renewals } else { &self.writes };
        let (reply, answers) = oneshot::channel();
        lane.send(Ask { batch: batch.clone(), reply }).await.map_err(|_| gone())?;
        answers.await.map_err(|_| gone())?
    }

    async fn get(&self, jobs: &[JobKey]) -> Result<Vec<Option<Record>>, StoreError> {
        self.reads.get(jobs).await
    }

    async fn part(&self, job: &JobKey, name: PartName) -> Result<Option<Part>, StoreError> {
        self.inner.part(job, name).await
    }

    async fn due(&self, limit: usize) -> Result<Attention, StoreError> {
        self.inner.due(limit).await
    }

    async fn put_settings(&self, settings: &Settings) -> Result<bool, StoreError> {
        self.inner.put_settings(settings).await
    }

    async fn list(&self, query: &Query) -> Result<Page, StoreError> {
        self.inner.list(query).await
    }

    async fn counts(&self, flow: &str) -> Result<Counts, StoreError> {
        self.inner.counts(flow).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.inner.check().await
    }

    fn largest_part(&self) -> usize {
        self.inner.largest_part()
    }

    fn hints(&self) -> HintStream {
        self.inner.hints()
    }
}

impl<S: fmt::Debug> fmt::Debug for Coalesced<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Coalesced").field(&self.inner).finish()
    }
}

fn gone() -> StoreError {
    StoreError::unavailable("the task that sends what it is asked has ended")
}

/// Gathers what is asked and sends it, until nobody can ask any more.
async fn drive<S: Store>(store: Arc<S>, mut queue: mpsc::Receiver<Ask>, coalescing: Coalescing) {
    let permits = Arc::new(Semaphore::new(coalescing.in_flight));
    let mut gathering = Gathering::default();
    let mut company = false;
    loop {
        if gathering.asks.is_empty() {
            let Some(ask) = queue.recv().await else { return };
            gathering.add(ask);
        }
        // Never closed: what waits for it comes at once or when a batch is back.
        let Ok(permit) = permits.clone().acquire_owned().await else { return };
        gathering.drain(&mut queue, coalescing);
        for _ in 0..if company { TURNS } else { 0 } {
            // Those who were just answered are about to ask again.
            tokio::task::yield_now().await;
            gathering.drain(&mut queue, coalescing);
        }
        let asks = gathering.take();
        company = asks.len() > 1;
        if asks.is_empty() {
            continue;
        }
        let store = store.clone();
        tokio::spawn(async move {
            send(&*store, asks).await;
            drop(permit);
        });
    }
}

/// What goes along in the next batch, and what has to wait for the one after.
#[derive(Default)]
struct Gathering {
    asks: Vec<Ask>,
    entries: usize,
    bytes: usize,
    changed: HashSet<JobId>,
    later: Vec<Ask>,
}

impl Gathering {
    fn drain(&mut self, queue: &mut mpsc::Receiver<Ask>, most: Coalescing) {
        while self.entries < most.entries && self.bytes < most.bytes && self.later.len() < MOST_LATER {
            let Ok(ask) = queue.try_recv() else { break };
            self.add(ask);
        }
    }

    fn add(&mut self, ask: Ask) {
        let Batch { inserts, changes, claims } = &ask.batch;
        // A batch has one change a job: another waits.
        if changes.iter().any(|change| self.changed.contains(&change.job.id)) {
            self.later.push(ask);
            return;
        }
        self.entries += inserts.len() + changes.len() + claims.len();
        self.bytes += ask.batch.bytes();
        self.changed.extend(changes.iter().map(|change| change.job.id));
        self.asks.push(ask);
    }

    /// What is to be sent now: not what nobody waits for any more.
    fn take(&mut self) -> Vec<Ask> {
        let Self { mut asks, later, .. } = std::mem::take(self);
        later.into_iter().for_each(|ask| self.add(ask));
        asks.retain(|ask| !ask.reply.is_closed());
        // First those who name the job they take: a new one goes to the claim that came with it, which a store can do in one step.
        asks.sort_by_key(|ask| ask.batch.claims.iter().any(|claim| matches!(claim.pick, Pick::Next { .. })));
        asks
    }
}

/// Sends batches as one, and gives each its own answers.
async fn send<S: Store>(store: &S, asks: Vec<Ask>) {
    let mut rest = vec![asks];
    while let Some(mut asks) = rest.pop() {
        let batch = merge(&asks);
        match store.write(&batch).await.and_then(|answers| whole(&batch, answers)) {
            Ok(answers) => answer(asks, answers),
            Err(StoreError::Rejected(_)) if asks.len() > 1 => {
                let half = asks.split_off(asks.len() / 2);
                rest.extend([half, asks]);
            }
            Err(error) => {
                for ask in asks {
                    // Who has gone away needs no answer.
                    let _ = ask.reply.send(Err(error.clone()));
                }
            }
        }
    }
}

/// Answers to all that was asked: others could be given to the wrong caller.
fn whole(batch: &Batch, answers: Answers) -> Result<Answers, StoreError> {
    let asked = [batch.inserts.len(), batch.changes.len(), batch.claims.len()];
    let answered = [answers.inserts.len(), answers.changes.len(), answers.claims.len()];
    match asked == answered {
        true => Ok(answers),
        false => Err(StoreError::unavailable(format_args!("it answered {answered:?} entries of {asked:?}"))),
    }
}

fn merge(asks: &[Ask]) -> Batch {
    let mut merged = Batch::default();
    for Ask { batch, .. } in asks {
        merged.inserts.extend(batch.inserts.iter().cloned());
        merged.changes.extend(batch.changes.iter().cloned());
        merged.claims.extend(batch.claims.iter().cloned());
    }
    merged
}

fn answer(asks: Vec<Ask>, answers: Answers) {
    let (mut inserts, mut changes, mut claims) =
        (answers.inserts.into_iter(), answers.changes.into_iter(), answers.claims.into_iter());
    for Ask { batch, reply } in asks {
        let answers = Answers {
            inserts: inserts.by_ref().take(batch.inserts.len()).collect(),
            changes: changes.by_ref().take(batch.changes.len()).collect(),
            claims: claims.by_ref().take(batch.claims.len()).collect(),
        };
        let _ = reply.send(Ok(answers));
    }
}

#[cfg(test)]
mod tests;
