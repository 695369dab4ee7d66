//! `Prefer: wait=N`: what a waiting request is answered, and when.

use std::time::{Duration, Instant};

use asyncflow_core::Role;
use serde_json::json;

use super::{Cases, Probe, Request};

/// A second at which nothing happens is long enough to see that a request really waits.
const SECOND: Duration = Duration::from_secs(1);
/// Far below what a test may take, far above what an answer at once needs.
const LONG: u32 = 25;

pub(super) fn cases(cases: &mut Cases) {
    cases.add("an enqueue that waits answers 200 with the result once the job has succeeded", enqueue_succeeds);
    cases.add("an enqueue that waits answers the usual 202 as soon as the job has failed", enqueue_fails);
    cases.add("an enqueue that waits answers the usual 202 as soon as the job was cancelled", enqueue_cancelled);
    cases.add("an enqueue that waits answers the usual 202 as soon as the job was deleted", enqueue_deleted);
    cases.add("an enqueue that waits answers the usual 202 at the end of its time", enqueue_ends);
    cases.add("a result that is waited for comes as soon as it is there", result_comes);
    cases.add("a result that is waited for is still 202 at the end of the time", result_ends);
    cases.add("a failure ends the wait for a result", result_fails);
    cases.add("a result that is there is not waited for", result_at_once);
    cases.add("a status that is waited for without a tag comes when the job ends, not at a change", status_without_tag);
    cases.add("a status that is waited for without a tag is 200 at the end of the time", status_ends);
    cases.add("a status that is waited for with a tag comes at the first change after it", status_changes);
    cases.add("a status that is waited for with an old tag comes at once", status_old_tag);
    cases.add("a status that is waited for with its tag is 304 at the end of the time", status_unchanged);
    cases.add("a status that will not change any more is not waited for", status_ended);
    cases.add("a job that is deleted meanwhile is 404 at once, for a status and a result", deleted_meanwhile);
    cases.add("a wait on a job that is not there is 404 at once", not_there);
    cases.add("a condition that holds is answered 304 by a wait for a result too", conditional_result);
    cases.add("a wait works on a node that does not run the job", on_another_node);
    cases.add("a client that goes away while it waits harms nobody", client_leaves);
    cases.add("many can wait on one job", many);
}

