//! An engine on its embedded defaults, as code sees it.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{
    convert::Infallible,
    future::Future,
    sync::{Arc, Mutex},
    time::Duration,
};

use asyncflow_core::{
    Again, Cancelled, EngineBuilder, FlowEngine, FlowOptions, Handler, IdempotencyKey, JobContext, JobError,
    MemoryStore, Progress, Retry, Role, Stamp, State, SubmitError, SubmitOptions, TokioClock, Until, WaitError, Wrap,
    blocking, store::Part,
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

/// An engine that runs one job at a time.
async fn one_at_a_time() -> FlowEngine {
    let options = FlowOptions::new().concurrency(1);
    FlowEngine::builder().store(store()).flow_with("sleep", sleep, options).start().await.unwrap()
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
    assert_eq!(engine.shutdown(Duration::from_secs(5)).await, report, "a second call reports the same drain");
    assert_eq!(short.status().await.unwrap().unwrap().state(), State::Succeeded);
    let status = long.status().await.unwrap().unwrap();
    assert_eq!((status.state(), status.attempt()), (State::Enqueued, 0));
    let again = build().await.unwrap();
    let job = again.flow::<u64, u64>("stubborn").unwrap().job(long.id());
    assert_eq!(job.wait().await.unwrap(), 60_000);
    assert_eq!(job.status().await.unwrap().unwrap().attempt(), 1);
}

#[tokio::test]
async fn what_cannot_be_honoured_is_an_error_at_the_start() {
    let says = async |builder: EngineBuilder| builder.start().await.unwrap_err().to_string();
    let twice = FlowEngine::builder().flow("echo", echo).flow("echo", echo);
    assert_eq!(says(twice).await, "flow `echo` is registered twice: give one of them another name");
    for name in ["", "a/b", "ä", "..", "a b", &"x".repeat(65)] {
        let error = says(FlowEngine::builder().flow(name, echo)).await;
        assert!(error.contains("cannot have this name"), "{name}: {error}");
    }
    let options = FlowOptions::new().priority(11);
    let error = says(FlowEngine::builder().flow_with("echo", echo, options)).await;
    assert_eq!(error, "flow `echo`, option `priority`: 11 is not within -10 to 10");
    let error = says(FlowEngine::builder().timing(|timing| timing.heartbeat = Duration::from_secs(20))).await;
    assert!(error.contains("lease") && error.contains("heartbeat"), "{error}");
    let error = says(FlowEngine::builder().lease(Duration::ZERO)).await;
    assert!(error.contains("lease is 0ns"), "{error}");
}

#[test]
fn without_a_runtime_there_is_no_start() {
    let start = FlowEngine::builder().flow("echo", echo).start();
    let mut start = std::pin::pin!(start);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(Err(error)) = start.as_mut().poll(&mut context) else { panic!("it starts") };
    assert!(error.to_string().contains("no tokio runtime"), "{error}");
}

#[tokio::test]
async fn a_handle_of_other_types_says_both() {
    let engine = engine().await;
    let error = engine.flow::<u64, String>("sleep").unwrap_err().to_string();
    assert!(error.contains("takes u64 and gives u64") && error.contains("asks for u64 and"), "{error}");
    let error = engine.flow::<u64, u64>("slumber").unwrap_err().to_string();
    assert!(error.contains("there is no flow `slumber`") && error.contains("sleep"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn what_a_handler_gives_that_cannot_be_kept_is_a_failure_of_its_own_type() {
    use std::collections::HashMap;
    let small = FlowOptions::new().max_result(10);
    let engine = FlowEngine::builder()
        .store(store())
        .flow_with("large", |n: usize, _: JobContext| async move { Ok::<_, String>("x".repeat(n)) }, small)
        .flow("unwritable", |n: u8, _: JobContext| async move { Ok::<_, String>(HashMap::from([((n, n), n)])) })
        .start()
        .await
        .unwrap();
    let large = engine.flow::<usize, String>("large").unwrap();
    assert_eq!(large.submit(8).await.unwrap().wait().await.unwrap(), "xxxxxxxx");
    let Err(WaitError::Failed(error)) = large.submit(9).await.unwrap().wait().await else { panic!("no failure") };
    assert_eq!(error.kind, JobError::RESULT_TOO_LARGE);
    let flow = engine.flow_ref("unwritable").unwrap();
    let id = flow.submit(Part::json("1"), SubmitOptions::new()).await.unwrap().id;
    flow.wait(id, Until::Ended, Duration::from_secs(5)).await.unwrap();
    let error = JobError::from_part(&flow.outcome(id).await.unwrap().unwrap()).unwrap();
    assert_eq!(error.kind, JobError::UNENCODABLE_RESULT);
}

#[tokio::test(start_paused = true)]
async fn a_stored_request_that_no_longer_fits_is_a_failure_of_its_own_type() {
    let store = store();
    let serve = FlowEngine::builder().store(store.clone()).role(Role::Serve).flow("f", echo).start().await.unwrap();
    let id = serve.flow::<Value, Value>("f").unwrap().submit(json!("text")).await.unwrap().id();
    let later = FlowEngine::builder().store(store).flow("f", sleep).start().await.unwrap();
    let Err(WaitError::Failed(error)) = later.flow::<u64, u64>("f").unwrap().job(id).wait().await else {
        panic!("no failure")
    };
    assert_eq!(error.kind, JobError::UNDECODABLE_REQUEST);
}

#[tokio::test(start_paused = true)]
async fn wraps_go_around_each_attempt_the_last_one_outermost() {
    struct Tell(&'static str, Arc<Mutex<Vec<String>>>);
    impl Wrap for Tell {
        fn wrap(&self, job: JobContext, handler: Handler) -> Handler {
            let (name, told) = (self.0, self.1.clone());
            Box::pin(async move {
                told.lock().unwrap().push(format!("{name} before {}", job.attempt()));
                let attempt = handler.await;
                told.lock().unwrap().push(format!("{name} after {}", attempt.is_success()));
                attempt
            })
        }
    }
    let told = Arc::default();
    let engine = FlowEngine::builder()
        .store(store())
        .flow("echo", echo)
        .wrap(Tell("inner", Arc::clone(&told)))
        .wrap(Tell("outer", Arc::clone(&told)))
        .start()
        .await
        .unwrap();
    engine.flow::<Value, Value>("echo").unwrap().submit(json!(1)).await.unwrap().wait().await.unwrap();
    let told = told.lock().unwrap().clone();
    assert_eq!(told, ["outer before 1", "inner before 1", "inner after true", "outer after true"]);
}

#[tokio::test(start_paused = true)]
async fn an_engine_says_how_it_and_its_jobs_fare() {
    let engine = one_at_a_time().await;
    let flow = engine.flow::<u64, u64>("sleep").unwrap();
    flow.submit(1).await.unwrap().wait().await.unwrap();
    for answer in flow.submit_many([3_600_000, 1, 1]).await.unwrap() {
        answer.unwrap();
    }
    flow.submit_with(1, SubmitOptions::new().run_in(Duration::from_secs(3600))).await.unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    let stats = engine.stats().await.unwrap().flows.remove(0);
    assert_eq!((stats.waiting, stats.scheduled, stats.running, stats.succeeded), (3, 1, 1, 1));
    assert!(engine.health().await.is_ready());
    engine.shutdown(Duration::ZERO).await;
    assert!(!engine.health().await.is_ready());
}

#[tokio::test(start_paused = true)]
async fn a_key_names_one_job_and_a_higher_priority_goes_first() {
    let engine = one_at_a_time().await;
    let flow = engine.flow::<u64, u64>("sleep").unwrap();
    let key = || SubmitOptions::new().idempotency_key(IdempotencyKey::new("k").unwrap());
    let first = flow.submit_with(100, key()).await.unwrap();
    assert_eq!(flow.submit_with(100, key()).await.unwrap().id(), first.id());
    assert!(matches!(flow.submit_with(101, key()).await, Err(SubmitError::KeyReused)));
    let low = flow.submit_with(100, SubmitOptions::new().priority(-1)).await.unwrap();
    let high = flow.submit_with(100, SubmitOptions::new().priority(1)).await.unwrap();
    high.wait().await.unwrap();
    assert_ne!(low.status().await.unwrap().unwrap().state(), State::Succeeded);
    assert!(matches!(flow.submit_with(1, SubmitOptions::new().priority(11)).await, Err(SubmitError::Priority(11))));
}
