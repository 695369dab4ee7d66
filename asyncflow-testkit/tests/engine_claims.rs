//! Claims and leases where things go wrong: none is lost, none is left to nobody, and no stale one writes.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::Duration,
};

use asyncflow_core::{
    FlowEngine, FlowHandle, FlowOptions, JobContext, JobHandle, MemoryStore, Stamp, State, TokioClock, blocking,
};
use asyncflow_testkit::faults::{Fault, Faults, Faulty};
use tokio::time::{Instant, advance, sleep};

const SECOND: Duration = Duration::from_secs(1);

fn memory() -> MemoryStore {
    MemoryStore::with_clock(Arc::new(TokioClock::at(Stamp::from_micros(1_700_000_000_000_000))))
}

async fn sleeper(millis: u64, job: JobContext) -> Result<u32, String> {
    sleep(Duration::from_millis(millis)).await;
    Ok(job.attempt())
}

async fn node(store: &MemoryStore, faults: &Faults, options: FlowOptions) -> (FlowEngine, FlowHandle<u64, u32>) {
    let engine = FlowEngine::builder()
        .store(Faulty::new(store.clone(), faults))
        .flow_with("sleep", sleeper, options)
        .start()
        .await
        .unwrap();
    let flow = engine.flow("sleep").unwrap();
    (engine, flow)
}

async fn state_of<R>(job: &JobHandle<R>) -> State {
    job.status().await.unwrap().unwrap().state()
}

async fn attempt_of<R>(job: &JobHandle<R>) -> u32 {
    job.status().await.unwrap().unwrap().attempt()
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_lost_its_job_does_not_take_up_the_next_ones_token() {
    let store = memory();
    let build = |faults: &Faults| {
        // Ends as soon as it is told to, and says which attempt it is.
        let handler = |_: (), job: JobContext| async move {
            let attempt = job.attempt();
            job.cancelled().await;
            Ok::<_, String>(attempt)
        };
        FlowEngine::builder().store(Faulty::new(store.clone(), faults)).flow("wait", handler).start()
    };
    let (frozen, deaf) = (Faults::new(), Faults::new());
    let first = build(&frozen).await.unwrap();
    let here = first.flow::<(), u32>("wait").unwrap().submit(()).await.unwrap();
    sleep(SECOND).await;
    frozen.frozen(true);
    deaf.deaf(true);
    let second = build(&deaf).await.unwrap();
    let there = second.flow::<(), u32>("wait").unwrap().job(here.id());
    sleep(42 * SECOND).await;
    assert_eq!(attempt_of(&there).await, 2, "the other node has taken the job over");
    // The first node thaws and brings the news of the cancel itself, before its next heartbeat tells it that the job is another's.
    frozen.frozen(false);
    here.cancel().await.unwrap();
    assert_eq!(there.wait().await.unwrap(), 2, "the outcome is that of the attempt that holds the job");
}

/// Lets so many seconds pass while a blocking body holds paused time back.
async fn pass(seconds: usize) {
    for _ in 0..seconds * 4 {
        advance(SECOND / 4).await;
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn no_job_is_claimed_behind_a_body_that_cannot_be_dropped() {
    let (let_go, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let engine = FlowEngine::builder()
        .store(memory())
        .flow_with(
            "block",
            blocking(move |blocks: bool, job: JobContext| {
                if blocks {
                    let _ = held.lock().unwrap().recv();
                }
                Ok::<_, String>(job.attempt())
            }),
            FlowOptions::new().concurrency(1),
        )
        .start()
        .await
        .unwrap();
    let flow = engine.flow::<bool, u32>("block").unwrap();
    let stuck = flow.submit(true).await.unwrap();
    let next = flow.submit(false).await.unwrap();
    pass(1).await;
    stuck.cancel().await.unwrap();
    pass(15).await;
    assert_eq!(state_of(&stuck).await, State::Cancelled);
    pass(60).await;
    assert_eq!((state_of(&next).await, attempt_of(&next).await), (State::Enqueued, 0));
    let_go.send(()).unwrap();
    assert_eq!(next.wait().await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_went_with_an_end_is_resolved_where_the_end_is_given_up() {
    let (store, faults) = (memory(), Faults::new());
    let (_engine, flow) = node(&store, &faults, FlowOptions::new().concurrency(1)).await;
    let first = flow.submit(1_000).await.unwrap();
    let second = flow.submit(1_000).await.unwrap();
    sleep(SECOND * 9 / 10).await;
    // The first one's end and the claim of the second are applied, and the answer is lost with the store.
    faults.next_writes([Fault::After]);
    sleep(SECOND / 5).await;
    faults.away(true);
    sleep(34 * SECOND).await;
    faults.away(false);
    assert_eq!(second.wait().await.unwrap(), 1, "the claim was not left to nobody");
    assert_eq!(state_of(&first).await, State::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn slots_stay_full_over_a_store_that_takes_its_time() {
    let (store, faults) = (memory(), Faults::new());
    faults.slow(Duration::from_millis(5));
    let (engine, flow) = node(&store, &faults, FlowOptions::new().concurrency(100)).await;
    for answer in flow.submit_many(std::iter::repeat_n(20, 2_000)).await.unwrap() {
        answer.unwrap();
    }
    let began = Instant::now();
    while engine.stats().await.unwrap().flows[0].succeeded < 2_000 {
        sleep(Duration::from_millis(10)).await;
    }
    // 20 rounds of 20 ms, with a write of 5 ms between them.
    assert!(began.elapsed() < SECOND, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn jobs_that_never_wait_let_others_have_their_turn() {
    static RAN: AtomicUsize = AtomicUsize::new(0);
    let handler = |_: (), _: JobContext| async {
        RAN.fetch_add(1, Ordering::SeqCst);
        Ok::<_, String>(())
    };
    let engine = FlowEngine::builder().store(memory()).flow("quick", handler).start().await.unwrap();
    engine.flow::<(), ()>("quick").unwrap().submit_many(std::iter::repeat_n((), 20_000)).await.unwrap();
    let (mut before, mut most) = (0, 0);
    while before < 20_000 {
        tokio::task::yield_now().await;
        let ran = RAN.load(Ordering::SeqCst);
        (before, most) = (ran, most.max(ran - before));
    }
    assert!(most < 20_000 / 2, "{most} jobs ran in a row");
}
