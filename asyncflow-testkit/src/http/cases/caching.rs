//! Entity tags, and what may be kept.

use serde_json::json;

use super::{Cases, Probe, Request};

pub(super) fn cases(cases: &mut Cases) {
    cases.add("a status has a weak tag, which changes with it and with it alone", status_tag);
    cases.add("a JSON result has a weak tag", result_tag);
    cases.add("a condition that holds is answered 304, with the 200's tag and caching", not_modified);
    cases.add("conditions are compared weakly, in lists, over several headers, and * holds for all", conditions);
    cases.add("a condition that does not hold, or is none, changes nothing", does_not_hold);
    cases.add("a condition on what is not there, or not yet, changes nothing", without_tag);
}

async fn status_tag(t: Probe) {
    let job = t.puppet("puppet").await;
    let first = t.send(Request::get(job.path("status"))).await;
    first.expect(first.header("etag").starts_with("W/\""), "a weak tag");
    t.send(Request::get(job.path("status"))).await.has("etag", first.header("etag"));
    job.report("on", None, None);
    t.progressed(&job, "on").await;
    let second = t.send(Request::get(job.path("status"))).await;
    second.expect(second.header("etag") != first.header("etag"), "another tag after progress");
    job.succeed(json!(1));
    t.ended("puppet", job.id()).await;
    let third = t.send(Request::get(job.path("status"))).await;
    third.expect(third.header("etag") != second.header("etag"), "another tag after the end");
}

async fn result_tag(t: Probe) {
    let id = t.done("echo", "1").await;
    let answer = t.send(Request::get(format!("/echo/{id}/result"))).await;
    answer.expect(answer.header("etag").starts_with("W/\""), "a weak tag");
}

/// A status and a result with a tag each.
async fn tagged(t: &Probe) -> [super::Exchange; 2] {
    let id = t.done("echo", "1").await;
    [t.send(Request::get(format!("/echo/{id}/status"))).await, t.send(Request::get(format!("/echo/{id}/result"))).await]
}

fn again(known: &super::Exchange, condition: &str) -> Request {
    Request::get(&*known.request.target).with("if-none-match", condition)
}

async fn not_modified(t: Probe) {
    for known in tagged(&t).await {
        let answer = t.send(again(&known, known.header("etag"))).await;
        answer.is(304).is_empty().has("etag", known.header("etag"));
        answer.has("cache-control", known.header("cache-control")).lacks("retry-after");
        let head = Request { method: "HEAD".into(), ..again(&known, known.header("etag")) };
        t.send(head).await.is(304).has("etag", known.header("etag"));
    }
    let job = t.puppet("puppet").await;
    let running = t.send(Request::get(job.path("status"))).await;
    t.send(again(&running, running.header("etag"))).await.is(304).lacks("retry-after");
}

async fn conditions(t: Probe) {
    for known in tagged(&t).await {
        let weak = known.header("etag");
        let strong = weak.trim_start_matches("W/");
        for condition in [
            weak.to_owned(),
            strong.to_owned(),
            format!("\"other\", {weak}"),
            format!("{strong}, W/\"other\""),
            format!("W/\"a,b\" ,\t{weak} ,"),
            format!(",, {weak}"),
            "*".to_owned(),
        ] {
            t.send(again(&known, &condition)).await.is(304);
        }
        t.send(again(&known, "\"other\"").with("if-none-match", weak)).await.is(304);
    }
}

async fn does_not_hold(t: Probe) {
    for known in tagged(&t).await {
        let weak = known.header("etag");
        let value = weak.trim_start_matches("W/").trim_matches('"');
        for condition in [
            "\"other\"".to_owned(),
            "W/\"other\", \"another\"".to_owned(),
            value.to_owned(),
            format!("\"{value}"),
            format!("\"x{value}\""),
            format!("\", {weak}, \""),
            String::new(),
            "nonsense".to_owned(),
        ] {
            t.quietly(again(&known, &condition)).await.is(200).body_is(&known.body);
        }
        let other = Request::get(&*known.request.target).with("if-match", "\"other\"");
        t.send(other.with("if-modified-since", "Fri, 31 Dec 9999 23:59:59 GMT")).await.is(200);
    }
}

async fn without_tag(t: Probe) {
    let job = t.puppet("puppet").await;
    t.send(Request::get(job.path("result")).with("if-none-match", "*")).await.is(202);
    t.send(Request::get(job.path("error")).with("if-none-match", "*")).await.is(204);
    let unknown = format!("/echo/{}/status", super::UNKNOWN);
    t.send(Request::get(unknown).with("if-none-match", "*")).await.problem(404, "not-found");
    let failed = t.failed("failing").await;
    let result = Request::get(format!("/failing/{failed}/result")).with("if-none-match", "*");
    t.send(result).await.problem(404, "job-failed");
}
