//! An engine on its embedded defaults, as code sees it.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{convert::Infallible, sync::Arc, time::Duration};

use asyncflow_core::{
    Again, Cancelled, FlowEngine, FlowOptions, JobContext, JobError, MemoryStore, Progress, Retry, Stamp, State,
    SubmitOptions, TokioClock, WaitError, blocking,
};
use serde_json::{Value, json};

async fn echo(value: Value, _: JobContext) -> Result<Value, Infallible> {
    Ok(value)
}

async fn sleep(millis: u64, job: JobContext) -> Result<u64, String> {
    tokio::select! {
        () = job.cancelled() => Err("stopped".into()),
        () = tokio::time::sleep(Duration::from_millis(millis)) => Ok(millis),
    }
}

async fn stubborn(millis: u64, _: JobContext) -> Result<u64, String> {
    tokio::time::sleep(Duration::from_millis(millis)).await;
    Ok(millis)
}

async fn flaky(failures: u32, job: JobContext) -> Result<u32, String> {
    if job.attempt() <= failures { Err(format!("attempt {}", job.attempt())) } else { Ok(job.attempt()) }
}

async fn panics(_: Value, _: JobContext) -> Result<(), String> {
    panic!("a secret")
}

/// A store whose time is tokio's, which a test can turn.
fn store() -> MemoryStore {
    MemoryStore::with_clock(Arc::new(TokioClock::at(Stamp::from_micros(1_700_000_000_000_000))))
}

