//! A store that can go away and come back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use asyncflow_core::store::{Answers, Batch, Counts, HintStream, Page, Part, PartName, Query, StoreError};
use asyncflow_core::{JobKey, MemoryStore, Record, Store};

/// A store that does not answer while it is away.
#[derive(Debug)]
pub(super) struct Outage {
    pub(super) inner: MemoryStore,
    pub(super) away: Arc<AtomicBool>,
}

impl Outage {
    fn reach(&self) -> Result<&MemoryStore, StoreError> {
        match self.away.load(Ordering::SeqCst) {
            true => Err(StoreError::unavailable("the store is away")),
            false => Ok(&self.inner),
        }
    }
}

#[async_trait]
impl Store for Outage {
    async fn write(&self, batch: &Batch) -> Result<Answers, StoreError> {
        self.reach()?.write(batch).await
    }

    async fn get(&self, jobs: &[JobKey]) -> Result<Vec<Option<Record>>, StoreError> {
        self.reach()?.get(jobs).await
    }

    async fn part(&self, job: &JobKey, name: PartName) -> Result<Option<Part>, StoreError> {
        self.reach()?.part(job, name).await
    }

    async fn due(&self, limit: usize) -> Result<Vec<Record>, StoreError> {
        self.reach()?.due(limit).await
    }

    async fn list(&self, query: &Query) -> Result<Page, StoreError> {
        self.reach()?.list(query).await
    }

    async fn counts(&self, flow: &str) -> Result<Counts, StoreError> {
        self.reach()?.counts(flow).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.reach()?.check().await
    }

    fn hints(&self) -> HintStream {
        self.inner.hints()
    }

    fn largest_part(&self) -> usize {
        self.inner.largest_part()
    }
}
