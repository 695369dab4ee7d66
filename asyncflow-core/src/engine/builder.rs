//! An engine's settings.

use std::{fmt, marker::PhantomData, sync::Arc, time::Duration};

use super::{Role, Timing};
use crate::{
    clock::{Clock, SystemClock},
    executor::Executor,
    flow::{AnyFlow, Erased, Flow, FromPayload, IntoFlow, Remote, Wrap},
    policy::FlowOptions,
    store::Store,
};

/// Readers that may wait on a node unless set.
const READERS: usize = 10_000;

/// An engine's settings: a store, an executor, and flows.
#[must_use = "an engine runs once it is started"]
pub struct EngineBuilder {
    pub(super) store: Option<Arc<dyn Store>>,
    pub(super) executor: Option<Arc<dyn Executor>>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) seed: Option<u64>,
    pub(super) timing: Timing,
    pub(super) role: Role,
    pub(super) readers: usize,
    pub(super) wraps: Vec<Arc<dyn Wrap>>,
    pub(super) flows: Vec<(Arc<str>, Arc<dyn AnyFlow>, FlowOptions)>,
}

impl EngineBuilder {
    pub(super) fn new() -> Self {
        Self {
            store: None,
            executor: None,
            clock: Arc::new(SystemClock),
            seed: None,
            timing: Timing::default(),
            role: Role::default(),
            readers: READERS,
            wraps: Vec::new(),
            flows: Vec::new(),
        }
    }

    /// Where jobs live; this process's memory unless set.
    pub fn store(self, store: impl Store) -> Self {
        self.shared_store(Arc::new(store))
    }

    /// Where jobs live, chosen at run time.
    pub fn shared_store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Some(store);
        self
    }

    /// What brings jobs to workers; [`TokioExecutor`](crate::TokioExecutor) unless set.
    pub fn executor(self, executor: impl Executor) -> Self {
        self.shared_executor(Arc::new(executor))
    }

    /// What brings jobs to workers, chosen at run time.
    pub fn shared_executor(mut self, executor: Arc<dyn Executor>) -> Self {
        self.executor = Some(executor);
        self
    }

    /// Registers a flow under a name: a [`Flow`], an async function, or what [`blocking`](crate::blocking) made of a blocking one.
    pub fn flow<M, X: IntoFlow<M>>(self, name: impl Into<Arc<str>>, flow: X) -> Self
    where
        X::Flow: Flow,
    {
        self.flow_with(name, flow, FlowOptions::default())
    }

    /// Registers a flow under a name, with options.
    pub fn flow_with<M, X: IntoFlow<M>>(mut self, name: impl Into<Arc<str>>, flow: X, options: FlowOptions) -> Self
    where
        X::Flow: Flow,
    {
        self.flows.push((name.into(), Arc::new(Erased(flow.into_flow())), options));
        self
    }

    /// Registers a flow that other nodes run: this one accepts its jobs and answers for them.
    pub fn remote<Request, Response>(mut self, name: impl Into<Arc<str>>, options: FlowOptions) -> Self
    where
        Request: FromPayload + Send + 'static,
        Response: 'static,
    {
        self.flows.push((name.into(), Arc::new(Remote::<Request, Response>(PhantomData)), options));
        self
    }

    /// Wraps something around every attempt; the last one added is the outermost.
    pub fn wrap(mut self, wrap: impl Wrap) -> Self {
        self.wraps.push(Arc::new(wrap));
        self
    }

    /// What this node does; it accepts jobs and runs them unless set.
    pub fn role(mut self, role: Role) -> Self {
        self.role = role;
        self
    }

    /// How long a worker holds a job without a heartbeat; 30 s unless set. The other times scale with it: heartbeat and call timeout are a
    /// sixth of it, grace is a third.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.timing = Timing::of(lease);
        self
    }

    /// The times by which the node lives, one by one.
    pub fn timing(mut self, set: impl FnOnce(&mut Timing)) -> Self {
        set(&mut self.timing);
        self
    }

    /// Readers that may wait for jobs at once on this node; beyond, they are answered at once. 10,000 unless set.
    pub fn max_readers(mut self, readers: usize) -> Self {
        self.readers = readers;
        self
    }

    /// What tells the time of day for ids, and for the store where none is set; the machine's clock unless set.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Ids, tokens and jitter from this seed, so that a run can be repeated. For tests alone: such ids can be guessed.
    #[doc(hidden)]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }
}

impl fmt::Debug for EngineBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flows: Vec<_> = self.flows.iter().map(|(name, ..)| name).collect();
        f.debug_struct("EngineBuilder").field("flows", &flows).field("store", &self.store).finish_non_exhaustive()
    }
}
