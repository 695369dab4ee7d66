//! Tokio's `Handle`, whose tasks are shuttle's.

use std::future::Future;

use shuttle::{
    future::JoinHandle,
    sync::{Arc, Condvar, Mutex},
};
use tokio::runtime::{self, EnterGuard, TryCurrentError};

#[derive(Clone, Debug)]
pub(crate) struct Handle {
    runtime: runtime::Handle,
    tasks: Arc<Tasks>,
}

/// How many tasks there are that have not ended.
#[derive(Debug, Default)]
struct Tasks {
    left: Mutex<usize>,
    ended: Condvar,
}

impl Handle {
    pub(crate) fn try_current() -> Result<Self, TryCurrentError> {
        Ok(Self { runtime: runtime::Handle::try_current()?, tasks: Arc::default() })
    }

    pub(crate) fn enter(&self) -> EnterGuard<'_> {
        self.runtime.enter()
    }

    pub(crate) fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let tasks = self.tasks.clone();
        *tasks.left.lock().unwrap() += 1;
        shuttle::future::spawn(async move {
            let output = future.await;
            *tasks.left.lock().unwrap() -= 1;
            tasks.ended.notify_all();
            output
        })
    }

    /// Waits until every task has ended.
    pub(crate) fn all_ended(&self) {
        let mut left = self.tasks.left.lock().unwrap();
        while *left > 0 {
            left = self.tasks.ended.wait(left).unwrap();
        }
    }
}
