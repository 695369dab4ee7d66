//! Several engines on real threads over one store, with everything that may happen to jobs happening at once.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use asyncflow_core::{
    Again, FlowEngine, FlowOptions, JobContext, JobHandle, JobKey, MemoryStore, Retry, State, Store, SubmitError,
    SubmitOptions, WaitError, blocking,
};
use serde::{Deserialize, Serialize};
use tokio::time::{sleep, timeout};

const JOBS: u64 = 20_000;
const ENGINES: u64 = 3;
const CONCURRENCY: usize = 8;

/// What a job does.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Task {
    Succeed(u64),
    Sleep(u64),
    Fail,
    FailOften(u32),
    Snooze(u64),
    Panic,
    Wait,
}

/// Numbers that are random enough, and the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }

    fn task(&mut self) -> Task {
        match self.below(10) {
            0 | 1 => Task::Succeed(self.below(1000)),
            2 => Task::Sleep(self.below(10)),
            3 => Task::Fail,
            4 | 5 => Task::FailOften(self.below(4) as u32),
            6 => Task::Snooze(1_000 + self.below(1000)),
            7 => Task::Panic,
            _ => Task::Wait,
        }
    }
}

/// How many jobs of a flow a node runs now, and whether it was ever more than may.
#[derive(Default)]
struct Limit(AtomicUsize);

static TOO_MANY: AtomicUsize = AtomicUsize::new(0);

impl Limit {
    fn enter(self: &Arc<Self>) -> Inside {
        if self.0.fetch_add(1, Ordering::SeqCst) >= CONCURRENCY {
            TOO_MANY.fetch_add(1, Ordering::SeqCst);
        }
        Inside(self.clone())
    }
}

struct Inside(Arc<Limit>);

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn run(task: Task, job: JobContext) -> Result<u64, asyncflow_core::BoxError> {
    match task {
        Task::Succeed(n) => Ok(n),
        Task::Sleep(millis) => {
            sleep(Duration::from_millis(millis)).await;
            Ok(millis)
        }
        Task::Fail => Err(Again::never("it always fails").into()),
        Task::FailOften(failures) if job.attempt() <= failures => Err("it fails at first".into()),
        Task::FailOften(failures) => Ok(failures.into()),
        Task::Snooze(_) if not_yet() => Err(Again::snooze(Duration::from_millis(1)).into()),
        Task::Snooze(n) => Ok(n),
        Task::Panic => panic!("on purpose"),
        Task::Wait => {
            tokio::select! {
                () = job.cancelled() => Err("it was told to stop".into()),
                () = sleep(Duration::from_millis(15)) => Ok(15),
            }
        }
    }
}

/// Two times in three.
fn not_yet() -> bool {
    static TURN: AtomicUsize = AtomicUsize::new(0);
    TURN.fetch_add(1, Ordering::SeqCst) % 3 > 0
}

async fn engine(store: &MemoryStore) -> FlowEngine {
    let [tasks, blocks] = [Arc::new(Limit::default()), Arc::new(Limit::default())];
    let options = || FlowOptions::new().concurrency(CONCURRENCY).retry(Retry::fixed(4, Duration::from_millis(2)));
    FlowEngine::builder()
        .store(store.clone())
        .flow_with(
            "task",
            move |task: Task, job: JobContext| {
                let inside = tasks.enter();
                async move {
                    let _inside = inside;
                    run(task, job).await
                }
            },
            options(),
        )
        .flow_with(
            "block",
            blocking(move |millis: u64, _: JobContext| {
                let _inside = blocks.enter();
                // A body that blocks its thread is what is tested here.
                std::thread::sleep(Duration::from_millis(millis));
                Ok::<_, String>(millis)
            }),
            options(),
        )
        .start()
        .await
        .unwrap()
}

/// What a job was asked, and what became of it when it was asked otherwise.
struct Asked {
    task: Option<Task>,
    job: JobHandle<u64>,
    cancelled: bool,
    deleted: bool,
}

/// Submits a share of the jobs, some of which are cancelled or deleted at once or a little later, and lets its engine go now and then.
async fn client(store: MemoryStore, seed: u64) -> Vec<Asked> {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15 ^ (seed + 1));
    let mut node = engine(&store).await;
    let mut asked: Vec<Asked> = Vec::new();
    let mut accepted = 0;
    while accepted < JOBS / ENGINES {
        let options = SubmitOptions::new().priority(dice.below(21) as i8 - 10);
        let options = if dice.below(10) == 0 { options.run_in(Duration::from_millis(dice.below(20))) } else { options };
        let (task, submitted) = if dice.below(20) == 0 {
            (None, node.flow::<u64, u64>("block").unwrap().submit_with(3, options).await)
        } else {
            let task = dice.task();
            (Some(task), node.flow::<Task, u64>("task").unwrap().submit_with(task, options).await)
        };
        asked.push(Asked { task, job: submitted.unwrap(), cancelled: false, deleted: false });
        accepted += 1;
        if dice.below(4) == 0 {
            let back = dice.below(20.min(accepted)) as usize + 1;
            let at = asked.len() - back;
            let one = &mut asked[at];
            if dice.below(2) == 0 {
                one.job.cancel().await.unwrap();
                one.cancelled = true;
            } else if one.job.delete().await.unwrap() {
                one.deleted = true;
            }
        }
        match dice.below(300) {
            0 => {
                node.shutdown(Duration::from_millis(dice.below(20))).await;
                node = engine(&store).await;
            }
            // Dropped while handles to its jobs are about, it serves them on; its successor runs beside it.
            1 => node = engine(&store).await,
            2..20 => sleep(Duration::from_millis(1)).await,
            _ => {}
        }
    }
    let flow = node.flow::<Task, u64>("task").unwrap();
    let blocks = node.flow::<u64, u64>("block").unwrap();
    for one in &mut asked {
        one.job = if one.task.is_some() { flow.job(one.job.id()) } else { blocks.job(one.job.id()) };
    }
    asked
}

