//! An engine's start: what is asked of it is checked, the store is waited for, and the parts of the node begin.

use std::{fmt, sync::Arc, time::Duration};

use super::{
    EngineBuilder, FlowEngine, Owner, Role, Timing,
    alarm::Alarm,
    line::Line,
    news,
    node::{Node, Phase, Work},
    recovery,
    waiting::Waiting,
};
use crate::{
    chance::Chance,
    executor::TokioExecutor,
    flow::AnyFlow,
    policy::{FlowOptions, InvalidOptions, Settings},
    store::{MemoryStore, Store, StoreError, once_available},
    sync::{
        Handle, Mutex, Notify,
        atomic::{AtomicU8, AtomicUsize},
    },
    trace,
    worker::{self, Crew, Rest, Worker},
};

/// How long the start waits for the store.
const STORE_PATIENCE: Duration = Duration::from_secs(30);
/// The longest name of a flow, in characters.
const LONGEST_NAME: usize = 64;

impl EngineBuilder {
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
        let settings = wait_for(&*store, self.timing.call).await?;
        let line =
            |(name, flow, options): (Arc<str>, Arc<dyn AnyFlow>, FlowOptions)| Arc::new(Line::new(name, flow, options));
        let node = Arc::new(Node {
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
            finished: AtomicUsize::new(0),
            handed_over: AtomicUsize::new(0),
            alarm: Alarm::default(),
            settings: Mutex::default(),
            word: Notify::new(),
            phase: AtomicU8::new(Phase::Open as u8),
            phases: Notify::new(),
        });
        node.take_up(&settings);
        Ok(node)
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

impl Node {
    /// Starts what the node does by itself, each part for as long as the node lives.
    fn begin(self: Arc<Self>) {
        self.live(|node| Box::pin(recovery::look_after(node)));
        self.live(|node| Box::pin(news::listen(node)));
        if self.role != Role::Serve {
            self.waiting.hints.want_jobs(true);
            self.live(|node| Box::pin(worker::keep_leases(node)));
            self.live(|node| Box::pin(worker::write_reports(node)));
            self.aside(execute(self.clone()));
            self.word.notify_one();
        }
    }

    /// Does a part until the node is closed; after a pause again where a store's panic ended it.
    fn live(self: &Arc<Self>, part: fn(Arc<Self>) -> Work<()>) {
        let node = self.clone();
        self.aside(async move {
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

/// Waits until the store can be used, and reads what is set for the flows: no job of a paused one may be taken up.
async fn wait_for(store: &dyn Store, call: Duration) -> Result<Arc<Settings>, StartError> {
    let look = || async {
        let look = async {
            store.check().await?;
            Ok(store.due(0).await?.settings)
        };
        let late = || StoreError::unavailable(format_args!("no answer within {call:?}"));
        tokio::time::timeout(call, look).await.unwrap_or_else(|_| Err(late()))
    };
    once_available(STORE_PATIENCE, look).await.map_err(StartError::Store)
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
