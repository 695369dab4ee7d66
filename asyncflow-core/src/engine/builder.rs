//! An engine's settings, and its start.

use std::{fmt, future::Future, marker::PhantomData, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    FlowEngine, Owner, Role, Timing,
    alarm::Alarm,
    news,
    node::{Line, Node, Phase},
    recovery,
    settings::Live,
    waiting::Waiting,
};
use crate::{
    chance::Chance,
    clock::{Clock, SystemClock},
    executor::{Executor, TokioExecutor},
    flow::{AnyFlow, Erased, Flow, FromPayload, IntoFlow, Remote, Wrap},
    policy::{FlowOptions, InvalidOptions},
    store::{MemoryStore, Store, StoreError},
    sync::{
        Handle, Notify,
        atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize},
    },
    trace,
    worker::{self, Crew, Rest, Slots, Worker},
};

/// How long the start waits for the store.
const STORE_PATIENCE: Duration = Duration::from_secs(30);
/// Readers that may wait on a node unless set.
const READERS: usize = 10_000;
/// The longest name of a flow, in characters.
const LONGEST_NAME: usize = 64;

/// An engine's settings: a store, an executor, and flows.
#[must_use = "an engine runs once it is started"]
pub struct EngineBuilder {
    store: Option<Arc<dyn Store>>,
    executor: Option<Arc<dyn Executor>>,
    clock: Arc<dyn Clock>,
    seed: Option<u64>,
    timing: Timing,
    role: Role,
    readers: usize,
    wraps: Vec<Arc<dyn Wrap>>,
    flows: Vec<(Arc<str>, Arc<dyn AnyFlow>, FlowOptions)>,
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

    /// What brings jobs to workers; [`TokioExecutor`] unless set.
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

    /// Starts the engine on the current tokio runtime.
    ///
    /// # Errors
    /// A flow's name or options cannot be honoured, times contradict, there is no tokio runtime, or the store could not be used: one that
    /// is not available is tried for 30 s.
    pub async fn start(self) -> Result<FlowEngine, StartError> {
        let node = self.node().await?;
        node.clone().begin();
        Ok(FlowEngine { owner: Arc::new(Owner { node }) })
    }

    /// The node, before it does anything by itself.
    pub(crate) async fn node(self) -> Result<Arc<Node>, StartError> {
        let runtime = Handle::try_current().map_err(|_| StartError::NoRuntime)?;
        let store = self.store.clone().unwrap_or_else(|| Arc::new(MemoryStore::with_clock(self.clock.clone())));
        self.check(&*store)?;
        worker::install_hook();
        let chance = match self.seed {
            Some(seed) => Chance::from_seed(seed),
            None => Chance::from_system().map_err(|error| StartError::Randomness(error.to_string()))?,
        };
        wait_for(&*store, self.timing.call).await?;
        let line = |(name, flow, options): (Arc<str>, Arc<dyn AnyFlow>, FlowOptions)| {
            Arc::new(Line {
                policy: options.policy(),
                versions: options.versions(),
                live: Live::new(&options),
                slots: Slots::new(options.concurrency.get()),
                bytes: AtomicUsize::new(0),
                // What waited before this node came is found at once.
                backlog: AtomicBool::new(true),
                name,
                flow,
                options,
            })
        };
        Ok(Arc::new(Node {
            waiting: Waiting::new(store.hints(), self.readers),
            store,
            executor: self.executor.unwrap_or_else(|| Arc::new(TokioExecutor::new())),
            clock: self.clock,
            chance,
            runtime,
            timing: self.timing,
            role: self.role,
            wraps: self.wraps,
            flows: self.flows.into_iter().map(line).collect(),
            crew: Crew::default(),
            reporter: Arc::default(),
            rest: Rest::default(),
            taken_at_drain: AtomicUsize::new(0),
            handed_over: AtomicUsize::new(0),
            alarm: Alarm::default(),
            settings: AtomicU64::new(0),
            word: Notify::new(),
            phase: AtomicU8::new(Phase::Open as u8),
            phases: Notify::new(),
        }))
    }

    fn check(&self, store: &dyn Store) -> Result<(), StartError> {
        for (index, (name, _, options)) in self.flows.iter().enumerate() {
            let flow = || name.to_string();
            if let Err(why) = mountable(name) {
                return Err(StartError::Name { flow: flow(), why });
            }
            if self.flows[..index].iter().any(|(other, ..)| other == name) {
                return Err(StartError::Duplicate { flow: flow() });
            }
            options.check().map_err(|error| StartError::Options { flow: flow(), error })?;
            let most = store.largest_part();
            for (option, size) in [("max_request", options.max_request), ("max_result", options.max_result)] {
                if size > most {
                    let error = InvalidOptions::new(option, format!("the store takes {most} bytes at most"));
                    return Err(StartError::Options { flow: flow(), error });
                }
            }
        }
        let Timing { lease, heartbeat, call, grace, tick } = self.timing;
        for (time, value) in
            [("lease", lease), ("heartbeat", heartbeat), ("call", call), ("grace", grace), ("tick", tick)]
        {
            if value.is_zero() || value > Duration::from_secs(24 * 3600) {
                return Err(StartError::Timing(format!(
                    "{time} is {value:?}: say more than nothing, and a day at most"
                )));
            }
        }
        if lease < 3 * (heartbeat + call) {
            return Err(StartError::Timing(format!(
                "a lease of {lease:?} is below three times heartbeat and call together ({:?}): one lost heartbeat could lose a job",
                3 * (heartbeat + call)
            )));
        }
        Ok(())
    }
}