fn is_right(task: Option<Task>, outcome: &Result<u64, WaitError>) -> bool {
    let kind = |expected: &str| matches!(outcome, Err(WaitError::Failed(error)) if error.kind == expected);
    let result = |expected: u64| matches!(outcome, Ok(result) if *result == expected);
    match task {
        None => result(3),
        Some(Task::Succeed(n) | Task::Sleep(n)) => result(n),
        Some(Task::Fail) => kind("Error"),
        Some(Task::FailOften(failures)) => result(failures.into()),
        Some(Task::Snooze(n)) => result(n),
        Some(Task::Panic) => kind("Panicked"),
        Some(Task::Wait) => result(15),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whatever_happens_every_job_ends_once_and_right() {
    // Panics on purpose would fill the output.
    std::panic::set_hook(Box::new(|_| {}));
    let store = MemoryStore::new();
    let clients: Vec<_> = (0..ENGINES).map(|seed| tokio::spawn(client(store.clone(), seed))).collect();
    let mut asked = Vec::new();
    for client in clients {
        asked.extend(client.await.unwrap());
    }
    let mut wrong = Vec::new();
    for one in &asked {
        // Far longer than it takes: a job that is stuck is not waited for for ever.
        let outcome = timeout(Duration::from_secs(60), one.job.wait()).await;
        let right = match &outcome {
            Err(_) => false,
            Ok(Err(WaitError::Missing)) => one.deleted,
            Ok(Err(WaitError::Cancelled)) => one.cancelled,
            Ok(outcome) => !one.deleted && is_right(one.task, outcome),
        };
        if !right {
            wrong.push(format!("{:?} ended as {outcome:?}", one.task));
        }
    }
    assert!(wrong.is_empty(), "{} of {}: {:#?}", wrong.len(), asked.len(), &wrong[..wrong.len().min(10)]);
    assert_eq!(TOO_MANY.load(Ordering::SeqCst), 0, "more ran on a node than may");
    // Those that were deleted may have a handler yet, which has its grace.
    let mut running = 1;
    for _ in 0..600 {
        running = store.counts("task").await.unwrap().of(State::Processing)
            + store.counts("block").await.unwrap().of(State::Processing);
        if running == 0 {
            break;
        }
        sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(running, 0);
    for flow in ["task", "block"] {
        let of_flow = |one: &&Asked| one.task.is_some() == (flow == "task");
        let keys: Vec<_> =
            asked.iter().filter(of_flow).map(|one| JobKey { flow: flow.into(), id: one.job.id() }).collect();
        let mut states = [0; 6];
        for record in store.get(&keys).await.unwrap() {
            // No record goes before it is a minute old.
            states[record.unwrap().state as usize] += 1;
        }
        let counts = store.counts(flow).await.unwrap();
        assert_eq!((counts.states, counts.waiting(), counts.oldest), (states, 0, None), "{flow}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_accepted_while_its_node_went_runs_on_the_next() {
    let store = MemoryStore::new();
    let build = || {
        FlowEngine::builder()
            .store(store.clone())
            .flow_with(
                "echo",
                |n: u64, _: JobContext| async move {
                    if n % 3 == 0 {
                        sleep(Duration::from_micros(n % 2_000)).await;
                    }
                    Ok::<_, String>(n)
                },
                FlowOptions::new().concurrency(CONCURRENCY),
            )
            .start()
    };
    let mut accepted = Vec::new();
    for round in 0..60_u64 {
        let engine = build().await.unwrap();
        let submitters: Vec<_> = (0..4_u64)
            .map(|client| {
                let flow = engine.flow::<u64, u64>("echo").unwrap();
                tokio::spawn(async move {
                    let mut accepted = Vec::new();
                    // Bounded, in case the drain comes late.
                    for n in 0..2_000 {
                        match flow.submit(n * 4 + client).await {
                            Ok(job) => accepted.push((n * 4 + client, job.id())),
                            Err(SubmitError::ShuttingDown) => break,
                            Err(error) => panic!("{error}"),
                        }
                        tokio::task::yield_now().await;
                    }
                    accepted
                })
            })
            .collect();
        sleep(Duration::from_millis(round % 4)).await;
        let again = engine.clone();
        let patience = Duration::from_millis(round % 3);
        let drains = [engine, again].map(|engine| tokio::spawn(async move { engine.shutdown(patience).await }));
        for drain in drains {
            drain.await.unwrap();
        }
        for submitter in submitters {
            accepted.extend(submitter.await.unwrap());
        }
    }
    let engine = build().await.unwrap();
    let flow = engine.flow::<u64, u64>("echo").unwrap();
    for (n, id) in &accepted {
        assert_eq!(timeout(Duration::from_secs(60), flow.job(*id).wait()).await.unwrap().unwrap(), *n);
    }
    let counts = store.counts("echo").await.unwrap();
    assert_eq!(counts.states, [0, 0, 0, accepted.len() as u64, 0, 0]);
    // None of them was ever lost on the way.
    for (_, id) in &accepted {
        assert_eq!(flow.job(*id).status().await.unwrap().unwrap().attempt(), 1);
    }
}
