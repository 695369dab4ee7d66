//! `POST /data/{jobId}/cancel`: to stop without forgetting.

use serde_json::json;

use super::{Cases, Probe, Request};

pub(super) fn cases(cases: &mut Cases) {
    cases.add("cancel of a running job answers 202 with its status, and tells the handler", running);
    cases.add("cancel can be repeated until the job has ended", repeated);
    cases.add("a waiting job is cancelled at once", waiting);
    cases.add("cancel of an ended job is the problem job-ended", ended);
    cases.add("a handler that returns success first has succeeded, though it was asked to stop", success_first);
    cases.add("a handler that fails after it was asked to stop is cancelled", failure_after);
    cases.add("cancel takes any body or none", any_body);
    cases.add("a cancelled job stays readable", readable);
}

async fn running(t: Probe) {
    let job = t.puppet("puppet").await;
    let answer = t.send(Request::post(job.path("cancel"))).await;
    answer.is(202).says("/RequestId", job.id()).has("content-type", "application/json");
    job.stopped().await;
    t.ended("puppet", job.id()).await;
    t.send(Request::get(job.path("status"))).await.says("/Status", "Cancelled");
}

async fn repeated(t: Probe) {
    let job = t.puppet("stubborn").await;
    for _ in 0..3 {
        let answer = t.send(Request::post(job.path("cancel"))).await;
        answer.is(202).says("/Status", "Processing").says("/CancelRequested", true);
        let status = t.send(Request::get(job.path("status"))).await;
        // With the body of a status come its headers.
        status.is(200).body_is(&answer.body).has("etag", answer.header("etag"));
    }
}

async fn waiting(t: Probe) {
    let _running = t.puppet("single").await;
    for id in [t.job("single").await, t.scheduled("single").await] {
        let answer = t.send(Request::post(format!("/single/{id}/cancel"))).await;
        answer.is(202).says("/Status", "Cancelled").says("/RequestId", id.clone());
        t.send(Request::post(format!("/single/{id}/cancel"))).await.problem(409, "job-ended");
        t.never_started(&id);
    }
}

async fn ended(t: Probe) {
    for (flow, id) in [
        ("echo", t.done("echo", "1").await),
        ("failing", t.failed("failing").await),
        ("puppet", t.cancelled("puppet").await),
    ] {
        let before = t.send(Request::get(format!("/{flow}/{id}/status"))).await;
        t.send(Request::post(format!("/{flow}/{id}/cancel"))).await.problem(409, "job-ended");
        t.send(Request::get(format!("/{flow}/{id}/status"))).await.is(200).body_is(&before.body);
    }
}

async fn success_first(t: Probe) {
    let job = t.puppet("stubborn").await;
    t.send(Request::post(job.path("cancel"))).await.is(202);
    job.succeed(json!("done all the same"));
    t.ended("stubborn", job.id()).await;
    t.send(Request::get(job.path("status"))).await.says("/Status", "Succeeded");
    t.send(Request::get(job.path("result"))).await.is(200).body_is(r#""done all the same""#);
}

async fn failure_after(t: Probe) {
    let job = t.puppet("stubborn").await;
    t.send(Request::post(job.path("cancel"))).await.is(202);
    job.fail("stopped half-way");
    t.ended("stubborn", job.id()).await;
    t.send(Request::get(job.path("status"))).await.says("/Status", "Cancelled");
    t.send(Request::get(job.path("error"))).await.is(204);
}

async fn any_body(t: Probe) {
    let job = t.puppet("stubborn").await;
    let cancel = || Request::post(job.path("cancel"));
    t.send(cancel().body("")).await.is(202);
    t.send(cancel().json("{")).await.is(202);
    t.send(cancel().with("content-type", "text/csv").with("content-encoding", "gzip").body("a,b")).await.is(202);
    t.send(cancel().body(b"\xff\xfe".as_slice())).await.is(202);
    t.send(cancel().chunked(&[b"a", b"b"])).await.is(202);
    t.send(cancel().with("idempotency-key", "").with("prefer", "wait=0")).await.is(202);
    // None is waited for.
    t.send(cancel().with("content-length", "9999999")).await.is(202);
    t.send(cancel().with("transfer-encoding", "chunked")).await.is(202);
}

async fn readable(t: Probe) {
    let id = t.cancelled("puppet").await;
    t.send(Request::get(format!("/puppet/{id}/status"))).await.is(200).says("/Status", "Cancelled");
    t.send(Request::get(format!("/puppet/{id}/error"))).await.is(204);
    t.send(Request::get(format!("/puppet/{id}/result"))).await.problem(404, "job-cancelled");
}
