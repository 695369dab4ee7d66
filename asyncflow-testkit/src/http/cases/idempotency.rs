//! `Idempotency-Key`.

use serde_json::json;

use super::{Cases, Probe, Request};

pub(super) fn cases(cases: &mut Cases) {
    cases.add("a repeated request with the same key is the same job, and answered alike", same_job);
    cases.add("a key is the same quoted or bare", quoted_or_bare);
    cases.add("a key with another body, or another media type, is the problem idempotency-key-reused", other_body);
    cases.add("the parameters of a media type do not make another request", parameters_aside);
    cases.add("a key belongs to its flow", per_flow);
    cases.add("a key still means its job when that has ended", after_end);
    cases.add("a key still means its job when that was deleted", after_deletion);
    cases.add("a refused request does not use its key up", refused);
    cases.add("a key has 1 to 255 visible ASCII characters within its quotes", lengths);
    cases.add("a key with other characters, or two keys, are the problem invalid-idempotency-key", malformed);
    cases.add("many at once with one key are one job", at_once);
    cases.add("a repeated request that waits, waits on the job of the first", waits);
    cases.add("an empty body with a key is the same request again", empty_body);
    cases.add("a key on another endpoint means nothing", elsewhere);
}

fn keyed(flow: &str, key: &str, body: &str) -> Request {
    Request::post(format!("/{flow}")).with("idempotency-key", key).json(body.to_owned())
}

async fn same_job(t: Probe) {
    let first = t.send(keyed("puppet", "\"k\"", "{}")).await;
    let again = t.send(keyed("puppet", "\"k\"", "{}")).await;
    again.is(202).body_is(&first.body).has("location", first.header("location")).has("link", first.header("link"));
    let other = t.send(keyed("puppet", "\"K\"", "{}")).await;
    other.expect(other.id() != first.id(), "another job for another key");
}

async fn quoted_or_bare(t: Probe) {
    let quoted = t.send(keyed("puppet", "\"8e03978e-40d5\"", "{}")).await;
    t.send(keyed("puppet", "8e03978e-40d5", "{}")).await.is(202).body_is(&quoted.body);
    t.send(keyed("puppet", "  8e03978e-40d5\t", "{}")).await.is(202).body_is(&quoted.body);
}

