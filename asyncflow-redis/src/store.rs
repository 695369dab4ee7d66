//! The store as its users see it.

use std::fmt;

use async_trait::async_trait;
use asyncflow_core::{
    JobKey, Record, Settings,
    store::{Answers, Attention, Batch, Coalesced, Counts, HintStream, Page, Part, PartName, Query, Store, StoreError},
};

use crate::{builder::RedisStoreBuilder, server::Server};

/// Keeps jobs in a Redis or Valkey server, which any number of nodes share.
pub struct RedisStore {
    server: Coalesced<Server>,
}

impl RedisStore {
    /// Connects with default settings to a server: `redis://[user:password@]host[:port][/database]`, `rediss://…` with TLS, or
    /// `redis+unix:///path`.
    ///
    /// # Errors
    /// There is no tokio runtime here, or the server cannot be used: it says why, and what to do.
    pub async fn connect(url: impl Into<String>) -> Result<Self, StoreError> {
        Self::builder(url).connect().await
    }

    /// Settings to connect with.
    pub fn builder(url: impl Into<String>) -> RedisStoreBuilder {
        RedisStoreBuilder::new(url.into())
    }

    pub(crate) fn new(server: Coalesced<Server>) -> Self {
        Self { server }
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RedisStore").field(self.server.inner()).finish()
    }
}

#[async_trait]
impl Store for RedisStore {
    async fn write(&self, batch: &Batch) -> Result<Answers, StoreError> {
        self.server.write(batch).await
    }

    async fn get(&self, jobs: &[JobKey]) -> Result<Vec<Option<Record>>, StoreError> {
        self.server.get(jobs).await
    }

    async fn part(&self, job: &JobKey, name: PartName) -> Result<Option<Part>, StoreError> {
        self.server.part(job, name).await
    }

    async fn due(&self, limit: usize) -> Result<Attention, StoreError> {
        self.server.due(limit).await
    }

    async fn put_settings(&self, settings: &Settings) -> Result<bool, StoreError> {
        self.server.put_settings(settings).await
    }

    async fn list(&self, query: &Query) -> Result<Page, StoreError> {
        self.server.list(query).await
    }

    async fn counts(&self, flow: &str) -> Result<Counts, StoreError> {
        self.server.counts(flow).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.server.check().await
    }

    fn largest_part(&self) -> usize {
        self.server.largest_part()
    }

    fn hints(&self) -> HintStream {
        self.server.hints()
    }
}
