//! The engine: it joins a store, an executor and the flows.

mod alarm;
mod builder;
mod flow_ref;
mod handle;
mod health;
mod line;
mod news;
mod node;
mod recovery;
#[cfg(all(test, asyncflow_shuttle))]
mod schedules;
mod settings;
mod shutdown;
mod start;
mod submit;
mod waiting;

use std::{fmt, sync::Arc, time::Duration};

pub use builder::EngineBuilder;
pub use flow_ref::{Cancelled, EngineError, FlowRef};
pub use handle::{FlowHandle, FlowMismatch, JobHandle, JobStatus, WaitError};
pub use health::{FlowStats, Health, Stats};
pub use line::Receiving;
pub(crate) use line::{Line, Load};
pub use node::Timing;
pub(crate) use node::{LAST_GRACE, Node, Phase};
pub use shutdown::ShutdownReport;
pub use start::StartError;
pub use submit::{IdempotencyKey, IfLive, InvalidKey, SubmitError, SubmitOptions, Submitted};
pub use waiting::Until;

use crate::{
    flow::{FromPayload, IntoPayload},
    store::{Page, Query, Store},
    trace,
};

/// Flows, the store where their jobs live, and the workers that run them. Cheap to clone: clones are the same engine.
///
/// When the last clone is dropped without [`shutdown`](Self::shutdown), it stops claiming jobs and warns; what runs then runs on.
///
/// ```
/// use asyncflow_core::{FlowEngine, JobContext, MemoryStore, TokioExecutor};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let engine = FlowEngine::builder()
///     .store(MemoryStore::new())
///     .executor(TokioExecutor::new())
///     .flow("double", |n: u32, _job: JobContext| async move { Ok::<_, String>(n * 2) })
///     .start()
///     .await?;
/// let double = engine.flow::<u32, u32>("double")?;
/// let job = double.submit(21).await?;
/// assert_eq!(job.wait().await?, 42);
/// # engine.shutdown(std::time::Duration::from_secs(1)).await;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct FlowEngine {
    owner: Arc<Owner>,
}

/// Dropped with the last clone of an engine.
struct Owner {
    node: Arc<Node>,
}

/// What a node does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// It accepts jobs and runs none.
    Serve,
    /// It runs jobs and accepts none.
    Work,
    /// It does both.
    #[default]
    Both,
}

impl FlowEngine {
    /// A new engine's settings.
    pub fn builder() -> EngineBuilder {
        EngineBuilder::new()
    }

    /// One flow, with its types.
    ///
    /// # Errors
    /// There is no such flow, or its types are others; the error says both.
    pub fn flow<Request, Response>(&self, name: &str) -> Result<FlowHandle<Request, Response>, FlowMismatch>
    where
        Request: IntoPayload + 'static,
        Response: FromPayload + 'static,
    {
        FlowHandle::new(self, name)
    }

    /// One flow by bytes and ids, as mounts see it; `None` where there is no such flow.
    pub fn flow_ref(&self, name: &str) -> Option<FlowRef> {
        self.node().line(name).map(|line| FlowRef::new(self.clone(), line.clone()))
    }

    /// The names of all flows, in the order in which they were registered.
    pub fn flow_names(&self) -> Vec<Arc<str>> {
        self.node().flows.iter().map(|line| line.name.clone()).collect()
    }

    /// The store, for what the engine has no method for.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.node().store
    }

    /// A page of records, for operators.
    ///
    /// # Errors
    /// The store could not be asked.
    pub async fn list(&self, query: &Query) -> Result<Page, EngineError> {
        Ok(self.node().call(self.node().store.list(query)).await?)
    }

    /// Whether this node can serve: for readiness checks.
    pub async fn health(&self) -> Health {
        health::health(self.node()).await
    }

    /// How many jobs there are, and how they fare.
    ///
    /// # Errors
    /// The store could not be asked.
    pub async fn stats(&self) -> Result<Stats, EngineError> {
        health::stats(self.node()).await
    }

    /// Drains the node: it takes nothing new, and what it runs may end within `patience`; what does not is told to stop and handed back.
    /// Reads are answered on. Called again, it waits for the same drain.
    ///
    /// Not cancel safe: a dropped future's drain stops where it is, and can be taken up by another call.
    pub async fn shutdown(&self, patience: Duration) -> ShutdownReport {
        shutdown::shutdown(self.node(), patience).await
    }

    pub(crate) fn node(&self) -> &Arc<Node> {
        &self.owner.node
    }
}

impl fmt::Debug for FlowEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FlowEngine").field(self.node()).finish()
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        if self.node.advance(Phase::Draining) {
            trace::warning!(
                running = self.node.crew.len(),
                "the engine was dropped without a shutdown: it claims no more jobs"
            );
            let node = self.node.clone();
            self.node.aside(async move {
                node.crew.idle().await;
                node.advance(Phase::Closed);
            });
        }
    }
}
