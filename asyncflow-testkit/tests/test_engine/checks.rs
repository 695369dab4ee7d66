//! What a check says when it fails.

use asyncflow_core::{State, SubmitOptions};

use super::{MINUTE, Mail, SECOND, mail, says, start, submit, submit_with};

#[tokio::test(start_paused = true)]
async fn a_job_is_found_by_all_that_is_said_of_it() {
    let test = start().await;
    let options = SubmitOptions::new().owner("acme").priority(5).run_in(MINUTE);
    submit_with(&test, "ann", options).await;
    submit(&test, "bob").await;
    let job = test
        .enqueued("mail")
        .request(mail("ann"))
        .request_where(|mail: &Mail| mail.to.len() == 3)
        .owner("acme")
        .priority(5)
        .run_in(MINUTE)
        .run_at(test.now() + MINUTE)
        .state(State::Scheduled)
        .assert_one();
    assert_eq!((job.owner(), job.priority(), job.request::<Mail>()), (Some("acme"), 5, mail("ann")));
    test.enqueued("mail").assert_count(2);
    test.enqueued("mail").state(State::Processing).assert_none();
    test.enqueued("snooze").assert_none();
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_missing_is_shown_beside_those_that_are_there() {
    let test = start().await;
    let says_of_none = says(|| test.enqueued("mail").request(mail("bob")).assert_one());
    assert_eq!(
        says_of_none,
        "expected: one job of `mail` waiting to be run with the request Mail { to: \"bob\" }\nfound:    none"
    );
    submit_with(&test, "ann", SubmitOptions::new().owner("acme")).await;
    test.perform("mail", mail("bob")).await;
    let [waits, ended] = [0, 1].map(|n| test.jobs("mail").assert_count(2)[n].id());
    let says_of_others = says(|| test.enqueued("mail").request(mail("bob")).owner("acme").assert_one());
    assert_eq!(
        says_of_others,
        format!(
            "expected: one job of `mail` waiting to be run with the request Mail {{ to: \"bob\" }}, the owner \"acme\"\n\
             found:    none\n  \
             not this one, which has another request: mail {waits} Enqueued, owner \"acme\": {{\"to\":\"ann\"}}\n  \
             not waiting any more: mail {ended} Succeeded, attempt 1: no request any more"
        )
    );
}

#[tokio::test(start_paused = true)]
async fn each_condition_says_what_there_is_instead() {
    let test = start().await;
    submit(&test, "ann").await;
    let jobs = || test.enqueued("mail");
    for (checked, instead) in [
        (says(|| jobs().owner("acme").assert_one()), "which has no owner"),
        (says(|| jobs().priority(3).assert_one()), "which has priority 0"),
        (says(|| jobs().run_in(SECOND).assert_one()), "which has not put off"),
        (says(|| jobs().run_at(test.now()).assert_one()), "with ready at 2026-01-01T00:00:00Z"),
        (says(|| jobs().state(State::Scheduled).assert_one()), "which has Enqueued"),
        (says(|| jobs().request_where(|_: &Mail| false).assert_one()), "which has a request that does not fit"),
        (says(|| jobs().request(7).assert_one()), "which has a request that is no i32 (invalid type: map"),
    ] {
        assert!(checked.contains(instead), "{checked}");
    }
    submit_with(&test, "bob", SubmitOptions::new().owner("x").run_in(MINUTE)).await;
    for (checked, instead) in [
        (says(|| jobs().owner("acme").assert_one()), "which has the owner \"x\""),
        (says(|| jobs().run_in(SECOND).assert_one()), "which has ready in 60s"),
        (says(|| jobs().run_at(test.now()).assert_one()), "which has ready at 2026-01-01T00:01:00Z"),
        (says(|| jobs().assert_one()), "found:    2\n  this one: mail "),
        (says(|| jobs().assert_none()), "expected: no job of `mail` waiting to be run\nfound:    2"),
        (says(|| jobs().assert_count(3)), "expected: 3 jobs of `mail` waiting to be run\nfound:    2"),
        (says(|| test.jobs("mail").state(State::Failed).assert_one()), "expected: one job of `mail` with Failed\n"),
        (says(|| test.enqueued("mial")), "there is no flow `mial`: the engine has `mail`"),
        (says(|| test.fail_next("mial", "x")), "there is no flow `mial`"),
    ] {
        assert!(checked.contains(instead), "{checked}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_result_that_is_not_there_says_why() {
    let test = start().await;
    let failed = test.perform("mail", mail("nobody")).await;
    let checked = says(|| failed.result::<String>());
    assert!(checked.starts_with("expected: the job to have succeeded\nfound:    mail "), "{checked}");
    assert!(
        checked.ends_with("Failed, attempt 1: {\"to\":\"nobody\"}\nNoSuchAddress: nobody lives there"),
        "{checked}"
    );
    test.panic_next("mail");
    let checked = says_of_panic(&test.perform("mail", mail("ann")).await);
    assert!(checked.contains("Panicked: the job panicked\npanicked at "), "{checked}");
    let succeeded = test.perform("mail", mail("ann")).await;
    assert!(says(|| succeeded.error()).starts_with("expected: the job to have failed\nfound:    mail "));
    assert!(says(|| succeeded.result::<u8>()).starts_with("the result is no `u8`: invalid type: string"));
    assert!(says(|| succeeded.request::<Mail>()).starts_with("the request is gone, with the job's end: mail "));
    assert!(says(|| failed.request::<u8>()).starts_with("the request is no `u8`: invalid type: map"));
}

fn says_of_panic(job: &asyncflow_testkit::engine::TestJob) -> String {
    says(|| job.result::<String>())
}
