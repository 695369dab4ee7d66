//! `POST /data`: how a job is accepted.

use serde_json::{Value, json};

use super::{Cases, Probe, Request};

pub(super) fn cases(cases: &mut Cases) {
    cases.add("enqueue answers 202 with the job's id and time, and where its result and status will be", accepted);
    cases.add("a job's id is a UUID of version 7 in 36 lower-case characters", id_shape);
    cases.add("the time in the answer to an enqueue is the job's time of creation", same_time);
    cases.add("an enqueue is durable when it is answered: its status can be read at once", readable_at_once);
    cases.add("two equal requests without a key are two jobs", two_jobs);
    cases.add("a job that was started in code is followed over HTTP, and the other way round", in_code);
    cases.add("unknown query parameters are ignored", query);
    cases.add("what a client accepts never matters", accept);
    cases.add("the URLs in an enqueue's headers lead to the job", urls_lead_on);
    cases.add("further headers of a request do not matter", other_headers);
}

async fn accepted(t: Probe) {
    let answer = t.send(Request::post("/echo").json(r#"{"count":3}"#)).await;
    answer.is(202).reads(r#"{"RequestId":"<id1>","DateTime":"<time>"}"#).has("content-type", "application/json");
    let id = answer.id();
    answer
        .has("location", &format!("echo/{id}/result"))
        .has("link", &format!("<echo/{id}/status>; rel=\"status\""))
        .has("retry-after", "1")
        .lacks("preference-applied")
        .lacks("etag");
}

async fn id_shape(t: Probe) {
    let answer = t.send(Request::post("/echo").json("1")).await;
    let id = answer.id();
    let well_formed = id.len() == 36 && id.as_bytes()[14] == b'7' && id == id.to_lowercase();
    answer.expect(well_formed, "an id of version 7 in lower case");
}

async fn same_time(t: Probe) {
    let enqueued = t.send(Request::post("/puppet").json("1")).await;
    let job = t.attach(&enqueued.id()).await;
    let status = t.send(Request::get(job.path("status"))).await;
    status.is(200).says("/CreatedAt", enqueued.at("/DateTime")).says("/RequestId", enqueued.id());
}

async fn readable_at_once(t: Probe) {
    for _ in 0..20 {
        let id = t.quietly(Request::post("/puppet").json("{}")).await.id();
        t.quietly(Request::get(format!("/puppet/{id}/status"))).await.is(200).says("/RequestId", id);
    }
}

async fn two_jobs(t: Probe) {
    let first = t.send(Request::post("/echo").json("1")).await;
    let second = t.send(Request::post("/echo").json("1")).await;
    second.expect(first.id() != second.id(), "another id than the first job's");
}

async fn in_code(t: Probe) {
    let puppets = t.engine.flow::<Value, Value>("puppet").unwrap_or_else(|error| super::fail(&error.to_string()));
    let started = puppets.submit(json!({})).await.unwrap_or_else(|error| super::fail(&error.to_string()));
    let job = t.attach(&started.id().to_string()).await;
    t.send(Request::get(job.path("status"))).await.is(200).says("/Status", "Processing");
    job.succeed(json!("in code"));
    t.send(Request::get(job.path("result")).wait(25)).await.is(200).body_is(r#""in code""#);

    let job = t.puppet("puppet").await;
    job.succeed(json!("over HTTP"));
    let id = job.id().parse().unwrap_or_else(|_| super::fail("expected: an id"));
    let result = puppets.job(id).wait().await.map_err(|error| error.to_string());
    if result != Ok(json!("over HTTP")) {
        super::fail(&format!("expected: the result of the job\ngot:      {result:?}"));
    }
}

async fn query(t: Probe) {
    for query in ["?", "?wait=9", "?a=1&b=%zz", "?/status", "??"] {
        let id = t.send(Request::post(format!("/echo{query}")).json("1")).await.is(202).id();
        t.ended("echo", &id).await;
        t.send(Request::get(format!("/echo/{id}/status{query}"))).await.is(200);
    }
}

async fn accept(t: Probe) {
    for accept in ["text/csv", "application/json;q=0", "nonsense", ""] {
        let id = t.send(Request::post("/echo").with("accept", accept).json("1")).await.is(202).id();
        t.ended("echo", &id).await;
        t.send(Request::get(format!("/echo/{id}/status")).with("accept", accept)).await.is(200);
        t.send(Request::get(format!("/echo/{id}/result")).with("accept", accept)).await.is(200);
    }
}

async fn urls_lead_on(t: Probe) {
    let answer = t.send(Request::post("/echo").json("[1]")).await;
    let id = answer.id();
    t.ended("echo", &id).await;
    let result = t.send(Request::get(answer.resolve(answer.header("location")))).await;
    result.is(200).body_is("[1]");
    let status = t.send(Request::get(answer.link("status"))).await;
    status.is(200).says("/RequestId", id);
}

async fn other_headers(t: Probe) {
    let request = Request::post("/echo").with("x-anything", b"\xe4\xff").with("cookie", "a=b").json("1");
    t.send(request.with("if-none-match", "*").with("range", "bytes=0-1")).await.is(202);
}
