//! Tests that try schedules: what threads share, run under shuttle, which decides at each step who goes on.
//!
//! Time stands in them, but where a test turns it: a wake-up that is lost is not healed by the next tick, and shuttle finds that nobody can go
//! on. They are a step of `cargo xtask test`, and go further with `cargo xtask prove`.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

pub(crate) mod handle;
pub(crate) mod notify;

use std::{
    cell::Cell,
    env,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use shuttle::{
    Config, Runner,
    scheduler::{DfsScheduler, PctScheduler, RandomScheduler, Scheduler},
};

use tokio::{
    runtime::{Builder, Runtime},
    time::Instant,
};

use crate::{
    clock::{Clock, TokioClock},
    engine::{EngineBuilder, Node},
    flow::Running,
    job::{JobId, JobKey, Stamp},
    state,
    store::{Insert, MemoryStore, Part, Room},
};

/// Schedules of each kind that are tried.
fn times() -> usize {
    if env::var_os("ASYNCFLOW_PROVE").is_some() { 100_000 } else { 1_000 }
}

/// Tries schedules at random, and such that pass over few changes of who goes on; and the first of all there are, which may be all of them.
#[track_caller]
pub(crate) fn try_schedules(test: impl Fn() + Clone + Send + Sync + 'static) {
    let times = times();
    let few_changes = PctScheduler::new_from_seed(1, 3, times);
    let tried = [
        run(RandomScheduler::new_from_seed(1, times), test.clone()),
        run(few_changes, test.clone()),
        run(DfsScheduler::new(Some(times), false), test),
    ];
    let all = if tried[2] < times { " (all there are)" } else { "" };
    println!("{} schedules at random, {} with few changes, {} one after the other{all}", tried[0], tried[1], tried[2]);
}

fn run(scheduler: impl Scheduler + 'static, test: impl Fn() + Send + Sync + 'static) -> usize {
    let mut config = Config::new();
    config.stack_size = 256 * 1024;
    let tried = Tried::default();
    let number = tried.0.clone();
    Runner::new(scheduler, config).run(move || {
        number.fetch_add(1, Ordering::Relaxed);
        // Shuttle runs everything in this thread, so timers find the runtime; nobody drives it, and its time stands.
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let runtime = Rc::new(runtime);
        RUNTIME.set(Some(runtime.clone()));
        let _within = runtime.enter();
        test();
    })
}

/// How many schedules were tried; it says so where one fails.
#[derive(Default)]
struct Tried(Arc<AtomicUsize>);

impl Drop for Tried {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("it is schedule number {} that fails", self.0.load(Ordering::Relaxed));
        }
    }
}

thread_local! {
    static RUNTIME: Cell<Option<Rc<Runtime>>> = const { Cell::new(None) };
}

/// Turns time, while a schedule is tried: timers that are due wake who waits for them.
pub(crate) fn turn(by: Duration) {
    let runtime = RUNTIME.take();
    RUNTIME.set(runtime.clone());
    runtime.unwrap().block_on(tokio::time::advance(by));
}

/// A node of this engine over this store, which does nothing by itself.
pub(crate) fn node(store: &MemoryStore, builder: EngineBuilder) -> Arc<Node> {
    shuttle::future::block_on(builder.store(store.clone()).clock(clock()).seed(1).node()).unwrap()
}

pub(crate) fn memory() -> MemoryStore {
    MemoryStore::with_clock(clock())
}

/// A job of the flow `f` that is to be inserted.
pub(crate) fn insert(n: u64) -> Insert {
    Insert {
        job: job(n),
        flow_version: 0,
        facts: state::submit(None, 0, &Arc::default()),
        owner: None,
        request: Part::json("null"),
        idempotency: None,
        limit_key: None,
        unique: None,
        room: Room { waiting: 100, waiting_per_owner: None },
    }
}

pub(crate) fn job(n: u64) -> JobKey {
    JobKey { flow: "f".into(), id: JobId::new(n, 0, n << 2) }
}

/// A job that runs, as if it had been claimed.
pub(crate) fn running(n: u64) -> Arc<Running> {
    let record = insert(n).record(Stamp::default());
    Arc::new(Running::new(record, Instant::now(), Instant::now(), Arc::default(), Duration::ZERO))
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(TokioClock::at(Stamp::from_micros(1_700_000_000_000_000)))
}
