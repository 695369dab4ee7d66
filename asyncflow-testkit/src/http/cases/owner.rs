//! Whose a job is, where owners are named.

use std::future::ready;

use http::request::Parts;

use super::{Cases, Probe, Request, owners};

pub(super) fn cases(cases: &mut Cases) {
    cases.add("a caller whom the hook does not know is refused with 401 and WWW-Authenticate, or with 403", refused);
    cases.add("a job of another owner is not there", not_there);
    cases.add("keys of different owners are different keys", keys);
    cases.add("an owner with too many waiting jobs is the problem over-quota, others go on", quota);
    cases.add("the owner hook is asked on every endpoint, but not for OPTIONS or what does not exist", where_asked);
    cases.add("the owner hook sees a request's method, query and headers", what_is_seen);
    cases.add("without an owner hook the id is the right to the job", without_hook);
}

fn by(owner: &str, request: Request) -> Request {
    request.with("x-owner", owner)
}

async fn refused(t: Probe) {
    let t = t.serve(t.service().owner(owners)).await;
    t.send(Request::post("/echo").json("1")).await.problem(401, "unauthorized").has("www-authenticate", "Bearer");
    t.send(by("eve", Request::post("/echo").json("1"))).await.problem(403, "forbidden").lacks("www-authenticate");
    t.send(by("anna", Request::post("/echo").json("1"))).await.is(202);
}

async fn not_there(t: Probe) {
    let t = t.serve(t.service().owner(owners)).await;
    let id = t.send(by("anna", Request::post("/puppet").json("{}"))).await.is(202).id();
    t.attach(&id).await;
    for request in [
        Request::get(format!("/puppet/{id}")),
        Request::get(format!("/puppet/{id}/status")),
        Request::get(format!("/puppet/{id}/result")),
        Request::get(format!("/puppet/{id}/error")),
        Request::post(format!("/puppet/{id}/cancel")),
        Request::delete(format!("/puppet/{id}")),
    ] {
        let unknown = Request { target: request.target.replace(&id, super::UNKNOWN), ..request.clone() };
        let unknown = t.send(by("bert", unknown)).await;
        let foreign = t.send(by("bert", request)).await;
        foreign.problem(404, "not-found").expect(super::alike(&foreign, &unknown), "just what an unknown job answers");
    }
    t.send(by("anna", Request::get(format!("/puppet/{id}/status")))).await.is(200).says("/Status", "Processing");
}

async fn keys(t: Probe) {
    let t = t.serve(t.service().owner(owners)).await;
    let keyed =
        |owner: &str, body: &'static str| by(owner, Request::post("/puppet").with("idempotency-key", "k").json(body));
    let anna = t.send(keyed("anna", "1")).await.is(202).id();
    let bert = t.send(keyed("bert", "2")).await;
    bert.is(202).expect(bert.id() != anna, "a job of bert's own");
    t.send(keyed("anna", "1")).await.is(202).says("/RequestId", anna);
}

async fn quota(t: Probe) {
    let t = t.serve(t.service().owner(owners)).await;
    let enqueue = |owner: &str| by(owner, Request::post("/narrow").json("1"));
    let running = t.send(enqueue("anna")).await.is(202).id();
    let running = t.attach(&running).await;
    let waiting = t.send(enqueue("anna")).await.is(202).id();
    t.send(enqueue("anna")).await.problem(429, "over-quota").has("retry-after", "1");
    t.send(enqueue("bert")).await.is(202);
    running.succeed(().into());
    t.attach(&waiting).await;
    t.send(enqueue("anna")).await.is(202);
}

async fn where_asked(t: Probe) {
    let t = t.serve(t.service().owner(owners)).await;
    t.send(Request::new("OPTIONS", "/echo")).await.is(204);
    t.send(Request::new("PUT", "/echo")).await.problem(405, "method-not-allowed");
    t.send(Request::get("/nope")).await.problem(404, "not-found");
    t.send(Request::new("HEAD", format!("/echo/{}/status", super::UNKNOWN))).await.is(401);
}

async fn what_is_seen(t: Probe) {
    let seen = |head: &Parts| {
        let owner = format!("{} {:?} {:?}", head.method, head.uri.query(), head.headers.get("x-owner"));
        ready(Ok(Some(owner.into())))
    };
    let t = t.serve(t.service().owner(seen)).await;
    let id = t.send(by("anna", Request::post("/echo?a=1&b").json("1"))).await.is(202).id();
    t.ended("echo", &id).await;
    let owner = t.world.record("echo", &id).await.and_then(|record| record.owner);
    if owner.as_deref() != Some(r#"POST Some("a=1&b") Some("anna")"#) {
        super::fail(&format!("expected: an owner hook that sees what was sent\ngot:      {owner:?}"));
    }
}

async fn without_hook(t: Probe) {
    let id = t.send(by("anna", Request::post("/puppet").json("{}"))).await.is(202).id();
    t.attach(&id).await;
    t.send(by("bert", Request::get(format!("/puppet/{id}/status")))).await.is(200);
    t.send(by("bert", Request::delete(format!("/puppet/{id}")))).await.is(204);
}
