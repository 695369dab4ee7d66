//! What a node takes up and asks for, where one thing goes wrong or is too much: the rest goes on.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use super::{SECOND, memory, node, state_of};
use asyncflow_core::{FlowEngine, FlowOptions, JobContext, Progress, Role, State, SubmitError, Until, WaitError};
use asyncflow_testkit::faults::{Faults, Faulty};
use tokio::time::{Instant, sleep};

#[tokio::test(start_paused = true)]
async fn no_more_bytes_of_waiting_jobs_are_taken_up_than_a_node_may_hold() {
    let size = 1_000;
    let options = FlowOptions::new().concurrency(100).max_request(size + 2).max_bytes(5 * size);
    let (store, running) = (memory(), Arc::new(AtomicUsize::new(0)));
    let build = |role| {
        let running = running.clone();
        let handler = move |_: String, job: JobContext| {
            let running = running.clone();
            async move {
                running.fetch_add(1, Ordering::SeqCst);
                job.cancelled().await;
                running.fetch_sub(1, Ordering::SeqCst);
                Ok::<_, String>(())
            }
        };
        FlowEngine::builder().store(store.clone()).role(role).flow_with("large", handler, options.clone()).start()
    };
    let serving = build(Role::Serve).await.unwrap();
    let _working = build(Role::Work).await.unwrap();
    let flow = serving.flow::<String, ()>("large").unwrap();
    let mut jobs = Vec::new();
    for job in flow.submit_many(std::iter::repeat_n("x".repeat(size), 20)).await.unwrap() {
        jobs.push(job.unwrap());
        sleep(SECOND).await;
    }
    sleep(20 * SECOND).await;
    let most = running.load(Ordering::SeqCst);
    assert!((5..=6).contains(&most), "{most} jobs of {size} bytes run");
    for job in &jobs {
        job.cancel().await.unwrap();
    }
    for job in jobs {
        assert!(matches!(job.wait().await, Ok(()) | Err(WaitError::Cancelled)));
    }
}

#[tokio::test(start_paused = true)]
async fn one_record_that_cannot_be_written_costs_no_other_job_its_lease() {
    let (store, faults) = (memory(), Faults::new());
    let (_first, flow) = node(&store, &faults, FlowOptions::new()).await;
    let (healthy, odd) = (flow.submit(600_000).await.unwrap(), flow.submit(600_000).await.unwrap());
    faults.refuse(odd.id());
    let (_second, there) = node(&store, &Faults::new(), FlowOptions::new()).await;
    assert_eq!(there.job(healthy.id()).wait().await.unwrap(), 1, "nobody took it over");
}

#[tokio::test(start_paused = true)]
async fn claims_on_their_way_are_no_jobs_that_run() {
    let (store, faults) = (memory(), Faults::new());
    let (engine, _) = node(&store, &faults, FlowOptions::new()).await;
    faults.frozen(true);
    sleep(10 * SECOND).await;
    assert_eq!(engine.health().await.running, 0);
    let report = engine.shutdown(SECOND).await;
    assert_eq!((report.finished, report.handed_over, report.cut_off), (0, 0, 0));
    assert!(report.unanswered > 0, "what they may have taken is not handed back");
}

#[tokio::test(start_paused = true)]
async fn who_waits_while_a_node_drains_is_answered_soon_and_not_at_once() {
    let (engine, flow) = node(&memory(), &Faults::new(), FlowOptions::new()).await;
    let job = flow.submit(20_000).await.unwrap();
    let reader = engine.flow_ref("sleep").unwrap();
    let draining = tokio::spawn(async move { engine.shutdown(60 * SECOND).await });
    sleep(SECOND).await;
    let began = Instant::now();
    let record = reader.wait(job.id(), Until::Ended, 20 * SECOND).await.unwrap().unwrap();
    assert_eq!(record.state, State::Processing);
    assert!((SECOND / 2..=2 * SECOND).contains(&began.elapsed()), "{:?}", began.elapsed());
    assert_eq!(draining.await.unwrap().finished, 1);
}

