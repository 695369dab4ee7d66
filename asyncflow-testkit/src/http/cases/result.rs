//! `GET /data/{jobId}/result`.

use serde_json::json;

use super::{Cases, Probe, Request};

pub(super) fn cases(cases: &mut Cases) {
    cases.add("a result is the very JSON that the job returned", json_result);
    cases.add("every JSON value can be a result", every_value);
    cases.add("a result may be text, or other bytes of another type", other_types);
    cases.add("the result of a job that has not ended is 202, and says where to look", not_ended);
    cases.add("the result of a failed job is the problem job-failed, with a link to the error", failed);
    cases.add("the result of a cancelled job is the problem job-cancelled, with a link to the status", cancelled);
    cases.add("a result can be read again and again", again);
}

async fn json_result(t: Probe) {
    let value = r#"{"b":[1,2.5,"é\n"],"a":null}"#;
    let id = t.done("raw", value).await;
    let answer = t.send(Request::get(format!("/raw/{id}/result"))).await;
    answer.is(200).body_is(value).has("content-type", "application/json").lacks("location").lacks("link");
}

async fn every_value(t: Probe) {
    for value in ["null", "true", "0", "-1.5", r#""""#, r#""text""#, "[]", "{}", "[[]]"] {
        let id = t.done("echo", value).await;
        t.send(Request::get(format!("/echo/{id}/result"))).await.is(200).body_is(value);
    }
}

async fn other_types(t: Probe) {
    let request = Request::post("/text").with("content-type", "text/plain").body("so be it\n");
    let id = t.send(request).await.is(202).id();
    t.ended("text", &id).await;
    let answer = t.send(Request::get(format!("/text/{id}/result"))).await;
    answer.is(200).body_is("so be it\n").has("content-type", "text/plain; charset=utf-8");

    let id = t.done("bytes", "[0,255,10,128]").await;
    let answer = t.send(Request::get(format!("/bytes/{id}/result"))).await;
    answer.is(200).body_is(b"\x00\xff\n\x80").has("content-type", "application/octet-stream");
}

async fn not_ended(t: Probe) {
    let job = t.puppet("puppet").await;
    let answer = t.send(Request::get(job.path("result"))).await;
    answer.is(202).is_empty().lacks("content-type").lacks("etag").has("location", "result");
    answer.has("link", r#"<status>; rel="status""#).header("retry-after");
    t.send(Request::get(answer.link("status"))).await.is(200).says("/RequestId", job.id());

    let waiting = t.scheduled("puppet").await;
    t.send(Request::get(format!("/puppet/{waiting}/result"))).await.is(202).is_empty();
}

async fn failed(t: Probe) {
    let job = t.puppet("puppet").await;
    job.fail("no");
    t.ended("puppet", job.id()).await;
    let answer = t.send(Request::get(job.path("result"))).await;
    answer.problem(404, "job-failed").has("link", r#"<error>; rel="error""#);
    t.send(Request::get(answer.link("error"))).await.is(200).says("/JobId", job.id());
}

async fn cancelled(t: Probe) {
    let job = t.puppet("puppet").await;
    t.send(Request::post(job.path("cancel"))).await.is(202);
    t.ended("puppet", job.id()).await;
    let answer = t.send(Request::get(job.path("result"))).await;
    answer.problem(404, "job-cancelled").has("link", r#"<status>; rel="status""#);
    t.send(Request::get(answer.link("status"))).await.is(200).says("/Status", "Cancelled");
}

async fn again(t: Probe) {
    let id = t.done("echo", &json!({"n": 1}).to_string()).await;
    let first = t.send(Request::get(format!("/echo/{id}/result"))).await;
    let second = t.send(Request::get(format!("/echo/{id}/result"))).await;
    second.is(200).body_is(&first.body).has("etag", first.header("etag"));
}
