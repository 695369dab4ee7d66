//! Time passes when the test turns it, and all that the engine does by time follows.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use asyncflow_core::{FlowEngine, FlowOptions, JobContext, JobError, Retention, State, SubmitOptions};
use asyncflow_testkit::TestEngine;

use super::{MINUTE, SECOND, mail, start, submit, submit_with};

const MICROSECOND: Duration = Duration::from_micros(1);
const DAY: Duration = Duration::from_secs(24 * 3600);

#[tokio::test(start_paused = true)]
async fn a_job_becomes_ready_when_it_should_and_not_before() {
    let test = start().await;
    submit_with(&test, "ann", SubmitOptions::new().run_in(60 * MINUTE + MICROSECOND)).await;
    test.advance(60 * MINUTE).await;
    assert_eq!(test.enqueued("mail").assert_one().run_in(), Some(MICROSECOND));
    test.advance(MICROSECOND).await;
    assert_eq!(test.run_next("mail").await.result::<String>(), "to ann");
}

#[tokio::test(start_paused = true)]
async fn the_clock_starts_where_it_is_told_to_and_is_turned_to_a_time() {
    let test = start().await;
    assert_eq!(test.now(), UNIX_EPOCH + Duration::from_secs(1_767_225_600));
    let at = UNIX_EPOCH + Duration::from_secs(1_000_000);
    let flows = FlowEngine::builder().flow("mail", super::deliver);
    let test = TestEngine::start_at(at, flows).await;
    assert_eq!(test.now(), at);
    submit_with(&test, "ann", SubmitOptions::new().run_at(at + DAY)).await;
    assert_eq!(test.enqueued("mail").run_at(at + DAY).assert_one().run_at(), Some(at + DAY));
    test.advance_to(at + DAY).await;
    assert_eq!(test.now(), at + DAY);
    test.advance_to(SystemTime::UNIX_EPOCH).await;
    assert_eq!(test.run_next("mail").await.state(), State::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn what_was_kept_long_enough_goes() {
    let options = FlowOptions::new().retention(Retention::of(30 * DAY));
    let test = TestEngine::start(FlowEngine::builder().flow_with("mail", super::deliver, options)).await;
    let job = test.perform("mail", mail("ann")).await;
    test.advance(30 * DAY - SECOND).await;
    assert!(test.job(job.id()).is_some());
    test.advance(SECOND).await;
    assert!(test.job(job.id()).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_job_that_nobody_runs_expires() {
    let test = start().await;
    submit(&test, "ann").await;
    test.advance(30 * DAY).await;
    assert_eq!(test.jobs("mail").assert_one().error().kind, JobError::EXPIRED);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_runs_out_of_time() {
    let test = start().await;
    test.engine().flow::<u64, u32>("sleep").unwrap().submit(3600).await.unwrap();
    let before = test.now();
    let job = test.run_next("sleep").await;
    assert_eq!((job.state(), job.attempts(), job.run_in()), (State::Scheduled, 1, Some(MINUTE)));
    assert!(test.now() >= before + MINUTE);
    for _ in 0..2 {
        test.advance(MINUTE).await;
        test.start_next("sleep").await;
        // And ten seconds to listen.
        test.advance(MINUTE + 10 * SECOND).await;
    }
    assert_eq!(test.jobs("sleep").assert_one().error().kind, JobError::TIMED_OUT);
}

#[tokio::test(start_paused = true)]
async fn running_handlers_see_all_the_time_that_is_turned() {
    let steps = |_: (), _: JobContext| async {
        let began = tokio::time::Instant::now();
        for _ in 0..1000 {
            tokio::time::sleep(Duration::from_millis(7)).await;
        }
        Ok::<_, String>(began.elapsed().as_millis() as u64)
    };
    let test = TestEngine::start(FlowEngine::builder().flow("steps", steps)).await;
    test.engine().flow::<(), u64>("steps").unwrap().submit(()).await.unwrap();
    let before = test.now();
    test.start_next("steps").await;
    test.advance(7 * SECOND).await;
    assert_eq!(test.now(), before + 7 * SECOND);
    assert_eq!(test.jobs("steps").assert_one().result::<u64>(), 7000);
}

/// Answers after so many milliseconds of the machine's time, as a database would.
async fn elsewhere(millis: u64) {
    let (answer, answered) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        // The machine's time, on purpose: what a test waits for outside of the runtime takes it.
        std::thread::sleep(Duration::from_millis(millis));
        answer.send(()).unwrap();
    });
    answered.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn time_that_is_held_does_not_run_ahead_of_what_is_no_wait_for_time() {
    let asks = |_: (), _: JobContext| async {
        elsewhere(20).await;
        Ok::<_, String>(())
    };
    let options = FlowOptions::new().timeout(SECOND);
    let test = TestEngine::start(FlowEngine::builder().flow_with("ask", asks, options)).await;
    let _held = test.hold_time();
    let also_held = test.hold_time();
    let before = test.now();
    elsewhere(5).await;
    drop(also_held);
    assert_eq!(test.perform("ask", ()).await.state(), State::Succeeded);
    assert_eq!(test.now(), before);
    // It is turned all the same, with and without something that runs.
    test.hang_next("ask");
    test.engine().flow::<(), ()>("ask").unwrap().submit(()).await.unwrap();
    test.advance(DAY).await;
    test.start_next("ask").await;
    test.advance(MINUTE).await;
    assert_eq!(test.jobs("ask").state(State::Failed).assert_one().error().kind, JobError::TIMED_OUT);
    assert_eq!(test.now(), before + DAY + MINUTE);
    elsewhere(5).await;
    assert_eq!(test.now(), before + DAY + MINUTE);
}

#[test]
fn a_runtime_ends_though_time_is_held_for_ever() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let test = start().await;
        std::mem::forget(test.hold_time());
    });
    drop(runtime);
}

#[tokio::test]
async fn time_that_passes_is_refused() {
    let says = super::says_later(start()).await;
    let why =
        "the test's engine does not start: time is not paused here: use `#[tokio::test(start_paused = true)]`\n  at ";
    assert!(says.starts_with(why), "{says}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runtime_of_several_threads_is_refused() {
    assert!(super::says_later(start()).await.contains("time is not paused here"));
}