async fn enqueue_succeeds(t: Probe) {
    let mut waiting = t.open(Request::post("/puppet").wait(LONG).json("{}")).await;
    let job = t.next("puppet").await;
    assert_silent(&mut waiting).await;
    job.succeed(json!({"done": true}));
    let answer = waiting.answer().await;
    answer.is(200).body_is(r#"{"done":true}"#).has("content-type", "application/json");
    answer
        .has("content-location", &format!("puppet/{}/result", job.id()))
        .has("link", &format!("<puppet/{}/status>; rel=\"status\"", job.id()))
        .has("preference-applied", &format!("wait={LONG}"))
        .lacks("location");
    let result = t.send(Request::get(job.path("result"))).await;
    result.is(200).body_is(&answer.body).has("etag", answer.header("etag"));
}

async fn enqueue_fails(t: Probe) {
    let waiting = t.open(Request::post("/puppet").wait(LONG).json("{}")).await;
    let job = t.next("puppet").await;
    job.fail("no");
    usual_202(&waiting.answer().await, "puppet", job.id());
}

async fn enqueue_cancelled(t: Probe) {
    let waiting = t.open(Request::post("/puppet").wait(LONG).json("{}")).await;
    let job = t.next("puppet").await;
    t.send(Request::post(job.path("cancel"))).await.is(202);
    usual_202(&waiting.answer().await, "puppet", job.id());
}

async fn enqueue_deleted(t: Probe) {
    let waiting = t.open(Request::post("/stubborn").wait(LONG).json("{}")).await;
    let job = t.next("stubborn").await;
    t.send(Request::delete(job.path(""))).await.is(204);
    usual_202(&waiting.answer().await, "stubborn", job.id());
}

async fn enqueue_ends(t: Probe) {
    let started = Instant::now();
    let answer = t.send(Request::post("/puppet").wait(1).json("{}")).await;
    answer.expect(started.elapsed() >= SECOND, "to be answered after a second");
    usual_202(&answer, "puppet", t.next("puppet").await.id());
    answer.has("preference-applied", "wait=1");
}

#[track_caller]
fn usual_202(answer: &super::Exchange, flow: &str, id: &str) {
    answer.is(202).reads(r#"{"RequestId":"<id1>","DateTime":"<time>"}"#).says("/RequestId", id);
    answer.has("location", &format!("{flow}/{id}/result")).lacks("content-location").lacks("etag");
}

async fn result_comes(t: Probe) {
    let job = t.puppet("puppet").await;
    let mut waiting = t.open(Request::get(job.path("result")).wait(LONG)).await;
    assert_silent(&mut waiting).await;
    job.report("Half", Some(50.0), None);
    assert_silent(&mut waiting).await;
    job.succeed(json!([1, 2]));
    waiting.answer().await.is(200).body_is("[1,2]").has("preference-applied", &format!("wait={LONG}"));
}

async fn result_ends(t: Probe) {
    let job = t.puppet("puppet").await;
    let started = Instant::now();
    let answer = t.send(Request::get(job.path("result")).wait(1)).await;
    answer.is(202).is_empty().has("location", "result").has("preference-applied", "wait=1");
    answer.expect(started.elapsed() >= SECOND, "to be answered after a second");
}

async fn result_fails(t: Probe) {
    let job = t.puppet("puppet").await;
    let waiting = t.open(Request::get(job.path("result")).wait(LONG)).await;
    job.fail("no");
    waiting.answer().await.problem(404, "job-failed").has("link", r#"<error>; rel="error""#);
}

async fn result_at_once(t: Probe) {
    let id = t.done("echo", "1").await;
    t.soon(t.send(Request::get(format!("/echo/{id}/result")).wait(LONG))).await.is(200).body_is("1");
}

async fn status_without_tag(t: Probe) {
    let job = t.puppet("puppet").await;
    let mut waiting = t.open(Request::get(job.path("status")).wait(LONG)).await;
    assert_silent(&mut waiting).await;
    job.report("Half", Some(50.0), None);
    t.progressed(&job, "Half").await;
    assert_silent(&mut waiting).await;
    job.succeed(json!(1));
    let answer = waiting.answer().await;
    answer.is(200).says("/Status", "Succeeded").has("preference-applied", &format!("wait={LONG}"));
}

async fn status_ends(t: Probe) {
    let job = t.puppet("puppet").await;
    let started = Instant::now();
    let answer = t.send(Request::get(job.path("status")).wait(1)).await;
    answer.is(200).says("/Status", "Processing").has("preference-applied", "wait=1");
    answer.expect(started.elapsed() >= SECOND, "to be answered after a second");
}

async fn status_changes(t: Probe) {
    let job = t.puppet("puppet").await;
    for step in ["first", "second"] {
        let now = t.send(Request::get(job.path("status"))).await;
        let mut waiting =
            t.open(Request::get(job.path("status")).with("if-none-match", now.header("etag")).wait(LONG)).await;
        assert_silent(&mut waiting).await;
        job.report(step, None, None);
        waiting.answer().await.is(200).says("/Status", "Processing").says("/progressData/progress", step);
    }
    let now = t.send(Request::get(job.path("status"))).await;
    let waiting = t.open(Request::get(job.path("status")).with("if-none-match", now.header("etag")).wait(LONG)).await;
    job.succeed(json!(1));
    waiting.answer().await.is(200).says("/Status", "Succeeded");
}

async fn status_old_tag(t: Probe) {
    let job = t.puppet("puppet").await;
    let old = t.send(Request::get(job.path("status"))).await;
    job.report("since", None, None);
    t.progressed(&job, "since").await;
    let request = Request::get(job.path("status")).with("if-none-match", old.header("etag")).wait(LONG);
    t.soon(t.send(request)).await.is(200).says("/progressData/progress", "since");
}

async fn status_unchanged(t: Probe) {
    let job = t.puppet("puppet").await;
    let now = t.send(Request::get(job.path("status"))).await;
    let started = Instant::now();
    let request = Request::get(job.path("status")).with("if-none-match", now.header("etag")).wait(1);
    let answer = t.send(request).await;
    answer.is(304).is_empty().has("etag", now.header("etag"));
    answer.expect(started.elapsed() >= SECOND, "to be answered after a second");
}

async fn status_ended(t: Probe) {
    let id = t.done("echo", "1").await;
    let status = t.soon(t.send(Request::get(format!("/echo/{id}/status")).wait(LONG))).await;
    status.is(200).says("/Status", "Succeeded");
    let request = Request::get(format!("/echo/{id}/status")).with("if-none-match", status.header("etag")).wait(LONG);
    t.soon(t.send(request)).await.is(304);
}

async fn deleted_meanwhile(t: Probe) {
    let job = t.puppet("stubborn").await;
    let tag = t.send(Request::get(job.path("status"))).await.header("etag").to_owned();
    let waiting = [
        t.open(Request::get(job.path("status")).wait(LONG)).await,
        t.open(Request::get(job.path("status")).with("if-none-match", tag).wait(LONG)).await,
        t.open(Request::get(job.path("result")).wait(LONG)).await,
    ];
    t.send(Request::delete(job.path(""))).await.is(204);
    for waiting in waiting {
        t.soon(waiting.answer()).await.problem(404, "not-found");
    }
}

async fn not_there(t: Probe) {
    for what in ["status", "result"] {
        let request = Request::get(format!("/echo/{}/{what}", super::UNKNOWN)).wait(LONG);
        t.soon(t.send(request)).await.problem(404, "not-found");
    }
}

async fn conditional_result(t: Probe) {
    let job = t.puppet("puppet").await;
    let waiting = t.open(Request::get(job.path("result")).with("if-none-match", "*").wait(LONG)).await;
    job.succeed(json!(1));
    waiting.answer().await.is(304).is_empty();
}

async fn on_another_node(t: Probe) {
    let other = t.on(t.world.node().role(Role::Serve)).await;
    let enqueued = other.open(Request::post("/puppet").wait(LONG).json("{}")).await;
    let job = t.next("puppet").await;
    let now = other.send(Request::get(job.path("status"))).await;
    let tagged = Request::get(job.path("status")).with("if-none-match", now.header("etag")).wait(LONG);
    let status = other.open(tagged).await;
    let result = other.open(Request::get(job.path("result")).wait(LONG)).await;
    job.report("elsewhere", None, None);
    status.answer().await.is(200).says("/progressData/progress", "elsewhere");
    job.succeed(json!("from there"));
    for waiting in [enqueued, result] {
        waiting.answer().await.is(200).body_is(r#""from there""#);
    }
}

async fn client_leaves(t: Probe) {
    let job = t.puppet("puppet").await;
    for _ in 0..10 {
        drop(t.open(Request::get(job.path("result")).wait(LONG)).await);
    }
    let waiting = t.open(Request::get(job.path("result")).wait(LONG)).await;
    job.succeed(json!("still here"));
    waiting.answer().await.is(200).body_is(r#""still here""#);
}

async fn many(t: Probe) {
    let job = t.puppet("puppet").await;
    let mut waiting = Vec::new();
    for _ in 0..100 {
        waiting.push(t.quiet().open(Request::get(job.path("result")).wait(LONG)).await);
    }
    job.succeed(json!(1));
    for waiting in waiting {
        waiting.answer().await.is(200).body_is("1");
    }
}

async fn assert_silent(waiting: &mut super::Pending) {
    waiting.stays_open(Duration::from_millis(50)).await;
}
