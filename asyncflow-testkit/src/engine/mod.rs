//! An engine for the tests of an application: its own flows and endpoints, jobs that run when the test says so, and time that it turns.
//!
//! ```
//! use std::time::Duration;
//! use asyncflow_core::{EngineBuilder, FlowEngine, FlowOptions, JobContext, Retry, State};
//! use asyncflow_testkit::TestEngine;
//!
//! // in the application, for production and tests alike
//! fn flows(engine: EngineBuilder) -> EngineBuilder {
//!     let options = FlowOptions::new().retry(Retry::fixed(3, Duration::from_secs(60)));
//!     engine.flow_with("greet", |name: String, _: JobContext| async move { Ok::<_, String>(format!("hello, {name}")) }, options)
//! }
//!
//! # /*
//! #[tokio::test(start_paused = true)]
//! # */
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! async fn a_greeting_is_tried_again() {
//!     let test = TestEngine::start(flows(FlowEngine::builder())).await;
//!     // What a handler makes of a request:
//!     assert_eq!(test.perform("greet", "world").await.result::<String>(), "hello, world");
//!
//!     // What an endpoint of yours enqueues: mount `test.engine()` as you mount your own, and send it requests.
//!     test.engine().flow::<String, String>("greet").unwrap().submit("moon".into()).await.unwrap();
//!     test.enqueued("greet").request("moon".to_owned()).assert_one();
//!
//!     // What happens when things go wrong, a minute later:
//!     test.fail_next("greet", "the moon is away");
//!     assert_eq!(test.run_next("greet").await.run_in(), Some(Duration::from_secs(60)));
//!     test.advance(Duration::from_secs(60)).await;
//!     assert_eq!(test.run_next("greet").await.state(), State::Succeeded);
//! }
//! # fn main() { a_greeting_is_tried_again() }
//! ```
//!
//! # Jobs
//! The engine is a real one over a [`MemoryStore`], so requests and results are written and read, retries, limits and idempotency
//! keys are what they are in production, and its clones can be mounted and called. Only: what is ready waits until the test
//! [performs](TestEngine::perform), [runs](TestEngine::run_all) or [starts](TestEngine::start_next) it. The order is that of production:
//! by time and priority. Ids come from a seed, and the clock starts at the same time in every test, so they repeat.
//!
//! A test has an engine of its own. What its preparation enqueued is [run](TestEngine::run_all) before the part that is checked.
//!
//! # Time
//! Time is tokio's, paused by `#[tokio::test(start_paused = true)]`: it passes where it is [turned](TestEngine::advance), and by itself
//! where everything waits for it, as a handler that sleeps. So nothing takes long, and the machine's speed does not matter. A wait for a
//! **socket, a process or a thread** is no wait for time: time would run ahead of it meanwhile. A test whose handlers or endpoints talk
//! to a database or a server [holds time](TestEngine::hold_time).
//!
//! Code that asks the machine for the time of day sees the machine's. Ask [`TestEngine::now`], or
//! [start at](TestEngine::start_at) the time that it sees.

mod attempts;
mod by_hand;
mod job;
mod jobs;
mod run;
mod time;

use std::{
    fmt,
    future::Future,
    panic::Location,
    sync::{Arc, Mutex, atomic::Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use asyncflow_core::{
    Attempt, BoxError, Clock, Delivery, EngineBuilder, FlowEngine, FlowRef, JobId, JobKey, MemoryStore, Record, Role,
    Stamp, State, TokioClock, store::PartName,
};
use tokio::{sync::watch, task::JoinHandle};

use self::{
    attempts::{Attempts, Fate, Supervised},
    by_hand::{ByHand, Hand, Shared},
    time::Time,
};
pub use self::{job::TestJob, jobs::Jobs, time::HeldTime};
use crate::faults::{Faults, Faulty};

/// When the clock of a test starts: 2026-01-01T00:00:00Z, in seconds since 1970.
const START: u64 = 1_767_225_600;

/// An engine whose jobs run when the test says so, in time that the test turns.
pub struct TestEngine {
    engine: FlowEngine,
    shared: Arc<Shared>,
    attempts: Arc<Attempts>,
    faults: Faults,
    time: Time,
    clock: TokioClock,
    /// What was started and not waited for.
    running: Mutex<Vec<JoinHandle<Delivery>>>,
}

impl TestEngine {
    /// Starts an engine with these flows, options and wraps at 2026-01-01T00:00:00Z. The builder's store, executor, clock and role are
    /// replaced.
    ///
    /// # Panics
    /// Time is not paused, as by `#[tokio::test(start_paused = true)]`, or the engine does not start.
    #[track_caller]
    pub fn start(flows: EngineBuilder) -> impl Future<Output = Self> {
        Self::start_at(UNIX_EPOCH + Duration::from_secs(START), flows)
    }

    /// As [`start`](Self::start), at this time of day.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    #[track_caller]
    pub fn start_at(time: SystemTime, flows: EngineBuilder) -> impl Future<Output = Self> {
        let at = Location::caller();
        async move {
            match Self::begin_at(time.into(), flows).await {
                Ok(test) => test,
                Err(why) => panic!("the test's engine does not start: {why}\n  at {at}"),
            }
        }
    }

    async fn begin_at(time: Stamp, flows: EngineBuilder) -> Result<Self, String> {
        time::check()?;
        let clock = TokioClock::at(time);
        let shared = Arc::new(Shared {
            memory: MemoryStore::with_clock(Arc::new(clock.clone())),
            freely: Default::default(),
            beside: Mutex::default(),
            lost: Mutex::default(),
            worker: watch::Sender::new(None),
        });
        let (faults, attempts) = (Faults::new(), Attempts::new(shared.clone()));
        let store = ByHand { store: Faulty::new(shared.memory.clone(), &faults), shared: shared.clone() };
        let builder = flows
            .store(store)
            .executor(Hand(shared.clone()))
            .clock(Arc::new(clock.clone()))
            .role(Role::Both)
            .wrap(Supervised(attempts.clone()))
            .seed(1);
        let engine = builder.start().await.map_err(|error| error.to_string())?;
        let _ = shared.worker.subscribe().wait_for(Option::is_some).await;
        Ok(Self { engine, shared, attempts, faults, time: Time::default(), clock, running: Mutex::default() })
    }

    /// The engine, for the application: to mount, to submit to, to ask.
    pub fn engine(&self) -> &FlowEngine {
        &self.engine
    }

    /// The time of day by the test's clock.
    pub fn now(&self) -> SystemTime {
        self.stamp().into()
    }

    /// Keeps time from passing by itself while the guard lives: for a test that waits for more than time, as for a database. It is
    /// [turned](Self::advance) all the same. What waits for time alone waits until then: a handler that sleeps, a retry on a store that is
    /// away, a request with `Prefer: wait`.
    pub fn hold_time(&self) -> HeldTime {
        self.time.hold()
    }

    /// Jobs that wait to be run, now or later, to be checked.
    ///
    /// # Panics
    /// There is no such flow.
    #[track_caller]
    pub fn enqueued(&self, flow: &str) -> Jobs {
        Jobs::new(flow, self.jobs_of(self.flow(flow).name()), true)
    }

    /// Jobs in any state, to be checked.
    ///
    /// # Panics
    /// There is no such flow.
    #[track_caller]
    pub fn jobs(&self, flow: &str) -> Jobs {
        Jobs::new(flow, self.jobs_of(self.flow(flow).name()), false)
    }

    /// A job as it is, by its id; `None` where there is none, or none any more.
    pub fn job(&self, id: JobId) -> Option<TestJob> {
        let record = self.records(None).find(|record| record.job.id == id)?;
        Some(self.job_of(record))
    }

    /// Lets jobs run as they come, as in production, from the next second on; or keeps them waiting again.
    pub fn run_freely(&self, freely: bool) {
        self.shared.freely.store(freely, Ordering::SeqCst);
    }

    /// The flow's next attempt fails with this error, as if its handler had returned it; each call is for one attempt more.
    ///
    /// # Panics
    /// There is no such flow.
    #[track_caller]
    pub fn fail_next<E: Into<BoxError>>(&self, flow: &str, error: E) {
        self.attempts.next(self.flow(flow).name(), Fate::Ends(Attempt::failure(error)));
    }

    /// The flow's next attempt panics.
    ///
    /// # Panics
    /// There is no such flow.
    #[track_caller]
    pub fn panic_next(&self, flow: &str) {
        self.attempts.next(self.flow(flow).name(), Fate::Panics);
    }

    /// The flow's next attempt does nothing and never ends: until it runs out of time, where its flow has a timeout, or is cancelled.
    ///
    /// # Panics
    /// There is no such flow.
    #[track_caller]
    pub fn hang_next(&self, flow: &str) {
        self.attempts.next(self.flow(flow).name(), Fate::Hangs);
    }

    /// The flow's next attempt loses its worker as it starts, as [`lose_worker`](Self::lose_worker).
    ///
    /// # Panics
    /// There is no such flow.
    #[track_caller]
    pub fn lose_next(&self, flow: &str) {
        self.attempts.next(self.flow(flow).name(), Fate::LosesItsWorker);
    }

    /// Loses the worker of every job that runs, as if its process were killed: no handler goes on, and nothing more is written of their
    /// jobs. They are ready again once their leases have ended and this was noticed: within a minute by the test's clock, unless the
    /// engine has times of its own.
    pub fn lose_worker(&self) {
        self.attempts.lose();
    }

    /// How the engine's store goes wrong: away for some calls, slow, frozen. What the test itself looks at is there all the same.
    pub fn store_faults(&self) -> &Faults {
        &self.faults
    }

    fn stamp(&self) -> Stamp {
        self.clock.now()
    }

    #[track_caller]
    fn flow(&self, name: &str) -> FlowRef {
        match self.engine.flow_ref(name) {
            Some(flow) => flow,
            None => panic!("there is no flow `{name}`: the engine has `{}`", self.engine.flow_names().join("`, `")),
        }
    }

    /// Every job in this state, or in any, but those to be forgotten.
    fn records(&self, state: Option<State>) -> impl Iterator<Item = Record> {
        self.engine.flow_names().into_iter().flat_map(move |flow| self.shared.records(&flow, state))
    }

    fn jobs_of(&self, flow: &Arc<str>) -> Vec<TestJob> {
        self.shared.records(flow, None).into_iter().map(|record| self.job_of(record)).collect()
    }

    fn job_of(&self, record: Record) -> TestJob {
        let part = |job: &JobKey, name| self.shared.part(job, name);
        let (request, outcome) = (part(&record.job, PartName::Request), part(&record.job, PartName::Outcome));
        TestJob { record, request, outcome, seen: self.stamp() }
    }
}

impl fmt::Debug for TestEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestEngine").field("engine", &self.engine).field("now", &self.stamp()).finish_non_exhaustive()
    }
}
