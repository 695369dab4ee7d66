//! A store that needs threads and real time (a file, a server), as simulated time can bear it: whoever asks it stands still until it has
//! answered, so that no simulated time passes meanwhile, and one thing happens after another.

use std::{
    fmt,
    future::Future,
    sync::{Arc, mpsc},
};

use async_trait::async_trait;
use asyncflow_core::{
    Clock, JobKey, Record, Settings, Store,
    store::{
        Answers, Attention, Batch, Changed, Counts, HintStream, Hints, Inserted, Page, Part, PartName, Query,
        StoreError,
    },
};
use tokio::runtime::{Builder, Runtime};

pub(super) struct Apart {
    inner: Arc<dyn Store>,
    /// News as the answers tell it: what the store itself hears would come at times that no seed decides.
    hints: Hints,
    /// Always there until it is dropped.
    runtime: Option<Runtime>,
}

impl Apart {
    /// Makes the store in a runtime of its own.
    pub(super) fn new<F>(make: &(impl Fn(Arc<dyn Clock>) -> F + ?Sized), clock: Arc<dyn Clock>) -> std::io::Result<Self>
    where
        F: Future<Output = Arc<dyn Store>>,
    {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let inner = runtime.block_on(make(clock));
        Ok(Self { inner, hints: Hints::new(), runtime: Some(runtime) })
    }

    /// Asks the store, and stands still until it has answered.
    fn ask<T, F>(&self, ask: impl FnOnce(Arc<dyn Store>) -> F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        let gone = || StoreError::unavailable("the runtime that it lives in has ended");
        let runtime = self.runtime.as_ref().ok_or_else(gone)?;
        let (answer, answered) = mpsc::channel();
        let asked = ask(self.inner.clone());
        runtime.spawn(async move { answer.send(asked.await) });
        answered.recv().map_err(|_| gone())?
    }

    /// Tells what a write did.
    fn tell(&self, batch: &Batch, answers: &Answers) {
        for (insert, inserted) in batch.inserts.iter().zip(&answers.inserts) {
            if matches!(inserted, Inserted::Created { .. }) {
                self.hints.ready(&insert.job.flow);
            }
        }
        for (change, changed) in batch.changes.iter().zip(&answers.changes) {
            if !matches!(changed, Changed::Applied(_)) || change.patch.quiet {
                continue;
            }
            self.hints.changed(&change.job);
            if change.patch.to.is_some() {
                self.hints.ready(&change.job.flow);
            }
            if change.patch.mark.is_some() {
                self.hints.marked(&change.job);
            }
        }
        for claimed in answers.claims.iter().flat_map(|taken| &taken.jobs) {
            self.hints.changed(&claimed.record.job);
        }
    }
}

#[async_trait]
impl Store for Apart {
    async fn write(&self, batch: &Batch) -> Result<Answers, StoreError> {
        let sent = batch.clone();
        let answers = self.ask(async move |store| store.write(&sent).await)?;
        self.tell(batch, &answers);
        Ok(answers)
    }

    async fn get(&self, jobs: &[JobKey]) -> Result<Vec<Option<Record>>, StoreError> {
        let jobs = jobs.to_vec();
        self.ask(async move |store| store.get(&jobs).await)
    }

    async fn part(&self, job: &JobKey, name: PartName) -> Result<Option<Part>, StoreError> {
        let job = job.clone();
        self.ask(async move |store| store.part(&job, name).await)
    }

    async fn due(&self, limit: usize) -> Result<Attention, StoreError> {
        self.ask(async move |store| store.due(limit).await)
    }

    async fn put_settings(&self, settings: &Settings) -> Result<bool, StoreError> {
        let sent = settings.clone();
        let put = self.ask(async move |store| store.put_settings(&sent).await)?;
        self.hints.anything();
        Ok(put)
    }

    async fn list(&self, query: &Query) -> Result<Page, StoreError> {
        let query = query.clone();
        self.ask(async move |store| store.list(&query).await)
    }

    async fn counts(&self, flow: &str) -> Result<Counts, StoreError> {
        let flow = flow.to_owned();
        self.ask(async move |store| store.counts(&flow).await)
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.ask(async move |store| store.check().await)
    }

    fn largest_part(&self) -> usize {
        self.inner.largest_part()
    }

    fn hints(&self) -> HintStream {
        self.hints.subscribe()
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // It may be dropped within another runtime, where none may wait.
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for Apart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Apart").field(&self.inner).finish()
    }
}
