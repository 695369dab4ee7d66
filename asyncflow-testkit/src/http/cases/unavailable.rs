//! When the engine or its store cannot serve.

use std::time::Duration;

use serde_json::json;

use crate::faults::Fault;

use super::{Cases, Probe, Request};

pub(super) fn cases(cases: &mut Cases) {
    cases.add("while it shuts down it takes no jobs, and still answers for those it has", shutting_down);
    cases.add("what was accepted before a shutdown is not lost", not_lost);
    cases.add(
        "while the store is away every endpoint is the problem unavailable, and all is there again after it",
        store_away,
    );
    cases.add("while the store does not answer, every endpoint is the problem unavailable before long", store_silent);
    cases.add("a job whose insert was answered with a fault is one job all the same", answer_lost);
    cases.add("a wait during which the store goes away ends", waiting_while_away);
}

async fn shutting_down(t: Probe) {
    let job = t.puppet("puppet").await;
    let done = t.done("echo", "1").await;
    let failed = t.failed("failing").await;
    let engine = t.engine.clone();
    let draining = tokio::spawn(async move { engine.shutdown(Duration::from_secs(60)).await });
    // The drain has begun as soon as no job is taken any more.
    while t.quietly(Request::post("/echo").json("1")).await.status == 202 {
        tokio::task::yield_now().await;
    }
    t.send(Request::post("/echo").json("1")).await.problem(503, "unavailable").has("retry-after", "1");
    t.send(Request::post("/puppet").json("{")).await.problem(400, "invalid-json");
    t.send(Request::get(job.path("status"))).await.is(200).says("/Status", "Processing");
    t.send(Request::get(format!("/echo/{done}/result"))).await.is(200).body_is("1");
    t.send(Request::get(format!("/failing/{failed}/error"))).await.is(200);
    job.succeed(json!("in time"));
    t.ended("puppet", job.id()).await;
    let _ = draining.await;
    t.send(Request::get(job.path("result"))).await.is(200).body_is(r#""in time""#);
    t.send(Request::post("/echo").json("1")).await.problem(503, "unavailable");
}

async fn not_lost(t: Probe) {
    let _running = t.puppet("single").await;
    let waiting = t.job("single").await;
    t.engine.shutdown(Duration::ZERO).await;
    let next = t.on(t.world.node()).await;
    // Both are there for the next node on the same store; the one that ran is started again.
    for _ in 0..2 {
        let job = next.next("single").await;
        job.succeed(json!("on the next node"));
        next.ended("single", job.id()).await;
        next.quietly(Request::get(job.path("result"))).await.is(200).body_is(r#""on the next node""#);
    }
    next.quietly(Request::get(format!("/single/{waiting}/status"))).await.is(200).says("/Status", "Succeeded");
}

async fn store_away(t: Probe) {
    // So that nobody waits long for a store that is away.
    let t = t.on(t.world.node().timing(|times| times.call = Duration::from_millis(100))).await;
    let job = t.puppet("puppet").await;
    let done = t.done("echo", "1").await;
    t.world.faults.away(true);
    for request in [
        Request::post("/echo").json("1"),
        Request::post("/echo").with("idempotency-key", "k").wait(25).json("1"),
        Request::get(job.path("status")),
        Request::get(job.path("status")).wait(25),
        Request::get(job.path("result")).wait(25),
        Request::get(format!("/echo/{done}/result")),
        Request::get(format!("/echo/{done}/error")),
        Request::post(job.path("cancel")),
        Request::delete(job.path("")),
    ] {
        t.send(request).await.problem(503, "unavailable").has("retry-after", "1");
    }
    // What needs no store is refused as ever.
    t.send(Request::get("/nope")).await.problem(404, "not-found");
    t.send(Request::post("/echo").json("{")).await.problem(400, "invalid-json");
    t.world.faults.away(false);
    t.send(Request::get(job.path("status"))).await.is(200).says("/Status", "Processing");
    t.send(Request::get(format!("/echo/{done}/result"))).await.is(200).body_is("1");
    t.send(Request::post("/echo").json("1")).await.is(202);
    job.succeed(json!("all the same"));
    t.ended("puppet", job.id()).await;
    t.send(Request::get(job.path("result"))).await.is(200).body_is(r#""all the same""#);
}

async fn store_silent(t: Probe) {
    let t = t.on(t.world.node().timing(|times| times.call = Duration::from_millis(100))).await;
    let job = t.puppet("puppet").await;
    t.world.faults.frozen(true);
    for request in [
        Request::post("/echo").json("1"),
        Request::get(job.path("status")),
        Request::get(job.path("result")).wait(25),
        Request::delete(job.path("")),
    ] {
        t.soon(t.send(request)).await.problem(503, "unavailable");
    }
    t.world.faults.frozen(false);
    t.send(Request::get(job.path("status"))).await.is(200).says("/Status", "Processing");
}

async fn answer_lost(t: Probe) {
    for (fault, jobs) in [(Fault::After, 1), (Fault::Before, 2)] {
        t.world.faults.next_writes([fault]);
        let job = t.puppet("puppet").await;
        t.stored("puppet", jobs).await;
        job.succeed(json!(jobs));
        t.ended("puppet", job.id()).await;
        t.send(Request::get(job.path("result"))).await.is(200).body_is(jobs.to_string());
    }
}

async fn waiting_while_away(t: Probe) {
    let job = t.puppet("puppet").await;
    let mut waiting = t.quiet().open(Request::get(job.path("result")).wait(2)).await;
    waiting.stays_open(Duration::from_millis(50)).await;
    t.world.faults.away(true);
    let answer = waiting.answer().await;
    answer.expect(matches!(answer.status, 202 | 503), "202, or 503");
    t.world.faults.away(false);
}
