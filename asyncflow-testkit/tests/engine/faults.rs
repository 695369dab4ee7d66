//! Engines over a store that goes wrong, in time that the tests turn.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use super::{SECOND, memory, node, sleeper, state_of};
use asyncflow_core::{
    Cancelled, FlowEngine, FlowOptions, JobContext, JobError, JobKey, MemoryStore, Retention, Role, State, Store,
    SubmitError, WaitError, store::StoreError,
};
use asyncflow_testkit::faults::{Fault, Faults, Faulty};
use tokio::time::{Instant, sleep};

#[tokio::test(start_paused = true)]
async fn a_short_life_is_two_writes() {
    let (store, faults) = (memory(), Faults::new());
    let (_engine, flow) = node(&store, &faults, FlowOptions::new()).await;
    sleep(Duration::from_millis(10)).await;
    let before = faults.writes();
    let job = flow.submit(0).await.unwrap();
    sleep(Duration::from_millis(10)).await;
    assert_eq!(state_of(&job).await, State::Succeeded);
    assert_eq!(faults.writes() - before, 2);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_costs_nothing() {
    for fault in [Fault::Before, Fault::After] {
        let (store, faults) = (memory(), Faults::new());
        let (_engine, flow) = node(&store, &faults, FlowOptions::new()).await;
        sleep(Duration::from_millis(10)).await;
        // The submit with its claim, the claim asked again, the insert again; then the job's end.
        faults.next_writes([fault, fault, fault, fault, fault]);
        let job = flow.submit(10).await.unwrap();
        assert_eq!(job.wait().await.unwrap(), 1, "{fault:?}: the first attempt succeeds");
        let counts = store_counts(&store).await;
        assert_eq!(counts.iter().sum::<u64>(), 1, "{fault:?}: there is one job");
    }
}

async fn store_counts(store: &MemoryStore) -> [u64; 6] {
    store.counts("sleep").await.unwrap().states
}

#[tokio::test(start_paused = true)]
async fn an_outcome_waits_for_a_store_that_is_away_and_never_becomes_a_failure() {
    let (store, faults) = (memory(), Faults::new());
    let (_engine, flow) = node(&store, &faults, FlowOptions::new()).await;
    let job = flow.submit(1000).await.unwrap();
    sleep(SECOND / 2).await;
    faults.away(true);
    sleep(20 * SECOND).await;
    faults.away(false);
    assert_eq!(job.wait().await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_result_that_the_store_refuses_is_a_failure_of_its_own_type() {
    let (store, faults) = (memory(), Faults::new());
    let (_engine, flow) = node(&store, &faults, FlowOptions::new()).await;
    sleep(Duration::from_millis(10)).await;
    faults.next_writes([Fault::None, Fault::Reject]);
    let job = flow.submit(10).await.unwrap();
    let Err(WaitError::Failed(error)) = job.wait().await else { panic!("no failure") };
    assert_eq!(error.kind, JobError::UNENCODABLE_RESULT);
}

#[tokio::test(start_paused = true)]
async fn an_insert_that_cannot_be_made_says_so_within_the_call_timeout() {
    let (store, faults) = (memory(), Faults::new());
    let (_engine, flow) = node(&store, &faults, FlowOptions::new()).await;
    faults.away(true);
    let began = Instant::now();
    assert!(matches!(flow.submit(0).await, Err(SubmitError::Store(StoreError::Unavailable(_)))));
    assert!(began.elapsed() <= 5 * SECOND, "{:?}", began.elapsed());
    faults.away(false);
    faults.frozen(true);
    let began = Instant::now();
    assert!(flow.flow_ref().get(asyncflow_core::JobId::from_u128(1)).await.is_err());
    assert_eq!(began.elapsed(), 5 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_while_the_node_stands_still_is_late() {
    let (store, faults) = (memory(), Faults::new());
    let (_engine, flow) = node(&store, &faults, FlowOptions::new()).await;
    faults.slow(3 * SECOND);
    let submit = tokio::spawn(async move { flow.submit(0).await });
    sleep(SECOND).await;
    tokio::time::advance(20 * SECOND).await;
    assert!(matches!(submit.await.unwrap(), Err(SubmitError::Store(StoreError::Unavailable(_)))));
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_that_takes_long_does_not_put_off_the_next() {
    let (store, faults) = (memory(), Faults::new());
    let (_engine, flow) = node(&store, &faults, FlowOptions::new()).await;
    flow.submit(60_000).await.unwrap();
    // The first, a sixth of the lease of 30 s from now, takes until just before the next.
    sleep(5 * SECOND - SECOND / 10).await;
    faults.slow(5 * SECOND - SECOND / 10);
    sleep(SECOND / 5).await;
    faults.slow(Duration::ZERO);
    // It is claimed too late for the first.
    let job = flow.submit(60_000).await.unwrap();
    let key = JobKey { flow: "sleep".into(), id: job.id() };
    let lease = async || store.get(std::slice::from_ref(&key)).await.unwrap()[0].as_ref().unwrap().due;
    let first = lease().await;
    sleep(5 * SECOND + SECOND / 5).await;
    assert!(lease().await > first);
}

#[tokio::test(start_paused = true)]
async fn the_jobs_of_a_node_that_is_gone_are_taken_over_in_time() {
    let (store, frozen) = (memory(), Faults::new());
    let (_gone, flow) = node(&store, &frozen, FlowOptions::new()).await;
    let (_other, elsewhere) = node(&store, &Faults::new(), FlowOptions::new()).await;
    let job = elsewhere.job(flow.submit(3_600_000).await.unwrap().id());
    sleep(SECOND).await;
    assert_eq!(state_of(&job).await, State::Processing);
    frozen.frozen(true);
    let began = Instant::now();
    while job.status().await.unwrap().unwrap().attempt() < 2 {
        sleep(SECOND / 10).await;
        // lease + heartbeat + 5 s
        assert!(began.elapsed() <= 40 * SECOND, "it is not taken over");
    }
    assert!(began.elapsed() >= 25 * SECOND, "a lease is respected: {:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_stale_outcome_is_refused() {
    let (store, frozen) = (memory(), Faults::new());
    let (_gone, flow) = node(&store, &frozen, FlowOptions::new()).await;
    let job_id = flow.submit(50_000).await.unwrap().id();
    sleep(SECOND).await;
    frozen.frozen(true);
    let (_other, elsewhere) = node(&store, &Faults::new(), FlowOptions::new()).await;
    let job = elsewhere.job(job_id);
    sleep(50 * SECOND).await;
    // The first attempt's outcome lies ready, and its job is held by another worker.
    assert_eq!(job.status().await.unwrap().unwrap().attempt(), 2);
    frozen.frozen(false);
    sleep(SECOND).await;
    assert_eq!(state_of(&job).await, State::Processing);
    assert_eq!(job.wait().await.unwrap(), 2, "the second attempt's outcome is the one that is seen");
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_workers_are_lost_three_times_in_a_row_fails() {
    let store = memory();
    let mut id = None;
    for round in 1..=3 {
        let frozen = Faults::new();
        let (_gone, flow) = node(&store, &frozen, FlowOptions::new()).await;
        match id {
            None => id = Some(flow.submit(3_600_000).await.unwrap().id()),
            Some(id) => {
                while flow.job(id).status().await.unwrap().unwrap().attempt() < round {
                    sleep(SECOND).await
                }
            }
        }
        sleep(SECOND).await;
        frozen.frozen(true);
    }
    let (_last, flow) = node(&store, &Faults::new(), FlowOptions::new()).await;
    let Err(WaitError::Failed(error)) = flow.job(id.unwrap()).wait().await else { panic!("no failure") };
    assert_eq!(error.kind, JobError::WORKER_LOST);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_was_away_for_longer_than_a_lease_costs_no_healthy_work() {
    let (store, faults) = (memory(), Faults::new());
    let (_engine, flow) = node(&store, &faults, FlowOptions::new()).await;
    let (_other, _) = node(&store, &faults, FlowOptions::new()).await;
    let job = flow.submit(120_000).await.unwrap();
    sleep(SECOND).await;
    faults.away(true);
    sleep(60 * SECOND).await;
    faults.away(false);
    assert_eq!(job.wait().await.unwrap(), 1, "the first attempt is never taken away");
}

#[tokio::test(start_paused = true)]
async fn readers_and_cancels_reach_other_nodes_with_and_without_hints() {
    for (deaf, patience) in [(false, SECOND), (true, 6 * SECOND)] {
        let (store, faults) = (memory(), Faults::new());
        faults.deaf(deaf);
        let (_runs, flow) = node(&store, &faults, FlowOptions::new()).await;
        let (_asks, elsewhere) = node(&store, &faults, FlowOptions::new()).await;
        let job = elsewhere.job(flow.submit(3_600_000).await.unwrap().id());
        sleep(SECOND).await;
        let waiting = tokio::spawn({
            let job = job.clone();
            async move { job.wait().await }
        });
        assert!(matches!(job.cancel().await.unwrap(), Cancelled::Asked(_)));
        let began = Instant::now();
        assert!(matches!(waiting.await.unwrap(), Err(WaitError::Cancelled)));
        // it ignores that it should stop for its whole grace
        assert!(began.elapsed() <= patience + 11 * SECOND, "deaf {deaf}: {:?}", began.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn hints_are_not_needed() {
    let (store, faults) = (memory(), Faults::new());
    faults.deaf(true);
    let serve = FlowEngine::builder()
        .store(Faulty::new(store.clone(), &faults))
        .role(Role::Serve)
        .flow("sleep", sleeper)
        .start()
        .await
        .unwrap();
    let (_works, _) = node(&store, &faults, FlowOptions::new()).await;
    sleep(SECOND / 2).await;
    let flow = serve.flow::<u64, u32>("sleep").unwrap();
    let began = Instant::now();
    let job = flow.submit(0).await.unwrap();
    assert_eq!(job.wait().await.unwrap(), 1);
    assert!(began.elapsed() <= 3 * SECOND, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_deleted_job_is_gone_for_readers_at_once_and_for_good_when_its_worker_has_stopped() {
    let (store, faults) = (memory(), Faults::new());
    let (_engine, flow) = node(&store, &faults, FlowOptions::new()).await;
    let job = flow.submit(3_600_000).await.unwrap();
    sleep(SECOND).await;
    assert!(job.delete().await.unwrap());
    assert!(job.status().await.unwrap().is_none());
    assert_eq!(store_counts(&store).await[State::Processing as usize], 1, "its handler has its grace");
    sleep(12 * SECOND).await;
    assert_eq!(store_counts(&store).await[State::Processing as usize], 0);
    sleep(60 * SECOND).await;
    assert_eq!(store_counts(&store).await, [0; 6]);
}

#[tokio::test(start_paused = true)]
async fn ended_jobs_are_purged_when_their_time_is_over() {
    let store = memory();
    let engine = FlowEngine::builder()
        .store(store.clone())
        .flow_with("sleep", sleeper, FlowOptions::new().retention(Retention::of(300 * SECOND)))
        .start()
        .await
        .unwrap();
    let flow = engine.flow::<u64, u32>("sleep").unwrap();
    for answer in flow.submit_many(std::iter::repeat_n(0, 5_000)).await.unwrap() {
        answer.unwrap();
    }
    sleep(290 * SECOND).await;
    assert_eq!(store_counts(&store).await[State::Succeeded as usize], 5_000);
    sleep(20 * SECOND).await;
    assert_eq!(store_counts(&store).await, [0; 6]);
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_cannot_be_answered_does_not_stop_a_node() {
    let (store, faults) = (memory(), Faults::new());
    let (_engine, flow) = node(&store, &faults, FlowOptions::new()).await;
    sleep(SECOND).await;
    faults.away(true);
    sleep(120 * SECOND).await;
    faults.away(false);
    let job = flow.submit(0).await.unwrap();
    assert_eq!(job.wait().await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn no_more_run_than_may_first_in_first_out_and_none_is_lost_in_a_drain() {
    static RUNNING: AtomicUsize = AtomicUsize::new(0);
    static ORDER: std::sync::Mutex<Vec<u32>> = std::sync::Mutex::new(Vec::new());
    const JOBS: u32 = 100_000;
    let store = memory();
    let build = || {
        let handler = |n: u32, _: JobContext| async move {
            assert!(RUNNING.fetch_add(1, Ordering::SeqCst) < 4, "more than four run");
            ORDER.lock().unwrap().push(n);
            tokio::task::yield_now().await;
            RUNNING.fetch_sub(1, Ordering::SeqCst);
            Ok::<_, String>(n)
        };
        FlowEngine::builder()
            .store(store.clone())
            .flow_with("sleep", handler, FlowOptions::new().concurrency(4))
            .start()
    };
    let engine = build().await.unwrap();
    let flow = engine.flow::<u32, u32>("sleep").unwrap();
    for answer in flow.submit_many(0..JOBS).await.unwrap() {
        answer.unwrap();
    }
    while ORDER.lock().unwrap().len() < JOBS as usize / 2 {
        tokio::task::yield_now().await;
    }
    engine.shutdown(30 * SECOND).await;
    let ran = ORDER.lock().unwrap().len();
    assert!(ran < JOBS as usize, "the drain came in the middle");
    let engine = build().await.unwrap();
    while store_counts(&store).await[State::Succeeded as usize] < u64::from(JOBS) {
        sleep(SECOND).await;
    }
    let order = std::mem::take(&mut *ORDER.lock().unwrap());
    assert_eq!(order.len(), JOBS as usize, "each ran once");
    // Four run at once, and begin in the order in which they were claimed, give or take those four.
    assert!(order.iter().enumerate().all(|(at, n)| at.abs_diff(*n as usize) <= 4), "first in, first out");
    engine.shutdown(SECOND).await;
}
