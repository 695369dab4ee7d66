//! The store as its users see it.

use std::fmt;

use async_trait::async_trait;
use asyncflow_core::{
    JobKey, Record, Settings,
    store::{Answers, Attention, Batch, Coalesced, Counts, HintStream, Page, Part, PartName, Query, Store, StoreError},
};

use crate::{builder::PostgresStoreBuilder, database::Database};

/// Keeps jobs in Postgres, shared by all who connect to the same database and schema.
pub struct PostgresStore {
    database: Coalesced<Database>,
}

impl PostgresStore {
    /// Connects with default settings, and makes the schema or brings it up to date.
    ///
    /// # Errors
    /// There is no tokio runtime here, the URL cannot be read, the schema is of a newer version, or the server could not be reached for 30 s:
    /// it says what to do.
    pub async fn connect(url: impl AsRef<str>) -> Result<Self, StoreError> {
        Self::builder(url).connect().await
    }

    /// Settings to connect with. The URL is `postgres://user:password@host:port/database`, or `key=value` pairs as `libpq` takes them.
    pub fn builder(url: impl AsRef<str>) -> PostgresStoreBuilder {
        PostgresStoreBuilder::new(url.as_ref())
    }

    pub(crate) fn new(database: Coalesced<Database>) -> Self {
        Self { database }
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PostgresStore").field(self.database.inner()).finish()
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn write(&self, batch: &Batch) -> Result<Answers, StoreError> {
        self.database.write(batch).await
    }

    async fn get(&self, jobs: &[JobKey]) -> Result<Vec<Option<Record>>, StoreError> {
        self.database.get(jobs).await
    }

    async fn part(&self, job: &JobKey, name: PartName) -> Result<Option<Part>, StoreError> {
        self.database.part(job, name).await
    }

    async fn due(&self, limit: usize) -> Result<Attention, StoreError> {
        self.database.due(limit).await
    }

    async fn put_settings(&self, settings: &Settings) -> Result<bool, StoreError> {
        self.database.put_settings(settings).await
    }

    async fn list(&self, query: &Query) -> Result<Page, StoreError> {
        self.database.list(query).await
    }

    async fn counts(&self, flow: &str) -> Result<Counts, StoreError> {
        self.database.counts(flow).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.database.check().await
    }

    fn largest_part(&self) -> usize {
        self.database.largest_part()
    }

    fn hints(&self) -> HintStream {
        self.database.hints()
    }
}
