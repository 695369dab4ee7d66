//! `GET /data/{jobId}/error`, and what an error shows.

use super::{Cases, Probe, Request};

pub(super) fn cases(cases: &mut Cases) {
    cases.add("an error has just the job's id, and type, message and stack trace", shape);
    cases.add("there is no error until a job has failed, nor where it did not fail", none);
    cases.add("by default the stack trace is the error and its chain of causes, one a line", causes);
    cases.add("an error's type is the last segment of its type's name, or what it says of itself", types);
    cases.add("a panic is an error of type Panicked that does not tell the panic's text", panicked);
    cases.add("whatever went wrong, the job can be read, and the next one runs", next_one_runs);
}

async fn shape(t: Probe) {
    let job = t.puppet("puppet").await;
    job.fail("it is broken");
    t.ended("puppet", job.id()).await;
    let answer = t.send(Request::get(job.path("error"))).await;
    answer.is(200).has("content-type", "application/json").lacks("retry-after").says("/JobId", job.id());
    let error = r#"{"Type":"Told","Message":"it is broken","StackTrace":"Told: it is broken"}"#;
    answer.reads(&format!(r#"{{"JobId":"<id1>","Error":{error}}}"#));
}

async fn none(t: Probe) {
    let running = t.puppet("puppet").await;
    t.send(Request::get(running.path("error"))).await.is(204).is_empty().lacks("content-type");
    let scheduled = t.scheduled("puppet").await;
    t.send(Request::get(format!("/puppet/{scheduled}/error"))).await.is(204);
    let done = t.done("echo", "1").await;
    t.send(Request::get(format!("/echo/{done}/error"))).await.is(204);
    t.send(Request::post(running.path("cancel"))).await.is(202);
    t.ended("puppet", running.id()).await;
    t.send(Request::get(running.path("error"))).await.is(204);
}

async fn causes(t: Probe) {
    let id = t.failed("failing").await;
    let answer = t.send(Request::get(format!("/failing/{id}/error"))).await;
    let trace = "OrderError: the order cannot be placed\ncaused by: the price is unknown\ncaused by: no such item";
    answer.is(200).says("/Error/Message", "the order cannot be placed").says("/Error/StackTrace", trace);
}

async fn types(t: Probe) {
    for (flow, kind) in [("failing", "OrderError"), ("naming", "chosen-name"), ("texting", "Error")] {
        let id = t.failed(flow).await;
        t.send(Request::get(format!("/{flow}/{id}/error"))).await.is(200).says("/Error/Type", kind);
    }
}

async fn panicked(t: Probe) {
    let job = t.puppet("puppet").await;
    job.panic("a secret");
    t.ended("puppet", job.id()).await;
    let answer = t.send(Request::get(job.path("error"))).await;
    answer.is(200).says("/Error/Type", "Panicked");
    let told = String::from_utf8_lossy(&answer.body);
    answer.expect(!told.contains("secret") && !told.contains(".rs"), "nothing of the panic's text or place");
    answer.expect(answer.at("/Error/StackTrace") != "", "a stack trace that is not empty");
}

async fn next_one_runs(t: Probe) {
    let first = t.puppet("single").await;
    first.panic("first");
    t.ended("single", first.id()).await;
    let second = t.puppet("single").await;
    second.succeed(serde_json::json!("second"));
    t.ended("single", second.id()).await;
    t.send(Request::get(second.path("result"))).await.is(200).body_is(r#""second""#);
}
