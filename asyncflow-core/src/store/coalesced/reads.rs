//! Reads of records: those that come while as many are on their way as the store likes share the next one.

use std::sync::Arc;

use tokio::{
    runtime::Handle,
    sync::{Semaphore, mpsc},
};

use super::{Coalescing, asks};
use crate::{
    job::{JobKey, Record},
    store::{Store, StoreError},
};

type Records = Vec<Option<Record>>;
type Ask = asks::Ask<Vec<JobKey>, Records>;

/// The reads of one store.
pub(super) struct Reads<S> {
    store: Arc<S>,
    permits: Arc<Semaphore>,
    lane: mpsc::Sender<Ask>,
}

impl<S: Store> Reads<S> {
    pub(super) fn new(store: Arc<S>, coalescing: Coalescing, runtime: &Handle) -> Self {
        let permits = Arc::new(Semaphore::new(coalescing.reads));
        let (lane, queue) = mpsc::channel(coalescing.entries);
        runtime.spawn(drive(store.clone(), queue, permits.clone(), coalescing.entries));
        Self { store, permits, lane }
    }

    pub(super) async fn get(&self, jobs: &[JobKey]) -> Result<Records, StoreError> {
        // As long as nobody waits: without a step through other tasks.
        if let Ok(_permit) = self.permits.try_acquire() {
            return self.store.get(jobs).await;
        }
        asks::ask(&self.lane, jobs.to_vec()).await
    }
}

/// Gathers what is asked and reads it, until nobody can ask any more.
async fn drive<S: Store>(store: Arc<S>, mut queue: mpsc::Receiver<Ask>, permits: Arc<Semaphore>, most: usize) {
    while let Some(ask) = queue.recv().await {
        // Never closed: what waits for it comes when a read is back.
        let Ok(permit) = permits.clone().acquire_owned().await else { return };
        let mut jobs = ask.asked.len();
        let mut asks = vec![ask];
        while jobs < most {
            let Ok(ask) = queue.try_recv() else { break };
            jobs += ask.asked.len();
            asks.push(ask);
        }
        // Not what nobody waits for any more.
        asks.retain(|ask| !ask.is_given_up());
        if asks.is_empty() {
            continue;
        }
        let store = store.clone();
        tokio::spawn(async move {
            asks::answer(asks, |asks| read(store.clone(), asks)).await;
            drop(permit);
        });
    }
}

/// Reads for all at once; the records of each.
fn read<S: Store>(store: Arc<S>, asks: &[Ask]) -> impl Future<Output = Result<Vec<Records>, StoreError>> + use<S> {
    let jobs: Vec<_> = asks.iter().flat_map(|ask| &ask.asked).cloned().collect();
    let sizes: Vec<_> = asks.iter().map(|ask| ask.asked.len()).collect();
    async move {
        let records = store.get(&jobs).await?;
        if records.len() != jobs.len() {
            return Err(StoreError::unavailable("it left a read unanswered"));
        }
        let mut records = records.into_iter();
        Ok(sizes.into_iter().map(|size| records.by_ref().take(size).collect()).collect())
    }
}
