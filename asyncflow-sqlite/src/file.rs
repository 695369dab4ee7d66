//! One open file: a thread that writes, and some that read.

use std::{fmt, path::Path, sync::Arc};

use async_trait::async_trait;
use asyncflow_core::{
    JobKey, Record, Settings,
    store::{Answers, Attention, Batch, Counts, HintStream, Hints, Page, Part, PartName, Query, Store, StoreError},
};

use crate::{clock::OneWay, presence::Presence, read, read::Reader, threads::Threads, write::Writer};

/// SQLite's own limit for a row is 10^9 bytes.
pub(crate) const LARGEST_PART: usize = 512 << 20;

/// Dropped in the order of its fields: the writer's connection is the last to close, and folds the log into the file.
pub(crate) struct File {
    pub(crate) path: Arc<Path>,
    pub(crate) clock: Arc<OneWay>,
    pub(crate) hints: Hints,
    pub(crate) readers: Threads<Reader>,
    pub(crate) writer: Threads<Writer>,
    /// Others see that the file is open.
    pub(crate) _presence: Presence,
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File").field("path", &self.path).finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for File {
    async fn write(&self, batch: &Batch) -> Result<Answers, StoreError> {
        let batch = batch.clone();
        self.writer.run(move |writer| writer.write(&batch)).await
    }

    async fn get(&self, jobs: &[JobKey]) -> Result<Vec<Option<Record>>, StoreError> {
        let jobs = jobs.to_vec();
        self.readers.look(move |reader| reader.read(|db, names| read::get(db, names, &jobs))).await
    }

    async fn part(&self, job: &JobKey, name: PartName) -> Result<Option<Part>, StoreError> {
        let job = job.clone();
        self.readers.look(move |reader| reader.read(|db, names| read::part(db, names, &job, name))).await
    }

    async fn due(&self, limit: usize) -> Result<Attention, StoreError> {
        let now = self.clock.now();
        self.readers.look(move |reader| reader.attention(now, limit)).await
    }

    async fn put_settings(&self, settings: &Settings) -> Result<bool, StoreError> {
        let settings = settings.clone();
        self.writer.run(move |writer| writer.put_settings(&settings)).await
    }

    async fn list(&self, query: &Query) -> Result<Page, StoreError> {
        let query = query.clone();
        self.readers.look(move |reader| reader.read(|db, names| read::list(db, names, &query))).await
    }

    async fn counts(&self, flow: &str) -> Result<Counts, StoreError> {
        let flow = flow.to_owned();
        self.readers.look(move |reader| reader.read(|db, names| read::counts(db, names, &flow))).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.readers.look(|reader| reader.read(|db, names| read::counts(db, names, "").map(drop))).await?;
        self.writer.look(Writer::check).await
    }

    fn largest_part(&self) -> usize {
        LARGEST_PART
    }

    fn hints(&self) -> HintStream {
        self.hints.subscribe()
    }
}
