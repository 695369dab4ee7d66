//! The store as its users see it.

use std::{fmt, path::Path};

use async_trait::async_trait;
use asyncflow_core::{
    JobKey, Record, Settings,
    store::{Answers, Attention, Batch, Coalesced, Counts, HintStream, Page, Part, PartName, Query, Store, StoreError},
};

use crate::{builder::SqliteStoreBuilder, file::File};

/// Keeps jobs in an SQLite file.
///
/// One thread writes, whole batches in a transaction; others read. Dropped, it waits for them to end, and the last one to have the file
/// open folds its log into it.
pub struct SqliteStore {
    file: Coalesced<File>,
}

impl SqliteStore {
    /// Opens the file with default settings, and makes it if there is none (its folder is not made).
    ///
    /// # Errors
    /// There is no tokio runtime here, or the file cannot be used: it names the file and what to do.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::builder(path).open().await
    }

    /// Settings to open the file with.
    pub fn builder(path: impl AsRef<Path>) -> SqliteStoreBuilder {
        SqliteStoreBuilder::new(path.as_ref())
    }

    pub(crate) fn new(file: Coalesced<File>) -> Self {
        Self { file }
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SqliteStore").field(&self.file.inner().path).finish()
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn write(&self, batch: &Batch) -> Result<Answers, StoreError> {
        self.file.write(batch).await
    }

    async fn get(&self, jobs: &[JobKey]) -> Result<Vec<Option<Record>>, StoreError> {
        self.file.get(jobs).await
    }

    async fn part(&self, job: &JobKey, name: PartName) -> Result<Option<Part>, StoreError> {
        self.file.part(job, name).await
    }

    async fn due(&self, limit: usize) -> Result<Attention, StoreError> {
        self.file.due(limit).await
    }

    async fn put_settings(&self, settings: &Settings) -> Result<bool, StoreError> {
        self.file.put_settings(settings).await
    }

    async fn list(&self, query: &Query) -> Result<Page, StoreError> {
        self.file.list(query).await
    }

    async fn counts(&self, flow: &str) -> Result<Counts, StoreError> {
        self.file.counts(flow).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.file.check().await
    }

    fn largest_part(&self) -> usize {
        self.file.largest_part()
    }

    fn hints(&self) -> HintStream {
        self.file.hints()
    }
}
