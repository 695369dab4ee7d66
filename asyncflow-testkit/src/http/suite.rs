//! The suite as its user sees it.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use asyncflow_tower::{FlowLayer, FlowService};
use tokio::task::{JoinHandle, JoinSet};

use super::cases::{self, Case};
use super::exchange::Failure;
use super::probe::Recording;
use super::transcript::Transcript;
use super::world::World;

/// A server that runs until this is dropped.
#[derive(Debug)]
pub struct Server {
    pub(super) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Server {
    /// The server that listens on this address for as long as this task runs.
    pub fn new(address: SocketAddr, task: JoinHandle<()>) -> Self {
        Self { address, task }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

type Serve<S> = Box<dyn Fn(S) -> Pin<Box<dyn Future<Output = Server> + Send>> + Send + Sync>;

/// What the suite is run through.
pub(super) struct Mount {
    pub(super) service: Serve<FlowService>,
    pub(super) layer: Option<Serve<FlowLayer>>,
    pub(super) prefix: String,
}

/// The conformance suite for one way to mount the service.
pub struct Suite {
    mount: Mount,
}

impl Suite {
    /// The suite for a mount: a function that serves a service on a free port of the loopback interface. It is called for each
    /// case at least once, and what it started is stopped after the case.
    pub fn new<F, Fut>(mount: F) -> Self
    where
        F: Fn(FlowService) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Server> + Send + 'static,
    {
        let service: Serve<FlowService> = Box::new(move |service| Box::pin(mount(service)));
        Self { mount: Mount { service, layer: None, prefix: String::new() } }
    }

    /// The path below which the mount serves the service, such as `/jobs`; none unless set.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.mount.prefix = prefix.into();
        self
    }

    /// Runs the cases for a layer too: with a function that serves the layer around an application which answers every request
    /// with status 299, and with its method, a space, its path and query, `": "` and its body as body.
    pub fn layered<F, Fut>(mut self, mount: F) -> Self
    where
        F: Fn(FlowLayer) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Server> + Send + 'static,
    {
        self.mount.layer = Some(Box::new(move |layer| Box::pin(mount(layer))));
        self
    }

    /// Runs all cases, side by side, and returns what was said.
    ///
    /// # Panics
    /// With a list of the behaviours that do not hold, and what was expected and seen of each.
    pub async fn run(self) -> Transcript {
        let mount = Arc::new(self.mount);
        let mut running = JoinSet::new();
        for (number, case) in cases::all().into_iter().enumerate() {
            let mount = mount.clone();
            running.spawn(async move { (number, case.name, play(case, mount).await) });
        }
        let mut played = Vec::new();
        while let Some(ended) = running.join_next().await {
            // Each catches the panics of its case.
            played.extend(ended);
        }
        played.sort_by_key(|(number, ..)| *number);

        let all = played.len();
        let mut transcript = Transcript::default();
        let mut failures = Vec::new();
        for (_, name, outcome) in played {
            match outcome {
                Ok(recording) => transcript.add(name, &recording.exchanges()),
                Err(report) => failures.push(format!("✗ {name}\n{}", indent(&report))),
            }
        }
        if !failures.is_empty() {
            panic!("{} of {all} behaviours do not hold:\n\n{}\n", failures.len(), failures.join("\n\n"));
        }
        transcript
    }

    /// Runs all cases, and compares what was said with the transcript that every mount gives.
    ///
    /// # Panics
    /// As [`run`](Self::run), and where the transcript differs, with the first difference.
    pub async fn verify(self) {
        let transcript = self.run().await;
        if let Some(difference) = Transcript::expected().difference(&transcript) {
            panic!("the transcript differs from the expected one, in:\n\n{}\n", indent(&difference));
        }
    }
}

impl fmt::Debug for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Suite").field("prefix", &self.mount.prefix).finish_non_exhaustive()
    }
}

/// Plays one case against an engine of its own.
async fn play(case: Case, mount: Arc<Mount>) -> Result<Recording, String> {
    let world = World::begin(mount).await;
    let recording = Recording::default();
    let probe = world.probe(recording.clone()).await;
    let outcome = tokio::spawn((case.run)(probe)).await;
    world.end().await;
    match outcome {
        Ok(()) => Ok(recording),
        Err(error) => Err(report(error.into_panic())),
    }
}

fn report(panic: Box<dyn Any + Send>) -> String {
    let panic = match panic.downcast::<Failure>() {
        Ok(failure) => return failure.0,
        Err(panic) => panic,
    };
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}
