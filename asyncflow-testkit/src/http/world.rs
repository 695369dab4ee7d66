//! What lies behind a case's mount: an engine of its own over a store of its own.

use std::sync::Arc;
use std::time::Duration;

use asyncflow_core::store::Store;
use asyncflow_core::{FlowEngine, JobId, JobKey, ManualClock, MemoryStore, Record, Stamp, State, TokioExecutor};
use asyncflow_tower::FlowService;

use super::exchange::fail;
use super::flows;
use super::probe::{Probe, Recording};
use super::request::Request;
use super::stage::{Puppet, Stage};
use super::suite::Mount;

/// How long a job may take to get where a case expects it, before we say that it does not.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct World {
    pub(super) mount: Arc<Mount>,
    pub(super) engine: FlowEngine,
    pub(super) store: MemoryStore,
    /// The store's clock. It stands unless a case turns it.
    pub(super) clock: Arc<ManualClock>,
    stage: Arc<Stage>,
}

impl World {
    pub(super) async fn begin(mount: Arc<Mount>) -> Arc<Self> {
        // The time in the contract's example.
        let clock = Arc::new(ManualClock::at(Stamp::from_micros(1_692_027_045_000_000)));
        let store = MemoryStore::with_clock(clock.clone());
        let stage = Arc::new(Stage::default());
        let builder = FlowEngine::builder().store(store.clone()).clock(clock.clone()).executor(TokioExecutor::new());
        let engine = flows::register(builder, &stage).start().await;
        let engine = engine.unwrap_or_else(|error| fail(&format!("the engine does not start: {error}")));
        Arc::new(Self { mount, engine, store, clock, stage })
    }

    pub(super) async fn probe(self: &Arc<Self>, recording: Recording) -> Probe {
        let server = (self.mount.service)(FlowService::new(self.engine.clone())).await;
        Probe::new(self.clone(), server, recording)
    }

    pub(super) async fn end(&self) {
        self.engine.shutdown(Duration::ZERO).await;
    }

    async fn record(&self, flow: &str, id: &str) -> Option<Record> {
        let job = JobKey { flow: flow.into(), id: JobId::parse(id.as_bytes()).ok()? };
        self.store.get(&[job]).await.ok()?.pop()?
    }
}

/// Ways to bring jobs where a case wants them.
impl Probe {
    /// Enqueues a job, and returns its id.
    pub(super) async fn job(&self, flow: &str) -> String {
        self.send(Request::post(format!("/{flow}")).json("{}")).await.is(202).id()
    }

    /// Enqueues a job and waits until its handler runs.
    pub(super) async fn puppet(&self, flow: &str) -> Puppet {
        let id = self.job(flow).await;
        self.attach(&id).await
    }

    /// The running handler of a job.
    pub(super) async fn attach(&self, id: &str) -> Puppet {
        self.world.stage.attach(id).await
    }

    /// The handler of a job that was enqueued in whatever way, once it runs.
    pub(super) async fn next(&self, flow: &str) -> Puppet {
        self.world.stage.next(flow).await
    }

    /// Enqueues a job and waits until it has succeeded.
    pub(super) async fn done(&self, flow: &str, request: &str) -> String {
        let id = self.send(Request::post(format!("/{flow}")).json(request.to_owned())).await.is(202).id();
        self.reached(flow, &id, State::Succeeded).await;
        id
    }

    /// Enqueues a job and waits until it has failed.
    pub(super) async fn failed(&self, flow: &str) -> String {
        let id = self.job(flow).await;
        self.reached(flow, &id, State::Failed).await;
        id
    }

    /// Enqueues a job, lets it start, cancels it, and waits until it has stopped.
    pub(super) async fn cancelled(&self, flow: &str) -> String {
        let job = self.puppet(flow).await;
        self.send(Request::post(job.path("cancel"))).await.is(202);
        self.reached(flow, job.id(), State::Cancelled).await;
        job.id().to_owned()
    }

    /// Makes a job that is due in an hour.
    pub(super) async fn scheduled(&self, flow: &str) -> String {
        todo!("{flow}")
    }

    /// Waits until a job has ended.
    pub(super) async fn ended(&self, flow: &str, id: &str) {
        self.until(flow, id, "to end", |record| record.state.is_ended()).await;
    }

    pub(super) async fn reached(&self, flow: &str, id: &str, state: State) {
        self.until(flow, id, &format!("to be {state}"), |record| record.state == state).await;
    }

    /// Waits until a job shows this report.
    pub(super) async fn progressed(&self, job: &Puppet, text: &str) {
        let shows = |record: &Record| record.progress.as_ref().is_some_and(|progress| progress.text() == text);
        self.until(job.flow(), job.id(), &format!("to report {text:?}"), shows).await;
    }

    /// No handler of this job was ever started.
    #[track_caller]
    pub(super) fn never_started(&self, id: &str) {
        if self.world.stage.has_started(id) {
            fail(&format!("expected: the job {id} never to start\ngot:      it started"));
        }
    }

    /// The store has so many jobs of this flow, in whatever state.
    pub(super) async fn stored(&self, flow: &str, jobs: u64) {
        let counts = self.world.store.counts(flow).await.map(|counts| counts.states.iter().sum());
        if counts.as_ref().is_ok_and(|found: &u64| *found != jobs) {
            fail(&format!("expected: {jobs} jobs of {flow}\ngot:      {counts:?}"));
        }
    }

    async fn until(&self, flow: &str, id: &str, what: &str, holds: impl Fn(&Record) -> bool) {
        let mut last = None;
        let reached = async {
            loop {
                last = self.world.record(flow, id).await;
                if last.as_ref().is_some_and(&holds) {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, reached).await.is_err() {
            fail(&format!("expected: the job {id} of {flow} {what}\ngot:      {last:?}"));
        }
    }
}
