//! The URLs in headers.

use serde_json::json;

use super::{Cases, Probe, Request};

pub(super) fn cases(cases: &mut Cases) {
    cases.add("URLs in headers are relative, and lead on from wherever they are read", relative);
    cases
        .add("URLs in headers are absolute where a public base is set, a trailing slash of which is trimmed", absolute);
}

async fn relative(t: Probe) {
    let job = t.puppet("puppet").await;
    let id = job.id();
    let result = t.send(Request::get(job.path("result"))).await;
    result.has("location", "result").has("link", r#"<status>; rel="status""#);
    result.expect(result.link("status") == job.path("status"), "a link to the status");
    job.fail("no");
    t.ended("puppet", id).await;
    let result = t.send(Request::get(job.path("result"))).await;
    result.expect(result.link("error") == job.path("error"), "a link to the error");
    let query = t.send(Request::post("/echo?a=/b/c").json("1")).await;
    query.has("location", &format!("echo/{}/result", query.id()));
}

async fn absolute(t: Probe) {
    for base in ["https://example.org/api/jobs", "https://example.org/api/jobs/", "https://example.org"] {
        let trimmed = base.trim_end_matches('/');
        let t = t.serve(t.service().base_url(base)).await;
        let enqueued = t.send(Request::post("/puppet").json("{}")).await;
        let id = enqueued.is(202).id();
        enqueued
            .has("location", &format!("{trimmed}/puppet/{id}/result"))
            .has("link", &format!("<{trimmed}/puppet/{id}/status>; rel=\"status\""));
        let job = t.attach(&id).await;
        let result = t.send(Request::get(job.path("result"))).await;
        result
            .has("location", &format!("{trimmed}/puppet/{id}/result"))
            .has("link", &format!("<{trimmed}/puppet/{id}/status>; rel=\"status\""));
        job.fail("no");
        t.ended("puppet", &id).await;
        let failed = t.send(Request::get(job.path("result"))).await;
        failed.has("link", &format!("<{trimmed}/puppet/{id}/error>; rel=\"error\""));

        let waiting = t.open(Request::post("/puppet").wait(25).json("{}")).await;
        let job = t.next("puppet").await;
        job.succeed(json!(1));
        let answer = waiting.answer().await;
        answer.is(200).has("content-location", &format!("{trimmed}/puppet/{}/result", job.id()));
    }
}
