//! Many callers, one round trip: while one batch is on its way, the next gathers.

mod asks;
mod reads;
mod writes;

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use tokio::{runtime::Handle, sync::mpsc};

use self::reads::Reads;
use super::{Answers, Attention, Batch, Counts, HintStream, Page, Part, PartName, Query, Store, StoreError};
use crate::{
    job::{JobKey, Record},
    policy::Settings,
};

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
    writes: mpsc::Sender<writes::Ask>,
    renewals: mpsc::Sender<writes::Ask>,
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
            runtime.spawn(writes::drive(inner.clone(), queue, coalescing));
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
        asks::ask(lane, batch.clone()).await
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

#[cfg(test)]
mod tests;
