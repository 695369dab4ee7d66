//! Workers that rest between jobs: a task that has run one waits for the next, since waking it costs less than a new task.

use std::sync::{Arc, PoisonError};

use super::{Slot, serve::Task};
use crate::{
    engine::{Node, Phase},
    sync::{Mutex, MutexGuard, Notify},
};

/// Workers that rest at most: a burst's workers go, the usual ones stay.
const MOST: usize = 256;

/// The workers of a node that rest.
#[derive(Default)]
pub(crate) struct Rest(Mutex<Vec<Arc<Resting>>>);

#[derive(Default)]
struct Resting {
    job: Mutex<Option<(Slot, Task)>>,
    wake: Notify,
}

impl Rest {
    /// Sends them home.
    pub(crate) fn end(&self) {
        for worker in lock(&self.0).drain(..) {
            worker.wake.notify_one();
        }
    }
}

impl Node {
    /// Runs a job in its slot, apart from whoever asks for it.
    pub(super) fn put_to_work(self: &Arc<Self>, slot: Slot, task: Task) {
        let resting = lock(&self.rest.0).pop();
        match resting {
            Some(worker) => {
                *lock(&worker.job) = Some((slot, task));
                worker.wake.notify_one();
            }
            None => self.aside(work(self.clone(), slot, task)),
        }
    }

    /// Lets a worker rest, unless enough do or the node has closed.
    fn rest(&self, worker: &Arc<Resting>) -> bool {
        let mut resting = lock(&self.rest.0);
        let may = resting.len() < MOST && self.phase() < Phase::Closed;
        if may {
            resting.push(worker.clone());
        }
        may
    }
}

/// A worker: one job after another, with rests between them.
async fn work(node: Arc<Node>, slot: Slot, task: Task) {
    let worker = Arc::new(Resting::default());
    let mut job = Some((slot, task));
    while let Some((slot, task)) = job.take() {
        node.serve(slot, task).await;
        if node.rest(&worker) {
            worker.wake.notified().await;
            job = lock(&worker.job).take();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
