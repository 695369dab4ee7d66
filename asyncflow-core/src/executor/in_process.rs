//! The executor without a broker: free slots claim from the store, as soon as they hear of ready jobs.

use async_trait::async_trait;

use super::Executor;
use crate::{job::JobKey, worker::Worker};

/// Runs jobs on tokio. Its queue is the store, so many nodes share one without a broker, and a job that waits costs no task.
#[derive(Clone, Copy, Debug, Default)]
pub struct TokioExecutor;

impl TokioExecutor {
    /// The executor; what it runs at once is set per flow.
    pub fn new() -> Self {
        Self
    }
}

#[async_trait]
impl Executor for TokioExecutor {
    /// Nothing to do: the store's hints bring the word.
    async fn dispatch(&self, _: &[JobKey]) {}

    async fn run(&self, worker: Worker) -> Result<(), crate::BoxError> {
        while worker.word().await {
            worker.fill().await;
        }
        Ok(())
    }
}