#[tokio::test(start_paused = true)]
async fn of_many_jobs_one_that_is_too_large_is_refused_alone() {
    let options = FlowOptions::new().max_request(10);
    let handler = |text: String, _: JobContext| async move { Ok::<_, String>(text) };
    let engine = FlowEngine::builder().store(memory()).flow_with("text", handler, options).start().await.unwrap();
    let flow = engine.flow::<String, String>("text").unwrap();
    let texts = ["one", "far too long for this", "two"].map(str::to_owned);
    let mut jobs = flow.submit_many(texts).await.unwrap();
    assert!(matches!(jobs.remove(1), Err(SubmitError::TooLarge { limit: 10 })));
    for (job, text) in jobs.into_iter().zip(["one", "two"]) {
        assert_eq!(job.unwrap().wait().await.unwrap(), text);
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_at_once_is_not_asked_without_a_pause_for_progress() {
    let (store, faults) = (memory(), Faults::new());
    let options = FlowOptions::new().progress_interval(Duration::ZERO);
    let handler = |_: (), job: JobContext| async move {
        sleep(SECOND).await;
        job.progress(Progress::new("half"));
        sleep(5 * SECOND).await;
        Ok::<_, String>(())
    };
    let engine = FlowEngine::builder()
        .store(Faulty::new(store, &faults))
        .flow_with("report", handler, options)
        .start()
        .await
        .unwrap();
    let job = engine.flow::<(), ()>("report").unwrap().submit(()).await.unwrap();
    faults.away(true);
    let before = faults.writes();
    sleep(4 * SECOND).await;
    assert!(faults.writes() - before < 50, "{}", faults.writes() - before);
    faults.away(false);
    sleep(SECOND * 3 / 2).await;
    assert!(job.status().await.unwrap().unwrap().progress().is_some());
    assert_eq!(state_of(&job).await, State::Processing);
}

#[tokio::test(start_paused = true)]
async fn what_a_short_job_reports_is_written_with_its_end_alone() {
    let faults = Faults::new();
    let handler = |_: (), job: JobContext| async move {
        for done in [0, 50, 100] {
            job.progress(Progress::new("working").percentage(done));
            sleep(SECOND / 100).await;
        }
        Ok::<_, String>(())
    };
    let store = Faulty::new(memory(), &faults);
    let engine = FlowEngine::builder().store(store).flow("short", handler).start().await.unwrap();
    // The node's first look for ready jobs is over, the next one comes a second later.
    sleep(SECOND / 10).await;
    let before = faults.writes();
    let job = engine.flow::<(), ()>("short").unwrap().submit(()).await.unwrap();
    job.wait().await.unwrap();
    assert_eq!(faults.writes() - before, 2);
    assert_eq!(job.status().await.unwrap().unwrap().progress().unwrap().done(), Some(100.0));
}

#[tokio::test(start_paused = true)]
async fn clients_that_take_long_to_send_keep_no_job_waiting() {
    let options = FlowOptions::new().max_request(1_000).max_bytes(1_000);
    let (engine, flow) = node(&memory(), &Faults::new(), options).await;
    let sending = engine.flow_ref("sleep").unwrap().receive(1_000).unwrap();
    let began = Instant::now();
    for job in flow.submit_many([100; 3]).await.unwrap() {
        job.unwrap().wait().await.unwrap();
    }
    assert!(began.elapsed() < SECOND, "{:?}", began.elapsed());
    drop(sending);
}

#[tokio::test(start_paused = true)]
async fn bytes_that_come_free_are_used_at_once_by_as_many_as_they_are_enough_for() {
    let options = FlowOptions::new().concurrency(50).max_request(2_000).max_bytes(2_000);
    let handler = |text: String, _: JobContext| async move {
        sleep(Duration::from_millis(text.len() as u64)).await;
        Ok::<_, String>(())
    };
    let engine = FlowEngine::builder().store(memory()).flow_with("sleep", handler, options).start().await.unwrap();
    let flow = engine.flow::<String, ()>("sleep").unwrap();
    // It takes 1.998 s, and all bytes.
    let large = flow.submit("x".repeat(1_998)).await.unwrap();
    let small = flow.submit_many(std::iter::repeat_n("x".repeat(30), 40)).await.unwrap();
    large.wait().await.unwrap();
    let began = Instant::now();
    for job in small {
        job.unwrap().wait().await.unwrap();
    }
    assert!(began.elapsed() < SECOND / 10, "{:?}", began.elapsed());
}
