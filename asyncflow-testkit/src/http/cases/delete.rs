//! `DELETE /data/{jobId}`.

use std::time::Duration;

use serde_json::json;

use super::{Cases, Probe, Request};

pub(super) fn cases(cases: &mut Cases) {
    cases.add("delete answers 204 in any state, and from then on the job is gone", any_state);
    cases.add("delete again is 404", again);
    cases.add("delete tells a running handler to stop", tells_the_handler);
    cases.add("a running handler that does not stop is dropped after its grace", dropped_after_grace);
    cases.add("a deleted job that was running stays gone once its handler has returned", stays_gone);
    cases.add("a deleted job that was waiting never runs", never_runs);
    cases.add("delete takes any body, and waits for none", with_body);
}

async fn gone(t: &Probe, flow: &str, id: &str) {
    for request in [
        Request::get(format!("/{flow}/{id}")),
        Request::get(format!("/{flow}/{id}/status")),
        Request::get(format!("/{flow}/{id}/result")),
        Request::get(format!("/{flow}/{id}/error")),
        Request::post(format!("/{flow}/{id}/cancel")),
        Request::delete(format!("/{flow}/{id}")),
    ] {
        t.send(request).await.problem(404, "not-found");
    }
}

async fn any_state(t: Probe) {
    let running = t.puppet("single").await;
    let enqueued = t.job("single").await;
    let scheduled = t.scheduled("single").await;
    for (flow, id) in [
        ("single", enqueued),
        ("single", scheduled),
        ("single", running.id().to_owned()),
        ("echo", t.done("echo", "1").await),
        ("failing", t.failed("failing").await),
        ("puppet", t.cancelled("puppet").await),
    ] {
        let answer = t.send(Request::delete(format!("/{flow}/{id}"))).await;
        answer.is(204).is_empty().lacks("content-type").lacks("location");
        gone(&t, flow, &id).await;
    }
}

async fn again(t: Probe) {
    let id = t.done("echo", "1").await;
    t.send(Request::delete(format!("/echo/{id}"))).await.is(204);
    t.send(Request::delete(format!("/echo/{id}"))).await.problem(404, "not-found");
}

async fn tells_the_handler(t: Probe) {
    let job = t.puppet("puppet").await;
    t.send(Request::delete(format!("/puppet/{}", job.id()))).await.is(204);
    job.stopped().await;
}

async fn dropped_after_grace(t: Probe) {
    let t = t.on(t.world.node().lease(Duration::from_secs(1))).await;
    let job = t.puppet("stubborn").await;
    t.send(Request::delete(job.path(""))).await.is(204);
    job.stopped().await;
    gone(&t, "stubborn", job.id()).await;
}

async fn stays_gone(t: Probe) {
    let job = t.puppet("stubborn").await;
    t.send(Request::delete(format!("/stubborn/{}", job.id()))).await.is(204);
    job.succeed(json!("too late"));
    job.stopped().await;
    gone(&t, "stubborn", job.id()).await;
}

async fn never_runs(t: Probe) {
    let running = t.puppet("single").await;
    let deleted = t.job("single").await;
    t.send(Request::delete(format!("/single/{deleted}"))).await.is(204);
    running.succeed(json!(1));
    // The job behind it in the queue has its turn, so its own has passed.
    let last = t.puppet("single").await;
    last.succeed(json!(1));
    t.ended("single", last.id()).await;
    t.never_started(&deleted);
}

async fn with_body(t: Probe) {
    let id = t.done("echo", "1").await;
    let request = Request::delete(format!("/echo/{id}")).with("content-type", "text/csv").body("a,b\n");
    t.send(request).await.is(204);
    let id = t.done("echo", "1").await;
    let never_sent = Request::delete(format!("/echo/{id}")).with("content-length", "9999999");
    t.send(never_sent).await.is(204);
}
