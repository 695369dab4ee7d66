//! The suite as its user sees it.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use asyncflow_tower::{FlowLayer, FlowService};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};

use super::cases::{self, Case};
use super::exchange::Failure;
use super::probe::{Probe, Recording};
use super::reference;
use super::transcript::Transcript;
use super::world::World;

/// Cases that are played at once: many enough that those that wait hold nobody up, few enough that each is soon over.
const AT_ONCE: usize = 16;

/// A server that runs until this is dropped.
#[derive(Debug)]
pub struct Server {
    pub(super) address: SocketAddr,
    pub(super) prefix: String,
    task: JoinHandle<()>,
}

impl Server {
    /// The server that listens on this address for as long as this task runs.
    pub fn new(address: SocketAddr, task: JoinHandle<()>) -> Self {
        Self { address, prefix: String::new(), task }
    }

    /// Binds a free port of the loopback interface, and runs the server that this makes of it.
    ///
    /// # Panics
    /// There is no free port.
    pub async fn bind<F, Fut>(serve: F) -> Self
    where
        F: FnOnce(TcpListener) -> Fut,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let bound = TcpListener::bind("127.0.0.1:0").await.and_then(|listener| Ok((listener.local_addr()?, listener)));
        let (address, listener) = bound.unwrap_or_else(|error| panic!("there is no free port: {error}"));
        Self::new(address, tokio::spawn(serve(listener)))
    }

    /// Says below which path the service is mounted, such as `/jobs`; at the root unless said.
    pub fn below(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
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
        Self { mount: Mount { service, layer: None } }
    }

    /// Runs the cases for a layer too: with a function that serves the layer around an application which answers every request with
    /// 200, and with its method, a space, its path and query, `": "` and its body as the body.
    pub fn layered<F, Fut>(mut self, mount: F) -> Self
    where
        F: Fn(FlowLayer) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Server> + Send + 'static,
    {
        self.mount.layer = Some(Box::new(move |layer| Box::pin(mount(layer))));
        self
    }

    /// Runs all cases, several at once, and returns what was said.
    ///
    /// # Panics
    /// With a list of the behaviours that do not hold, and what was expected and seen of each.
    pub async fn run(self) -> Transcript {
        let mount = Arc::new(self.mount);
        let room = Arc::new(Semaphore::new(AT_ONCE));
        let mut running = JoinSet::new();
        for (number, case) in cases::all().into_iter().enumerate() {
            let (mount, room) = (mount.clone(), room.clone());
            running.spawn(async move {
                let _room = room.acquire().await;
                (number, case.name, play(case, mount).await)
            });
        }
        let mut played = Vec::new();
        while let Some(ended) = running.join_next().await {
            played.push(ended.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic())));
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

    /// Runs all cases through this mount and through bare [`hyper`](super::hyper()), side by side, and compares what was said.
    ///
    /// # Panics
    /// As [`run`](Self::run), and with the cases in which something differs.
    pub async fn verify(self) {
        let (here, there) = tokio::join!(self.run(), reference::transcript());
        let differences: Vec<_> = here.differences(there).iter().map(|difference| indent(difference)).collect();
        if !differences.is_empty() {
            panic!("here is said what bare hyper does not say, in:\n\n{}\n", differences.join("\n\n"));
        }
    }
}

impl fmt::Debug for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Suite").finish_non_exhaustive()
    }
}

/// Plays one case in a world of its own.
async fn play(case: Case, mount: Arc<Mount>) -> Result<Recording, String> {
    let (world, recording) = (World::new(mount), Recording::default());
    let probe = Probe::new(world.clone(), recording.clone());
    let outcome = tokio::spawn(async { (case.run)(probe.await).await }).await;
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