impl fmt::Debug for EngineBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flows: Vec<_> = self.flows.iter().map(|(name, ..)| name).collect();
        f.debug_struct("EngineBuilder").field("flows", &flows).field("store", &self.store).finish_non_exhaustive()
    }
}

impl Node {
    /// Starts what the node does by itself, each part for as long as the node lives.
    fn begin(self: Arc<Self>) {
        self.live(recovery::look_after);
        self.live(news::listen);
        if self.role != Role::Serve {
            self.waiting.hints.want_jobs(true);
            self.live(worker::keep_leases);
            self.live(worker::write_reports);
            self.runtime.spawn(execute(self.clone()));
            self.word.notify_one();
        }
    }

    /// Does a part until the node is closed; after a pause again where a store's panic ended it.
    fn live<F>(self: &Arc<Self>, part: impl Fn(Arc<Self>) -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let node = self.clone();
        self.runtime.spawn(async move {
            while node.phase() < Phase::Closed {
                let mut task = node.runtime.spawn(part(node.clone()));
                let ended = tokio::select! {
                    biased;
                    () = node.reached(Phase::Closed) => {
                        task.abort();
                        return;
                    }
                    ended = &mut task => ended,
                };
                match ended {
                    Ok(()) => return,
                    Err(error) => trace::warning!(error = %error, "a part of the engine ended, and is started again"),
                }
                node.pause().await;
            }
        });
    }
}

/// Lets the executor serve until the node drains, again after a pause where it ends early.
async fn execute(node: Arc<Node>) {
    while node.phase() == Phase::Open {
        let (executor, worker) = (node.executor.clone(), Worker::new(node.clone()));
        // In a task of its own: a panic ends that.
        match node.runtime.spawn(async move { executor.run(worker).await }).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => trace::warning!(error = %error, "the executor cannot serve, and is started again"),
            Err(error) => trace::warning!(error = %error, "the executor ended, and is started again"),
        }
        if node.phase() == Phase::Open {
            node.pause().await;
        }
    }
}

/// Waits until the store can be used.
async fn wait_for(store: &dyn Store, call: Duration) -> Result<(), StartError> {
    let end = Instant::now() + STORE_PATIENCE;
    let mut pause = worker::Pause::default();
    loop {
        let error = match tokio::time::timeout(call, store.check()).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error @ StoreError::Unavailable(_))) => error,
            Ok(Err(error)) => return Err(StartError::Store(error)),
            Err(_) => StoreError::unavailable(format_args!("no answer within {call:?}")),
        };
        let Some(pause) = pause.until(end) else { return Err(StartError::Store(error)) };
        pause.await;
    }
}

/// Whether a name can be a segment of a path as it is.
fn mountable(name: &str) -> Result<(), &'static str> {
    if name.is_empty() || name.len() > LONGEST_NAME {
        return Err("it must have 1 to 64 characters");
    }
    if name.bytes().any(|byte| !byte.is_ascii_alphanumeric() && !b"-._~".contains(&byte)) {
        return Err("it may have letters, digits and `-._~` alone, so that it is a path segment as it is");
    }
    if name.bytes().all(|byte| byte == b'.') {
        return Err("dots alone mean another path");
    }
    Ok(())
}

/// Why an engine did not start.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum StartError {
    /// A flow's name cannot be mounted.
    Name {
        /// The name.
        flow: String,
        /// Why.
        why: &'static str,
    },
    /// Two flows have this name.
    Duplicate {
        /// The name.
        flow: String,
    },
    /// A flow's options cannot be honoured.
    Options {
        /// The flow's name.
        flow: String,
        /// Which, and why.
        error: InvalidOptions,
    },
    /// The node's times contradict each other.
    Timing(String),
    /// There is no tokio runtime here.
    NoRuntime,
    /// The system gives no randomness.
    Randomness(String),
    /// The store cannot be used.
    Store(StoreError),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name { flow, why } => write!(f, "flow `{flow}` cannot have this name: {why}"),
            Self::Duplicate { flow } => write!(f, "flow `{flow}` is registered twice: give one of them another name"),
            Self::Options { flow, error } => write!(f, "flow `{flow}`, {error}"),
            Self::Timing(why) => f.write_str(why),
            Self::NoRuntime => f.write_str("there is no tokio runtime here: start the engine within one"),
            Self::Randomness(error) => write!(f, "the system gives no randomness for ids: {error}"),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Options { error, .. } => Some(error),
            Self::Store(error) => Some(error),
            _ => None,
        }
    }
}
