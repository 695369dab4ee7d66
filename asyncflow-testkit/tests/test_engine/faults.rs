//! What goes wrong when the test says so.

use asyncflow_core::{Again, JobError, State, SubmitError, SubmitOptions};
use asyncflow_testkit::faults::Fault;

use super::{MINUTE, NoSuchAddress, SECOND, mail, mails, start, submit};

#[tokio::test(start_paused = true)]
async fn the_next_attempts_fail_as_they_are_told() {
    let test = start().await;
    let sleeps = test.engine().flow::<u64, u32>("sleep").unwrap();
    sleeps.submit(1).await.unwrap();
    test.fail_next("sleep", NoSuchAddress);
    test.fail_next("sleep", Again::after(5 * SECOND, NoSuchAddress));
    test.panic_next("sleep");
    assert_eq!(test.run_next("sleep").await.run_in(), Some(MINUTE));
    test.advance(MINUTE).await;
    assert_eq!(test.run_next("sleep").await.run_in(), Some(5 * SECOND));
    test.advance(5 * SECOND).await;
    let error = test.run_next("sleep").await.error();
    assert_eq!((error.kind.as_str(), error.detail.unwrap().contains("the test said so")), (JobError::PANICKED, true));
    test.fail_next("mail", NoSuchAddress);
    let error = test.perform("mail", mail("ann")).await.error();
    assert_eq!((error.kind.as_str(), error.message.as_str()), ("NoSuchAddress", "nobody lives there"));
    assert_eq!(test.perform("mail", mail("ann")).await.result::<String>(), "to ann");
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_hangs_runs_out_of_time_or_is_cancelled() {
    let test = start().await;
    test.hang_next("sleep");
    let job = test.perform("sleep", 1).await;
    assert_eq!((job.state(), job.attempts()), (State::Scheduled, 1));
    test.hang_next("mail");
    let job = mails(&test).submit(mail("ann")).await.unwrap();
    test.start_next("mail").await;
    job.cancel().await.unwrap();
    test.finish_running().await;
    assert_eq!(test.job(job.id()).unwrap().state(), State::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_worker_was_lost_runs_again_a_minute_later() {
    let test = start().await;
    let sleeps = test.engine().flow::<u64, u32>("sleep").unwrap();
    let job = sleeps.submit(30).await.unwrap();
    test.start_next("sleep").await;
    test.lose_worker();
    test.advance(30 * SECOND).await;
    assert_eq!(test.job(job.id()).unwrap().state(), State::Processing, "the lease has ended just now");
    test.advance(30 * SECOND).await;
    assert_eq!(test.run_next("sleep").await.result::<u32>(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_worker_is_lost_at_once_and_again_and_again() {
    let test = start().await;
    submit(&test, "ann").await;
    for attempt in 1..=3 {
        test.lose_next("mail");
        let job = test.run_next("mail").await;
        assert_eq!((job.state(), job.attempts()), (State::Processing, attempt));
        test.advance(MINUTE).await;
    }
    assert_eq!(test.jobs("mail").assert_one().error().kind, JobError::WORKER_LOST);
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_of_a_lost_job_is_done_when_it_is_found() {
    let test = start().await;
    let job = test.engine().flow::<u64, u32>("sleep").unwrap().submit(30).await.unwrap();
    test.start_next("sleep").await;
    test.lose_worker();
    job.cancel().await.unwrap();
    test.advance(MINUTE).await;
    assert_eq!(test.job(job.id()).unwrap().state(), State::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn the_store_is_away_for_so_many_calls() {
    let test = start().await;
    // Submits and ends are tried again, which takes time: it passes by itself.
    test.store_faults().away_for(2);
    submit(&test, "ann").await;
    test.store_faults().next_writes([Fault::None, Fault::After, Fault::Before]);
    assert_eq!(test.run_next("mail").await.result::<String>(), "to ann");
    test.store_faults().away(true);
    let refused = mails(&test).submit_with(mail("bob"), SubmitOptions::new()).await;
    assert!(matches!(refused, Err(SubmitError::Store(_))), "{refused:?}");
    test.jobs("mail").assert_count(1);
}