async fn other_body(t: Probe) {
    let first = t.send(keyed("echo", "k", r#"{"n":1}"#)).await;
    t.send(keyed("echo", "k", r#"{"n":2}"#)).await.problem(422, "idempotency-key-reused");
    // The same value in other bytes is another body.
    t.send(keyed("echo", "k", r#"{"n": 1}"#)).await.problem(422, "idempotency-key-reused");
    let other_type = Request::post("/echo").with("content-type", "application/x+json").with("idempotency-key", "k");
    t.send(other_type.body(r#"{"n":1}"#)).await.problem(422, "idempotency-key-reused");
    t.send(keyed("echo", "k", r#"{"n":1}"#)).await.is(202).body_is(&first.body);
}

async fn parameters_aside(t: Probe) {
    let first = t.send(keyed("echo", "k", "1")).await;
    for content_type in ["application/json; charset=utf-8", "application/json;v=2", "Application/JSON"] {
        let again = Request::post("/echo").with("content-type", content_type).with("idempotency-key", "k").body("1");
        t.send(again).await.is(202).body_is(&first.body);
    }
    let chunked = Request::post("/echo").with("content-type", "application/json").with("idempotency-key", "k");
    t.send(chunked.chunked(&[b"1"])).await.is(202).body_is(&first.body);
}

async fn per_flow(t: Probe) {
    let echo = t.send(keyed("echo", "k", "1")).await;
    let raw = t.send(keyed("raw", "k", "1")).await;
    raw.is(202).expect(raw.id() != echo.id(), "a job of its own for each flow");
}

async fn after_end(t: Probe) {
    let first = t.send(keyed("echo", "k", "1")).await;
    t.ended("echo", &first.id()).await;
    t.send(keyed("echo", "k", "1")).await.is(202).body_is(&first.body);
}

async fn after_deletion(t: Probe) {
    let first = t.send(keyed("echo", "k", "1")).await;
    t.ended("echo", &first.id()).await;
    t.send(Request::delete(format!("/echo/{}", first.id()))).await.is(204);
    t.send(keyed("echo", "k", "1")).await.is(202).body_is(&first.body);
    t.send(Request::get(format!("/echo/{}/status", first.id()))).await.problem(404, "not-found");
    t.send(keyed("echo", "k", "2")).await.problem(422, "idempotency-key-reused");
    // A job that is gone is not waited for.
    t.soon(t.send(keyed("echo", "k", "1").wait(25))).await.is(202).body_is(&first.body);
}

async fn refused(t: Probe) {
    t.send(keyed("items", "k", "{")).await.problem(400, "invalid-json");
    t.send(keyed("items", "k", "{}")).await.problem(422, "invalid-request");
    t.send(Request::post("/items").with("idempotency-key", "k").body("{}")).await.is(415);
    t.send(keyed("items", "k", r#"{"items":[]}"#)).await.is(202);

    let _running = t.puppet("full").await;
    let waiting = t.job("full").await;
    t.send(keyed("full", "k", "{}")).await.problem(503, "too-many-waiting");
    t.send(Request::delete(format!("/full/{waiting}"))).await.is(204);
    t.send(keyed("full", "k", r#"{"other":1}"#)).await.is(202);
}

async fn lengths(t: Probe) {
    let [longest, too_long] = [255, 256].map(|length| "k".repeat(length));
    let first = t.send(keyed("puppet", &longest, "{}")).await;
    t.send(keyed("puppet", &format!("\"{longest}\""), "{}")).await.is(202).body_is(&first.body);
    t.send(keyed("puppet", "x", "{}")).await.is(202);
    t.send(keyed("puppet", "!#$%&'()*+,-./:;<=>?@[]^_`{|}~", "{}")).await.is(202);
    for key in [&too_long, &format!("\"{too_long}\""), "", "\"\""] {
        t.send(keyed("puppet", key, "{}")).await.problem(400, "invalid-idempotency-key");
    }
}

async fn malformed(t: Probe) {
    for key in ["a b", "\"a b\"", "a\tb", "\u{e9}"] {
        t.send(keyed("puppet", key, "{}")).await.problem(400, "invalid-idempotency-key");
    }
    let latin = Request::post("/puppet").with("idempotency-key", b"\xe9").json("{}");
    t.send(latin).await.problem(400, "invalid-idempotency-key");
    let twice = keyed("puppet", "k", "{}").with("idempotency-key", "k");
    t.send(twice).await.problem(400, "invalid-idempotency-key");
}

async fn at_once(t: Probe) {
    let mut pending = Vec::new();
    for _ in 0..16 {
        pending.push(t.quiet().open(keyed("puppet", "k", "{}")).await);
    }
    let mut first = None;
    for pending in pending {
        let answer = pending.answer().await;
        let id = answer.is(202).id();
        answer.expect(*first.get_or_insert_with(|| id.clone()) == id, "the same job as all the others");
    }
    t.stored("puppet", 1).await;
}

async fn waits(t: Probe) {
    let first = t.send(keyed("puppet", "k", "{}")).await;
    let job = t.attach(&first.id()).await;
    let mut waiting = t.open(keyed("puppet", "k", "{}").wait(25)).await;
    waiting.stays_open(std::time::Duration::from_millis(50)).await;
    job.succeed(json!("both"));
    let answer = waiting.answer().await;
    answer.is(200).body_is(r#""both""#).has("content-location", &format!("puppet/{}/result", first.id()));
    t.soon(t.send(keyed("puppet", "k", "{}").wait(25))).await.is(200).body_is(r#""both""#);
}

async fn empty_body(t: Probe) {
    let empty = || Request::post("/echo").with("idempotency-key", "k").with("content-length", "0");
    let first = t.send(empty()).await;
    t.send(empty()).await.is(202).body_is(&first.body);
}

async fn elsewhere(t: Probe) {
    let id = t.done("echo", "1").await;
    t.send(Request::get(format!("/echo/{id}/status")).with("idempotency-key", "")).await.is(200);
    t.send(Request::delete(format!("/echo/{id}")).with("idempotency-key", "a b")).await.is(204);
}
