//! Where we are a layer around another service.

use asyncflow_tower::Endpoint;

use super::{Cases, Probe, Request, UNKNOWN};

pub(super) fn cases(cases: &mut Cases) {
    cases.add("as a layer, a flow's own path and what has a UUID behind it are ours", ours);
    cases.add("as a layer, everything else goes to the inner service", theirs);
    cases.add("as a layer, the inner service is given bodies as they come, and answers what it likes", untouched);
}

async fn ours(t: Probe) {
    let Some(t) = t.layer(t.service()).await else { return };
    let id = t.send(Request::post("/echo").json("[1]")).await.is(202).id();
    t.ended("echo", &id).await;
    t.send(Request::get(format!("/echo/{id}/status"))).await.is(200).says("/Status", "Succeeded");
    t.send(Request::get(format!("/echo/{id}/result"))).await.is(200).body_is("[1]");
    t.send(Request::get(format!("/echo/{id}/error"))).await.is(204);
    t.send(Request::get(format!("/echo/{UNKNOWN}/status"))).await.problem(404, "not-found");
    t.send(Request::get(format!("/echo/{UNKNOWN}/nope"))).await.problem(404, "not-found");
    t.send(Request::get(format!("/echo/{UNKNOWN}/"))).await.problem(404, "not-found");
    t.send(Request::get("/echo")).await.problem(405, "method-not-allowed");
    t.send(Request::new("PUT", format!("/echo/{UNKNOWN}/status"))).await.problem(405, "method-not-allowed");
    t.send(Request::new("OPTIONS", "/echo")).await.is(204);
    t.send(Request::delete(format!("/echo/{id}"))).await.is(204);
}

async fn theirs(t: Probe) {
    let Some(t) = t.layer(t.service()).await else { return };
    for (method, target) in [
        ("GET", "/"),
        ("GET", "/nope"),
        ("POST", "/nope"),
        ("GET", "/Echo"),
        ("GET", "/echo/"),
        ("GET", "/echo/readme"),
        ("GET", "/echo/readme/status"),
        ("PUT", "/echo/x/status"),
        ("DELETE", "/echo/x"),
        ("OPTIONS", "/echo/x"),
        ("GET", "/echo/x/y/z?q=1"),
        ("GET", &format!("/nope/{UNKNOWN}/status")),
        ("GET", &format!("/{UNKNOWN}")),
        ("GET", "/%65cho"),
    ] {
        let answer = t.foreign(Request::new(method, target)).await;
        answer.is(200).body_is(format!("{method} {target}: "));
    }
    // A path whose every endpoint is off is not there.
    let Some(t) = t.layer(t.service().off(Endpoint::Enqueue)).await else { return };
    t.foreign(Request::post("/echo")).await.is(200).body_is("POST /echo: ");
    t.send(Request::get(format!("/echo/{UNKNOWN}/status"))).await.problem(404, "not-found");
}

async fn untouched(t: Probe) {
    let Some(t) = t.layer(t.service()).await else { return };
    let answer = t.foreign(Request::post("/x").with("content-type", "a/b").body(b"\0\xff".as_slice())).await;
    answer.is(200).body_is(b"POST /x: \0\xff");
    answer.lacks("cache-control");
    let answer = t.foreign(Request::post("/echo/x").chunked(&[b"ab", b"c"])).await;
    answer.is(200).body_is("POST /echo/x: abc");
}
