//! Claims and leases where things go wrong: none is lost, none is left to nobody, and no stale one writes.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::Duration,
};

use super::{SECOND, memory, node, sleeper, state_of};
use asyncflow_core::{
    Delivery, Executor, FlowEngine, FlowOptions, JobContext, JobHandle, JobKey, Role, State, Store, Worker, blocking,
    state::{self, Event},
    store::{Batch, Change, Claim, Pick, Query},
};
use asyncflow_testkit::faults::{Fault, Faults, Faulty};
use tokio::{
    sync::Notify,
    time::{Instant, advance, sleep},
};

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

#[tokio::test(start_paused = true)]
async fn a_claim_that_is_answered_after_a_later_one_does_not_take_its_place() {
    let (store, faults) = (memory(), Faults::new());
    let (_engine, flow) = node(&store, &faults, FlowOptions::new()).await;
    faults.next_writes([Fault::Late(3 * SECOND)]);
    let submit = tokio::spawn(async move { flow.submit(20_000).await });
    sleep(SECOND / 100).await;
    // It is taken from its worker, as from one that stood still, and its own node takes it up again.
    let record = store.list(&Query::new("sleep")).await.unwrap().records.remove(0);
    let (guard, patch) = state::decide(&record, Event::Drained).unwrap();
    let changes = vec![Change { job: record.job, guard, patch }];
    store.write(&Batch { changes, ..Batch::default() }).await.unwrap();
    let again = Instant::now();
    submit.await.unwrap().unwrap().wait().await.unwrap();
    assert_eq!(again.elapsed().as_secs(), 20, "it ends when the second run does");
}