async fn engine() -> FlowEngine {
    let retried = FlowOptions::new().retry(Retry::fixed(100, Duration::from_millis(100)));
    FlowEngine::builder()
        .store(store())
        .flow("echo", echo)
        .flow("sleep", sleep)
        .flow("stubborn", stubborn)
        .flow("panics", panics)
        .flow_with("flaky", flaky, retried)
        .flow_with("slow", stubborn, FlowOptions::new().timeout(Duration::from_secs(1)))
        .flow("snooze", |_: u32, _: JobContext| async { Err::<(), _>(Again::snooze(Duration::from_secs(5))) })
        .flow("blocks", blocking(|n: u32, _: JobContext| Ok::<_, String>(n + 1)))
        .start()
        .await
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_job_is_followed_to_its_result() {
    let engine = engine().await;
    let job = engine.flow::<Value, Value>("echo").unwrap().submit(json!({ "a": 1 })).await.unwrap();
    assert_eq!(job.wait().await.unwrap(), json!({ "a": 1 }));
    let status = job.status().await.unwrap().unwrap();
    assert_eq!((status.state(), status.attempt()), (State::Succeeded, 1));
    assert!(job.error().await.unwrap().is_none());
    assert!(job.delete().await.unwrap());
    assert!(!job.delete().await.unwrap());
    assert!(job.status().await.unwrap().is_none());
    assert!(matches!(job.wait().await, Err(WaitError::Missing)));
}

#[tokio::test(start_paused = true)]
async fn retries_follow_at_their_distance() {
    let engine = engine().await;
    let began = tokio::time::Instant::now();
    let job = engine.flow::<u32, u32>("flaky").unwrap().submit(99).await.unwrap();
    assert_eq!(job.wait().await.unwrap(), 100);
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(9900) && took < Duration::from_secs(13), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_running_job_is_cancelled() {
    let engine = engine().await;
    let job = engine.flow::<u64, u64>("sleep").unwrap().submit(3_600_000).await.unwrap();
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert!(matches!(job.cancel().await.unwrap(), Cancelled::Asked(_)));
    assert!(matches!(job.wait().await, Err(WaitError::Cancelled)));
    assert!(matches!(job.cancel().await.unwrap(), Cancelled::Ended(_)));
    // one that ignores it is dropped after its grace
    let job = engine.flow::<u64, u64>("stubborn").unwrap().submit(3_600_000).await.unwrap();
    tokio::time::sleep(Duration::from_millis(10)).await;
    let began = tokio::time::Instant::now();
    job.cancel().await.unwrap();
    assert!(matches!(job.wait().await, Err(WaitError::Cancelled)));
    assert!(began.elapsed() >= Duration::from_secs(10) && began.elapsed() < Duration::from_secs(11));
}

#[tokio::test(start_paused = true)]
async fn a_panic_and_a_timeout_are_failures_of_their_own_type() {
    let engine = engine().await;
    let job = engine.flow::<Value, ()>("panics").unwrap().submit(Value::Null).await.unwrap();
    assert!(matches!(job.wait().await, Err(WaitError::Failed(_))));
    let error = job.error().await.unwrap().unwrap();
    assert_eq!((error.kind.as_str(), error.message.as_str()), (JobError::PANICKED, "the job panicked"));
    assert!(error.detail.unwrap().contains("a secret"));
    let job = engine.flow::<u64, u64>("slow").unwrap().submit(3_600_000).await.unwrap();
    let Err(WaitError::Failed(error)) = job.wait().await else { panic!("no failure") };
    assert_eq!(error.kind, JobError::TIMED_OUT);
}

#[tokio::test(start_paused = true)]
async fn a_snooze_is_bounded() {
    let engine = engine().await;
    let job = engine.flow::<u32, ()>("snooze").unwrap().submit(1).await.unwrap();
    let Err(WaitError::Failed(error)) = job.wait().await else { panic!("no failure") };
    assert_eq!(error.kind, JobError::SNOOZED_TOO_OFTEN);
    assert_eq!(job.status().await.unwrap().unwrap().attempt(), 0);
}

#[tokio::test]
async fn a_blocking_flow_runs_off_the_async_threads() {
    let engine = engine().await;
    let job = engine.flow::<u32, u32>("blocks").unwrap().submit(1).await.unwrap();
    assert_eq!(job.wait().await.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_delay_is_kept() {
    let engine = engine().await;
    let echo = engine.flow::<Value, Value>("echo").unwrap();
    let began = tokio::time::Instant::now();
    let job = echo.submit_with(json!(1), SubmitOptions::new().run_in(Duration::from_secs(60))).await.unwrap();
    assert_eq!(job.status().await.unwrap().unwrap().state(), State::Scheduled);
    job.wait().await.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(60) && began.elapsed() < Duration::from_secs(63));
}

#[tokio::test(start_paused = true)]
async fn progress_is_seen_and_kept() {
    let engine = FlowEngine::builder()
        .store(store())
        .flow("steps", |n: u32, job: JobContext| async move {
            for step in 0..n {
                job.progress(Progress::new(format!("step {step}")).percentage(step));
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Ok::<_, String>(n)
        })
        .start()
        .await
        .unwrap();
    let job = engine.flow::<u32, u32>("steps").unwrap().submit(10).await.unwrap();
    let mut seen = Vec::new();
    let mut status = job.status().await.unwrap().unwrap();
    while !status.state().is_ended() {
        status = job.changed(&status, Duration::from_secs(60)).await.unwrap().unwrap();
        seen.extend(status.progress().map(|progress| progress.text().to_owned()));
    }
    assert!(seen.len() > 3 && seen.is_sorted(), "{seen:?}");
    assert_eq!(seen.last().unwrap(), "step 9");
}

#[tokio::test(start_paused = true)]
async fn a_drain_lets_jobs_end_and_hands_back_the_rest() {
    let store = store();
    let build = || FlowEngine::builder().store(store.clone()).flow("stubborn", stubborn).start();
    let engine = build().await.unwrap();
    let flow = engine.flow::<u64, u64>("stubborn").unwrap();
    let short = flow.submit(1_000).await.unwrap();
    let long = flow.submit(60_000).await.unwrap();
    tokio::time::sleep(Duration::from_millis(10)).await;
    let report = engine.shutdown(Duration::from_secs(5)).await;
    assert_eq!((report.finished, report.handed_over, report.cut_off), (1, 1, 0));
    assert!(flow.submit(1).await.is_err());
    assert_eq!(short.status().await.unwrap().unwrap().state(), State::Succeeded);
    let status = long.status().await.unwrap().unwrap();
    assert_eq!((status.state(), status.attempt()), (State::Enqueued, 0));
    let again = build().await.unwrap();
    let job = again.flow::<u64, u64>("stubborn").unwrap().job(long.id());
    assert_eq!(job.wait().await.unwrap(), 60_000);
    assert_eq!(job.status().await.unwrap().unwrap().attempt(), 1);
}
