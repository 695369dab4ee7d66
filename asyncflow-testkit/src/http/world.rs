//! What lies behind a case's mounts: nodes and a store of its own.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use asyncflow_core::store::{Batch, Claim, Part, Pick};
use asyncflow_core::{
    Clock, EngineBuilder, FlowEngine, JobId, JobKey, MemoryStore, Record, Stamp, State, Store, SubmitOptions,
    SystemClock, Token, TokioExecutor, state,
};

use crate::faults::{Faults, Faulty};

use super::exchange::fail;
use super::flows;
use super::probe::Probe;
use super::request::Request;
use super::stage::{Puppet, Stage};
use super::suite::Mount;

/// How long a job may take to get where a case expects it, before we say that it does not.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) struct World {
    pub(super) mount: Arc<Mount>,
    /// The store as it is, whether or not the nodes reach it.
    store: MemoryStore,
    pub(super) faults: Faults,
    pub(super) clock: Arc<ShiftedClock>,
    stage: Arc<Stage>,
    nodes: Mutex<Vec<FlowEngine>>,
}

impl World {
    pub(super) fn new(mount: Arc<Mount>) -> Arc<Self> {
        let clock = Arc::<ShiftedClock>::default();
        let store = MemoryStore::with_clock(clock.clone());
        Arc::new(Self { mount, store, clock, faults: Faults::new(), stage: Arc::default(), nodes: Mutex::default() })
    }

    /// A node without flows.
    pub(super) fn bare_node(&self) -> EngineBuilder {
        let store = Faulty::new(self.store.clone(), &self.faults);
        let node = FlowEngine::builder().store(store).clock(self.clock.clone()).executor(TokioExecutor::new());
        // However slow the machine is, no handler is dropped where a case does not want it.
        node.timing(|times| times.grace = Duration::from_secs(3600))
    }

    /// A node with all the flows that cases know.
    pub(super) fn node(&self) -> EngineBuilder {
        flows::register(self.bare_node(), &self.stage)
    }

    pub(super) async fn start(&self, node: EngineBuilder) -> FlowEngine {
        let engine = node.start().await.unwrap_or_else(|error| fail(&format!("the engine does not start: {error}")));
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner).push(engine.clone());
        engine
    }

    pub(super) async fn end(&self) {
        self.faults.away(false);
        self.faults.frozen(false);
        self.stage.close();
        let nodes = std::mem::take(&mut *self.nodes.lock().unwrap_or_else(PoisonError::into_inner));
        for node in nodes {
            node.shutdown(Duration::ZERO).await;
        }
    }

    /// Claims a job for a worker that is never heard of again.
    pub(super) async fn lose(&self, flow: &str, id: &str) {
        let job = JobKey {
            flow: flow.into(),
            id: JobId::parse(id.as_bytes()).unwrap_or_else(|error| fail(&error.to_string())),
        };
        let claim = Claim {
            pick: Pick::Job(job),
            limits: None,
            token: Token::from_u128(1),
            patch: state::claim(Duration::from_millis(1)),
        };
        let answers = self.store.write(&Batch { claims: vec![claim], ..Batch::default() }).await;
        if !answers.is_ok_and(|answers| answers.claims.iter().any(|claimed| claimed.jobs.len() == 1)) {
            fail("expected: the job to wait for a worker");
        }
    }

    pub(super) async fn record(&self, flow: &str, id: &str) -> Option<Record> {
        let job = JobKey { flow: flow.into(), id: JobId::parse(id.as_bytes()).ok()? };
        self.store.get(&[job]).await.ok()?.pop()?
    }
}

/// The machine's clock, set forward or back.
#[derive(Debug, Default)]
pub(super) struct ShiftedClock(AtomicI64);

impl ShiftedClock {
    /// Sets it so many seconds before or after the machine's clock.
    pub(super) fn shift(&self, seconds: i64) {
        self.0.store(seconds, Ordering::SeqCst);
    }
}

impl Clock for ShiftedClock {
    fn now(&self) -> Stamp {
        let shift = self.0.load(Ordering::SeqCst).saturating_mul(1_000_000);
        Stamp::from_micros(SystemClock.now().as_micros().saturating_add(shift))
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
        let later = SubmitOptions::new().run_in(Duration::from_secs(3600));
        let flow = self.engine.flow_ref(flow).unwrap_or_else(|| fail(&format!("there is no flow {flow}")));
        let submitted = flow.submit(Part::json("{}"), later).await;
        submitted.unwrap_or_else(|error| fail(&format!("the job is not accepted: {error}"))).id.to_string()
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
        let found = self.world.store.counts(flow).await.map(|counts| counts.states.iter().sum::<u64>());
        if found.as_ref().ok() != Some(&jobs) {
            fail(&format!("expected: {jobs} jobs of {flow}\ngot:      {found:?}"));
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
