//! Jobs run when the test says so, in the order of production.

use std::sync::Mutex;

use asyncflow_core::{FlowEngine, JobContext, State, SubmitOptions};
use asyncflow_testkit::TestEngine;

use super::{MINUTE, SECOND, mail, mails, says_later, start, submit, submit_with};

#[tokio::test(start_paused = true)]
async fn nothing_runs_before_it_is_told_to() {
    let test = start().await;
    submit(&test, "ann").await;
    test.advance(60 * MINUTE).await;
    assert_eq!(test.enqueued("mail").assert_one().state(), State::Enqueued);
    assert_eq!(test.run_next("mail").await.result::<String>(), "to ann");
    assert!(test.run_all().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_request_is_performed_ahead_of_others_by_way_of_its_bytes() {
    let test = start().await;
    submit(&test, "ann").await;
    let job = test.perform("mail", mail("bob")).await;
    assert_eq!((job.result::<String>().as_str(), job.attempts()), ("to bob", 1));
    assert_eq!(job.progress().unwrap().text(), "knocking");
    test.enqueued("mail").request(mail("ann")).assert_one();
    // As over HTTP, what does not fit the flow's type is refused.
    let says = says_later(test.perform("mail", 7)).await;
    assert!(says.contains("the job of `mail` is not accepted: ") && says.contains("invalid type: integer"), "{says}");
}

#[tokio::test(start_paused = true)]
async fn jobs_run_by_priority_and_time_whichever_flow_they_are_of() {
    let test = start().await;
    let sleeps = test.engine().flow::<u64, u32>("sleep").unwrap();
    submit(&test, "first").await;
    test.advance(SECOND).await;
    sleeps.submit(1).await.unwrap();
    submit(&test, "third").await;
    submit_with(&test, "urgent", SubmitOptions::new().priority(10)).await;
    let ran = test.run_all().await;
    let order: Vec<_> = ran.iter().map(|job| job.record().job.id).collect();
    let mut by_rank = ran.clone();
    by_rank.sort_by_key(|job| (job.record().rank, job.id()));
    assert_eq!(order, by_rank.iter().map(|job| job.id()).collect::<Vec<_>>());
    assert_eq!(ran.iter().map(|job| job.flow()).collect::<Vec<_>>(), ["mail", "mail", "sleep", "mail"]);
    assert_eq!(ran[0].priority(), 10);
}

#[tokio::test(start_paused = true)]
async fn what_jobs_submit_runs_with_all_and_not_with_those_that_are_ready() {
    static ENGINE: Mutex<Option<FlowEngine>> = Mutex::new(None);
    let handler = |left: u32, _: JobContext| async move {
        let engine = ENGINE.lock().unwrap().clone().unwrap();
        if left > 0 {
            engine.flow::<u32, ()>("again").unwrap().submit(left - 1).await.unwrap();
        }
        Ok::<_, String>(())
    };
    let test = TestEngine::start(FlowEngine::builder().flow("again", handler)).await;
    *ENGINE.lock().unwrap() = Some(test.engine().clone());
    let again = test.engine().flow::<u32, ()>("again").unwrap();
    again.submit(3).await.unwrap();
    assert_eq!(test.run_ready().await.len(), 1);
    assert_eq!(test.run_all().await.len(), 3);
    again.submit(u32::MAX).await.unwrap();
    let says = says_later(test.run_all()).await;
    assert!(says.starts_with("5000 jobs were run, and `again` has more: do they submit each other?\n  at "), "{says}");
    *ENGINE.lock().unwrap() = None;
}

#[tokio::test(start_paused = true)]
async fn a_started_job_goes_on_beside_the_test() {
    let test = start().await;
    let sleeps = test.engine().flow::<u64, u32>("sleep").unwrap();
    let job = sleeps.submit(30).await.unwrap();
    assert_eq!(test.start_next("sleep").await.state(), State::Processing);
    test.advance(29 * SECOND).await;
    assert_eq!(test.job(job.id()).unwrap().state(), State::Processing);
    test.advance(SECOND).await;
    assert_eq!(test.job(job.id()).unwrap().result::<u32>(), 1);
    sleeps.submit(30).await.unwrap();
    test.start_next("sleep").await;
    test.finish_running().await;
    test.jobs("sleep").state(State::Succeeded).assert_count(2);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_never_waits_has_ended_when_it_was_started() {
    let test = start().await;
    submit(&test, "ann").await;
    assert_eq!(test.start_next("mail").await.result::<String>(), "to ann");
}

#[tokio::test(start_paused = true)]
async fn a_running_job_is_cancelled() {
    let test = start().await;
    let job = test.engine().flow::<u64, u32>("sleep").unwrap().submit(30).await.unwrap();
    test.start_next("sleep").await;
    job.cancel().await.unwrap();
    test.finish_running().await;
    assert_eq!(test.job(job.id()).unwrap().state(), State::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn jobs_run_as_they_come_where_they_are_let() {
    let test = start().await;
    test.run_freely(true);
    let job = mails(&test).submit(mail("ann")).await.unwrap();
    assert_eq!(job.wait().await.unwrap(), "to ann");
    test.run_freely(false);
    submit(&test, "bob").await;
    test.advance(MINUTE).await;
    test.enqueued("mail").assert_one();
}

#[tokio::test(start_paused = true)]
async fn jobs_run_to_their_end_through_retries_and_delays() {
    let test = start().await;
    let later = SubmitOptions::new().run_in(60 * MINUTE);
    submit_with(&test, "ann", later).await;
    test.engine().flow::<u64, u32>("sleep").unwrap().submit(5).await.unwrap();
    test.engine().flow::<(), ()>("snooze").unwrap().submit(()).await.unwrap();
    test.fail_next("sleep", "not now");
    test.panic_next("sleep");
    let states = |jobs: &[asyncflow_testkit::engine::TestJob]| jobs.iter().map(|job| job.state()).collect::<Vec<_>>();
    let ran = test.run_to_end().await;
    use State::{Scheduled, Succeeded};
    assert_eq!(states(&ran), [Scheduled, Scheduled, Scheduled, Succeeded, Succeeded, Succeeded]);
    assert_eq!(test.jobs("sleep").assert_one().result::<u32>(), 3);
    test.enqueued("mail").assert_none();
}

#[tokio::test(start_paused = true)]
async fn what_cannot_run_is_said() {
    let test = start().await;
    let says = says_later(test.run_next("mail")).await;
    assert!(says.starts_with("expected: a job of `mail` that is ready to be run\nfound:    none\n  at "), "{says}");
    assert!(says.contains("running.rs:"), "{says}");
    submit_with(&test, "ann", SubmitOptions::new().run_in(MINUTE)).await;
    let says = says_later(test.run_next("mail")).await;
    assert!(
        says.contains("\n  not ready: mail ") && says.contains("Scheduled, ready in 60s: {\"to\":\"ann\"}"),
        "{says}"
    );
    let sleeps = test.engine().flow::<u64, u32>("sleep").unwrap();
    for _ in 0..3 {
        sleeps.submit(5).await.unwrap();
    }
    test.start_next("sleep").await;
    test.start_next("sleep").await;
    let says = says_later(test.start_next("sleep")).await;
    assert!(says.starts_with("`sleep` runs 2 jobs, and may run no more at once: finish or lose them first"), "{says}");
    test.engine().flow::<u32, u32>("elsewhere").unwrap().submit(1).await.unwrap();
    let says = says_later(test.run_next("elsewhere")).await;
    let why = "the job is not taken up now: `elsewhere` is paused, at its limits, or run by other nodes\n  at ";
    assert!(says.starts_with(why), "{says}");
    test.engine().pause("mail").await.unwrap();
    test.advance(MINUTE).await;
    assert!(says_later(test.run_next("mail")).await.starts_with("the job is not taken up now: `mail` is paused"));
    test.engine().resume("mail").await.unwrap();
    assert_eq!(test.run_next("mail").await.result::<String>(), "to ann");
    let says = super::says(|| drop(test.run_next("mial")));
    assert_eq!(says, "there is no flow `mial`: the engine has `mail`, `sleep`, `snooze`, `elsewhere`");
    submit(&test, "bob").await;
    test.engine().shutdown(SECOND).await;
    assert!(says_later(test.run_next("mail")).await.starts_with("the engine was shut down: it runs no more jobs"));
}

#[tokio::test(start_paused = true)]
async fn ids_repeat_from_test_to_test() {
    let [one, other] = [start().await, start().await];
    for test in [&one, &other] {
        submit(test, "ann").await;
        submit(test, "bob").await;
    }
    let ids = |test: &TestEngine| test.enqueued("mail").found().iter().map(|job| job.id()).collect::<Vec<_>>();
    assert_eq!(ids(&one), ids(&other));
}