#[tokio::test(start_paused = true)]
async fn a_worker_does_not_end_the_job_for_a_later_claim_under_its_own_token() {
    let store = memory();
    let (_engine, flow) = node(&store, &Faults::new(), FlowOptions::new()).await;
    let job = flow.submit(2_000).await.unwrap();
    sleep(SECOND).await;
    // Its worker's claim lands once more, after an end of it that went a long way.
    let record = store.get(&[JobKey { flow: "sleep".into(), id: job.id() }]).await.unwrap().remove(0).unwrap();
    let (guard, patch) = state::decide(&record, Event::Drained).unwrap();
    let late = Claim {
        pick: Pick::Job(record.job.clone()),
        limits: None,
        token: record.token.unwrap(),
        patch: state::claim(30 * SECOND),
    };
    let changes = vec![Change { job: record.job, guard, patch }];
    store.write(&Batch { inserts: Vec::new(), changes, claims: vec![late] }).await.unwrap();
    sleep(2 * SECOND).await;
    assert_eq!(state_of(&job).await, State::Processing, "what the first claim's run says is refused");
    assert_eq!(job.wait().await.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_node_with_room_starts_its_own_job_and_those_it_did_not_know_of_at_its_next_look() {
    let (store, faults) = (memory(), Faults::new());
    let serves =
        FlowEngine::builder().store(store.clone()).flow("sleep", sleeper).role(Role::Serve).start().await.unwrap();
    faults.deaf(true);
    let (_engine, flow) = node(&store, &faults, FlowOptions::new()).await;
    sleep(SECOND + SECOND / 2).await;
    let older = serves.flow::<u64, u32>("sleep").unwrap().submit(60_000).await.unwrap();
    let own = flow.submit(60_000).await.unwrap();
    let other = flow.job(older.id());
    sleep(Duration::from_millis(10)).await;
    assert_eq!([state_of(&own).await, state_of(&other).await], [State::Processing, State::Enqueued]);
    // Looks are 1 to 1.4 s apart, by chance.
    sleep(2 * SECOND).await;
    assert_eq!(state_of(&other).await, State::Processing);
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
    static BEGAN: AtomicUsize = AtomicUsize::new(0);
    let (let_go, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let engine = FlowEngine::builder()
        .store(memory())
        .flow_with(
            "block",
            blocking(move |blocks: bool, job: JobContext| {
                if blocks {
                    BEGAN.store(1, Ordering::SeqCst);
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
    while BEGAN.load(Ordering::SeqCst) == 0 {
        pass(1).await;
        std::thread::yield_now();
    }
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
async fn a_claim_beside_an_end_that_is_refused_for_good_is_resolved() {
    let (store, faults) = (memory(), Faults::new());
    let (_engine, flow) = node(&store, &faults, FlowOptions::new().concurrency(1)).await;
    let first = flow.submit(1_000).await.unwrap();
    let second = flow.submit(1_000).await.unwrap();
    sleep(SECOND / 2).await;
    faults.refuse(first.id());
    assert_eq!(second.wait().await.unwrap(), 1, "the claim was not left to nobody");
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

#[test]
fn a_blocking_body_that_never_found_a_thread_never_begins() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .max_blocking_threads(1)
        .build()
        .unwrap();
    runtime.block_on(async {
        static BEGAN: AtomicUsize = AtomicUsize::new(0);
        let (let_go, held) = mpsc::channel::<()>();
        let held = Mutex::new(held);
        let block = blocking(move |_: (), _: JobContext| {
            BEGAN.fetch_add(1, Ordering::SeqCst);
            let _ = held.lock().unwrap().recv();
            Ok::<_, String>(())
        });
        let engine = FlowEngine::builder().store(memory()).flow("block", block).start().await.unwrap();
        let flow = engine.flow::<(), ()>("block").unwrap();
        let first = flow.submit(()).await.unwrap();
        let second = flow.submit(()).await.unwrap();
        while BEGAN.load(Ordering::SeqCst) == 0 {
            pass(1).await;
            std::thread::yield_now();
        }
        second.cancel().await.unwrap();
        pass(15).await;
        assert_eq!(state_of(&second).await, State::Cancelled);
        let_go.send(()).unwrap();
        drop(let_go);
        first.wait().await.unwrap();
        pass(1).await;
        assert_eq!(BEGAN.load(Ordering::SeqCst), 1);
    });
}

#[tokio::test(start_paused = true)]
async fn requests_that_fill_what_a_node_may_hold_run_one_after_the_other_without_a_pause() {
    let size = 1_000;
    let options = FlowOptions::new().max_request(size + 2).max_bytes(2 * size);
    let handler = |text: String, _: JobContext| async move {
        sleep(Duration::from_millis(10)).await;
        Ok::<_, String>(text.len())
    };
    let engine = FlowEngine::builder().store(memory()).flow_with("large", handler, options).start().await.unwrap();
    let flow = engine.flow::<String, usize>("large").unwrap();
    sleep(SECOND).await;
    let began = Instant::now();
    let jobs = flow.submit_many(std::iter::repeat_n("x".repeat(size), 100)).await.unwrap();
    for job in jobs {
        assert_eq!(job.unwrap().wait().await.unwrap(), size);
    }
    assert!(began.elapsed() < 3 * SECOND, "{:?}", began.elapsed());
}

/// Brings each job that is dispatched to a worker, and counts those that were run.
#[derive(Debug, Default)]
struct Carrier {
    jobs: Mutex<Vec<JobKey>>,
    came: Notify,
    ran: Arc<AtomicUsize>,
}

#[async_trait::async_trait]
impl Executor for Carrier {
    async fn dispatch(&self, jobs: &[JobKey]) {
        self.jobs.lock().unwrap().extend_from_slice(jobs);
        self.came.notify_one();
    }

    async fn run(&self, worker: Worker) -> Result<(), asyncflow_core::BoxError> {
        loop {
            tokio::select! {
                () = worker.draining() => return Ok(()),
                () = self.came.notified() => {}
            }
            for job in std::mem::take(&mut *self.jobs.lock().unwrap()) {
                let (worker, ran) = (worker.clone(), self.ran.clone());
                tokio::spawn(async move {
                    if worker.deliver(job).await == Delivery::Ran {
                        ran.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_delivery_is_one_attempt_however_much_waits_behind_it() {
    let (store, carrier) = (memory(), Arc::new(Carrier::default()));
    let ran = carrier.ran.clone();
    let node = |role| {
        FlowEngine::builder()
            .store(store.clone())
            .shared_executor(carrier.clone())
            .role(role)
            .flow_with("sleep", sleeper, FlowOptions::new().concurrency(2))
            .start()
    };
    let (engine, _works) = (node(Role::Serve).await.unwrap(), node(Role::Work).await.unwrap());
    sleep(SECOND / 2).await;
    let flow = engine.flow::<u64, u32>("sleep").unwrap();
    for _ in 0..50 {
        flow.submit(100).await.unwrap();
    }
    sleep(Duration::from_millis(350)).await;
    assert!(ran.load(Ordering::SeqCst) > 0, "a delivery waits for more than its own job");
    sleep(5 * SECOND).await;
    assert_eq!(engine.stats().await.unwrap().flows[0].succeeded, 50);
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_waited_for_a_slot_is_not_run_once_its_flow_is_paused() {
    let (store, carrier) = (memory(), Arc::new(Carrier::default()));
    let ran = carrier.ran.clone();
    let engine = FlowEngine::builder()
        .store(store)
        .shared_executor(carrier)
        .flow_with("sleep", sleeper, FlowOptions::new().concurrency(1))
        .start()
        .await
        .unwrap();
    let flow = engine.flow::<u64, u32>("sleep").unwrap();
    let (_first, second) = (flow.submit(5_000).await.unwrap(), flow.submit(5_000).await.unwrap());
    sleep(SECOND).await;
    engine.pause("sleep").await.unwrap();
    sleep(20 * SECOND).await;
    assert_eq!(state_of(&second).await, State::Enqueued);
    assert_eq!(ran.load(Ordering::SeqCst), 0, "the first one was started beside its submit");
}
