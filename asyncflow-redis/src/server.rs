//! One server, asked by this node.

use std::{
    fmt,
    pin::pin,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use asyncflow_core::{
    Clock, JobKey, Record, Settings,
    store::{Answers, Attention, Batch, Counts, HintStream, Hints, Page, Part, PartName, Query, Store, StoreError},
};
use redis::Value;
use tokio::runtime::Handle;

use crate::{failure, keys, link::Link, listener::Listener, policies::Policies, scripts::Scripts};

/// A quarter of what a server takes by itself (`proto-max-bulk-len`): a script holds a part twice.
pub(crate) const LARGEST_PART: usize = 128 << 20;

pub(crate) struct Server {
    pub(crate) writes: Link,
    /// Apart, so that no large part that is read keeps a heartbeat waiting.
    pub(crate) reads: Link,
    pub(crate) scripts: Scripts,
    pub(crate) policies: Policies,
    pub(crate) prefix: Arc<str>,
    /// Where hints are told; empty where they are not.
    pub(crate) channel: Arc<str>,
    pub(crate) clock: Option<Arc<dyn Clock>>,
    pub(crate) runtime: Handle,
    pub(crate) flows: RwLock<Vec<Arc<Flow>>>,
    pub(crate) settings: RwLock<Arc<Settings>>,
    pub(crate) hints: Hints,
    pub(crate) _listener: Option<Listener>,
}

/// A flow that was asked for.
pub(crate) struct Flow {
    pub(crate) name: Arc<str>,
    /// What its keys begin with.
    pub(crate) base: String,
    /// It is among the flows that the server knows.
    listed: AtomicBool,
}

impl Flow {
    pub(crate) fn new(prefix: &str, name: &Arc<str>) -> Self {
        Self { name: name.clone(), base: keys::base(prefix, name), listed: AtomicBool::new(false) }
    }

    pub(crate) fn is_listed(&self) -> bool {
        self.listed.load(Ordering::Relaxed)
    }

    pub(crate) fn listed(&self) {
        self.listed.store(true, Ordering::Relaxed);
    }
}

impl Server {
    pub(crate) fn flow(&self, name: &Arc<str>) -> Arc<Flow> {
        let known = |flows: &[Arc<Flow>]| flows.iter().find(|flow| flow.name == *name).cloned();
        if let Some(flow) = known(&self.flows.read().unwrap_or_else(PoisonError::into_inner)) {
            return flow;
        }
        let mut flows = self.flows.write().unwrap_or_else(PoisonError::into_inner);
        known(&flows).unwrap_or_else(|| {
            flows.push(Arc::new(Flow::new(&self.prefix, name)));
            flows[flows.len() - 1].clone()
        })
    }

    pub(crate) fn flows_key(&self) -> String {
        keys::common(&self.prefix, "flows")
    }

    /// The time for the scripts: nothing, where they ask the server for it.
    pub(crate) fn time(&self) -> String {
        self.clock.as_ref().map_or(String::new(), |clock| clock.now().as_micros().to_string())
    }

    /// An answer that is no error.
    pub(crate) fn answer(&self, answer: Value) -> Result<Value, StoreError> {
        match answer {
            Value::ServerError(error) => Err(failure::of_answer(&error, self.writes.server())),
            answer => Ok(answer),
        }
    }

    /// Polls a future within the runtime, on whichever thread it is polled: connections and timers are of the runtime.
    async fn within<T>(&self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        std::future::poll_fn(|context| {
            let _within = self.runtime.enter();
            future.as_mut().poll(context)
        })
        .await
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("server", &self.writes.server())
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for Server {
    async fn write(&self, batch: &Batch) -> Result<Answers, StoreError> {
        self.within(self.write_or_purge(batch)).await
    }

    async fn get(&self, jobs: &[JobKey]) -> Result<Vec<Option<Record>>, StoreError> {
        self.within(self.records(jobs)).await
    }

    async fn part(&self, job: &JobKey, name: PartName) -> Result<Option<Part>, StoreError> {
        self.within(self.read_part(job, name)).await
    }

    async fn due(&self, limit: usize) -> Result<Attention, StoreError> {
        self.within(self.attention(limit)).await
    }

    async fn put_settings(&self, settings: &Settings) -> Result<bool, StoreError> {
        self.within(self.set_settings(settings)).await
    }

    async fn list(&self, query: &Query) -> Result<Page, StoreError> {
        self.within(self.page(query)).await
    }

    async fn counts(&self, flow: &str) -> Result<Counts, StoreError> {
        self.within(self.count(flow)).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.within(self.try_both()).await
    }

    fn largest_part(&self) -> usize {
        LARGEST_PART
    }

    fn hints(&self) -> HintStream {
        self.hints.subscribe()
    }
}
