//! Engines over a store that is away, slow or choosy: what can go on does, and nobody else pays.

use std::{
    sync::{Arc, mpsc},
    task::{Context, Poll, Wake, Waker},
    thread,
};

use super::{SECOND, memory, node, sleeper};
use asyncflow_core::{
    FlowEngine, FlowOptions, JobContext, MemoryStore, Progress, Retention, State, Store, SubmitError, SubmitOptions,
    store::{Part, StoreError},
};
use asyncflow_testkit::faults::{Fault, Faults, Faulty};
use tokio::time::{Instant, advance, sleep, timeout};

async fn count(store: &MemoryStore, state: State) -> u64 {
    store.counts("sleep").await.unwrap().of(state)
}

/// Runs a future on this thread, with no runtime around it.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Thread(thread::Thread);
    impl Wake for Thread {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Thread(thread::current())));
    let mut future = Box::pin(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submit_without_a_runtime_around_it_survives_an_outage() {
    let faults = Faults::new();
    let engine = FlowEngine::builder()
        .store(Faulty::new(MemoryStore::new(), &faults))
        .flow("sleep", sleeper)
        .lease(SECOND)
        .start()
        .await
        .unwrap();
    let flow = engine.flow_ref("sleep").unwrap();
    faults.away(true);
    let (answer, answered) = mpsc::channel();
    thread::spawn(move || answer.send(block_on(flow.submit(Part::json("0"), SubmitOptions::new()))));
    let answer = tokio::task::spawn_blocking(move || answered.recv()).await.unwrap();
    assert!(matches!(answer, Ok(Err(SubmitError::Store(StoreError::Unavailable(_))))), "{answer:?}");
}

#[tokio::test(start_paused = true)]
async fn an_insert_is_given_up_in_time_whatever_the_lease() {
    for (lease, patience) in [(30, 5), (600, 10)] {
        let faults = Faults::new();
        let engine = FlowEngine::builder()
            .store(Faulty::new(memory(), &faults))
            .flow("sleep", sleeper)
            .lease(lease * SECOND)
            .start()
            .await
            .unwrap();
        let flow = engine.flow::<u64, u32>("sleep").unwrap();
        faults.frozen(true);
        let began = Instant::now();
        assert!(matches!(flow.submit(0).await, Err(SubmitError::Store(StoreError::Unavailable(_)))));
        assert!(began.elapsed() <= patience * SECOND, "lease {lease} s: {:?}", began.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn readers_are_swept_while_nothing_can_be_written() {
    let (store, writes, deaf) = (memory(), Faults::new(), Faults::new());
    deaf.deaf(true);
    writes.deaf(true);
    let (_works, flow) = node(&store, &deaf, FlowOptions::new()).await;
    let (_reads, elsewhere) = node(&store, &writes, FlowOptions::new()).await;
    sleep(SECOND).await;
    let job = elsewhere.job(flow.submit(10_000).await.unwrap().id());
    let began = Instant::now();
    writes.next_writes(std::iter::repeat_n(Fault::Before, 10_000));
    assert_eq!(job.wait().await.unwrap(), 1);
    assert!(began.elapsed() < 13 * SECOND, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn however_many_jobs_a_lost_node_held_they_are_taken_over_in_time() {
    const JOBS: u64 = 5_000;
    let (store, frozen) = (memory(), Faults::new());
    let options = || FlowOptions::new().concurrency(JOBS as usize);
    let (_gone, flow) = node(&store, &frozen, options()).await;
    for answer in flow.submit_many(std::iter::repeat_n(3_600_000, JOBS as usize)).await.unwrap() {
        answer.unwrap();
    }
    sleep(SECOND).await;
    assert_eq!(count(&store, State::Processing).await, JOBS);
    frozen.frozen(true);
    let (other, _) = node(&store, &Faults::new(), options()).await;
    // lease + heartbeat + 5 s
    sleep(40 * SECOND).await;
    assert_eq!(other.health().await.running as u64, JOBS);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_cannot_be_looked_after_is_no_others_hindrance() {
    let (store, faults) = (memory(), Faults::new());
    let (_engine, flow) = node(&store, &faults, FlowOptions::new()).await;
    let later = || SubmitOptions::new().run_in(10 * SECOND);
    let stuck = flow.submit_with(0, later()).await.unwrap();
    let others = [flow.submit_with(0, later()).await.unwrap(), flow.submit_with(0, later()).await.unwrap()];
    faults.refuse(stuck.id());
    for job in others {
        assert_eq!(timeout(15 * SECOND, job.wait()).await.unwrap().unwrap(), 1);
    }
    assert_eq!(stuck.status().await.unwrap().unwrap().state(), State::Scheduled);
}

#[tokio::test(start_paused = true)]
async fn a_mass_of_due_jobs_lets_others_have_their_turn() {
    const JOBS: u64 = 20_000;
    let store = memory();
    let options = FlowOptions::new().retention(Retention::of(100 * SECOND));
    let (_engine, flow) = node(&store, &Faults::new(), options).await;
    for answer in flow.submit_many(std::iter::repeat_n(0, JOBS as usize)).await.unwrap() {
        answer.unwrap();
    }
    sleep(90 * SECOND).await;
    assert_eq!(count(&store, State::Succeeded).await, JOBS);
    let mut most = 0;
    let mut before = JOBS;
    while before > 0 {
        advance(SECOND / 100).await;
        for _ in 0..10 {
            tokio::task::yield_now().await;
            let now = count(&store, State::Succeeded).await;
            (most, before) = (most.max(before - now), now);
        }
    }
    assert!(most <= 1_000, "{most} were purged in a row");
}

#[tokio::test(start_paused = true)]
async fn a_report_that_the_store_refuses_does_not_fail_its_job() {
    let faults = Faults::new();
    let handler = |_: (), job: JobContext| async move {
        job.progress(Progress::new("more than the store takes"));
        Ok::<_, String>(7)
    };
    let engine =
        FlowEngine::builder().store(Faulty::new(memory(), &faults)).flow("reports", handler).start().await.unwrap();
    sleep(SECOND / 10).await;
    faults.next_writes([Fault::None, Fault::Reject]);
    let job = engine.flow::<(), i32>("reports").unwrap().submit(()).await.unwrap();
    assert_eq!(job.wait().await.unwrap(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_report_whose_write_failed_is_written_later() {
    let faults = Faults::new();
    let handler = |_: (), job: JobContext| async move {
        sleep(SECOND).await;
        job.progress(Progress::new("halfway"));
        sleep(60 * SECOND).await;
        Ok::<_, String>(())
    };
    let engine =
        FlowEngine::builder().store(Faulty::new(memory(), &faults)).flow("reports", handler).start().await.unwrap();
    let job = engine.flow::<(), ()>("reports").unwrap().submit(()).await.unwrap();
    sleep(SECOND / 2).await;
    faults.away(true);
    sleep(2 * SECOND).await;
    faults.away(false);
    sleep(2 * SECOND).await;
    let status = job.status().await.unwrap().unwrap();
    assert_eq!(status.progress().map(|progress| progress.text().to_owned()), Some("halfway".into()));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_panics_now_and_then_stops_no_part_of_a_node() {
    let (store, faults) = (memory(), Faults::new());
    let (_engine, flow) = node(&store, &faults, FlowOptions::new()).await;
    // Recovery's claims for idle slots and the heartbeats are all that is written.
    let long = flow.submit(200_000).await.unwrap();
    for _ in 0..10 {
        sleep(SECOND * 3 / 2).await;
        faults.next_writes([Fault::Panic]);
    }
    sleep(10 * SECOND).await;
    let later = flow.submit_with(0, SubmitOptions::new().run_in(10 * SECOND)).await.unwrap();
    assert_eq!(timeout(15 * SECOND, later.wait()).await.unwrap().unwrap(), 1);
    assert_eq!(long.wait().await.unwrap(), 1, "its lease was kept");
}
