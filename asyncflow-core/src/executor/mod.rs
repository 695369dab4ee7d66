//! What brings ready jobs to workers sooner than they would look for themselves.

mod in_process;

use std::fmt;

use async_trait::async_trait;

pub use in_process::TokioExecutor;

use crate::{job::JobKey, worker::Worker};

/// Brings word of ready jobs to workers. What it forgets, workers with room find in the store: once a second, whatever the executor does.
///
/// Duplicate, late and unknown deliveries are harmless, since a job is claimed before it is run.
#[async_trait]
pub trait Executor: fmt::Debug + Send + Sync + 'static {
    /// Brings word of jobs that are ready and that this node has no room for; may lose it. It should return soon: who submitted waits for it.
    async fn dispatch(&self, jobs: &[JobKey]);

    /// Serves the worker until it [drains](Worker::draining), then returns. An error or an early return is followed by another call,
    /// after a pause.
    ///
    /// # Errors
    /// Why it cannot serve now; it is logged.
    async fn run(&self, worker: Worker) -> Result<(), crate::BoxError>;
}
