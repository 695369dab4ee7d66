//! Reads of records: those that come while as many are on their way as the store likes share the next one.

use std::sync::Arc;

use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
};

use super::{Coalescing, gone};
use crate::{
    job::{JobKey, Record},
    store::{Store, StoreError},
};

type Records = Result<Vec<Option<Record>>, StoreError>;

/// The reads of one store.
pub(super) struct Reads<S> {
    store: Arc<S>,
    permits: Arc<Semaphore>,
    asks: mpsc::Sender<Ask>,
}

/// What one caller reads, and where it goes.
struct Ask {
    jobs: Vec<JobKey>,
    reply: oneshot::Sender<Records>,
}

impl<S: Store> Reads<S> {
    pub(super) fn new(store: Arc<S>, coalescing: Coalescing, runtime: &Handle) -> Self {
        let permits = Arc::new(Semaphore::new(coalescing.reads));
        let (asks, queue) = mpsc::channel(coalescing.entries);
        runtime.spawn(drive(store.clone(), queue, permits.clone(), coalescing.entries));
        Self { store, permits, asks }
    }

    pub(super) async fn get(&self, jobs: &[JobKey]) -> Records {
        // As long as nobody waits: without a step through other tasks.
        if let Ok(_permit) = self.permits.try_acquire() {
            return self.store.get(jobs).await;
        }
        let (reply, records) = oneshot::channel();
        self.asks.send(Ask { jobs: jobs.to_vec(), reply }).await.map_err(|_| gone())?;
        records.await.map_err(|_| gone())?
    }
}

/// Gathers what is asked and reads it, until nobody can ask any more.
async fn drive<S: Store>(store: Arc<S>, mut queue: mpsc::Receiver<Ask>, permits: Arc<Semaphore>, most: usize) {
    while let Some(ask) = queue.recv().await {
        // Never closed: what waits for it comes when a read is back.
        let Ok(permit) = permits.clone().acquire_owned().await else { return };
        let mut jobs = ask.jobs.len();
        let mut asks = vec![ask];
        while jobs < most {
            let Ok(ask) = queue.try_recv() else { break };
            jobs += ask.jobs.len();
            asks.push(ask);
        }
        // Not what nobody waits for any more.
        asks.retain(|ask| !ask.reply.is_closed());
        if !asks.is_empty() {
            tokio::spawn(read(store.clone(), asks, permit));
        }
    }
}

/// Reads for all at once, and gives each its own records.
async fn read<S: Store>(store: Arc<S>, asks: Vec<Ask>, _permit: OwnedSemaphorePermit) {
    let mut rest = vec![asks];
    while let Some(mut asks) = rest.pop() {
        let jobs: Vec<_> = asks.iter().flat_map(|ask| &ask.jobs).cloned().collect();
        match store.get(&jobs).await {
            Ok(records) if records.len() == jobs.len() => {
                let mut records = records.into_iter();
                for Ask { jobs, reply } in asks {
                    let _ = reply.send(Ok(records.by_ref().take(jobs.len()).collect()));
                }
            }
            // A record that cannot be read is the error of those who asked for it.
            Err(StoreError::Rejected(_)) if asks.len() > 1 => {
                let half = asks.split_off(asks.len() / 2);
                rest.extend([half, asks]);
            }
            answer => {
                let error = answer.err().unwrap_or_else(|| StoreError::unavailable("it left a read unanswered"));
                for ask in asks {
                    let _ = ask.reply.send(Err(error.clone()));
                }
            }
        }
    }
}
