//! Which paths there are.

use super::{Cases, Probe, Request, UNKNOWN};

pub(super) fn cases(cases: &mut Cases) {
    cases.add("a path that is none of a flow's is the problem not-found", unknown_paths);
    cases.add("leading slashes are trimmed, other empty segments and trailing slashes are not found", slashes);
    cases.add("paths are compared byte by byte, without decoding", raw_bytes);
    cases.add(
        "a job of another flow, deleted, never known, or with an id that is none: the same 404",
        indistinguishable,
    );
    cases.add("an id in any other form of a UUID is not found", other_forms);
    cases.add("every flow of the engine has its endpoints", every_flow);
    cases.add("a service for one flow still routes under its name, and knows no other", one_flow);
    cases.add("there are no events yet", no_events);
}

async fn unknown_paths(t: Probe) {
    let id = t.done("echo", "1").await;
    for path in [
        "/",
        "/nope",
        "/echoo",
        "/Echo",
        "/nope/x/status",
        &format!("/echo/{id}/nope"),
        &format!("/echo/{id}/Status"),
        &format!("/echo/{id}/status/more"),
        &format!("/echo/{id}/status/{id}"),
        "/echo/x/y/z",
        "/health",
        "/favicon.ico",
    ] {
        t.send(Request::get(path)).await.problem(404, "not-found");
    }
    t.send(Request::post("/nope").json("1")).await.problem(404, "not-found");
}

async fn slashes(t: Probe) {
    let id = t.done("echo", "1").await;
    for path in [format!("//echo/{id}/result"), format!("////echo/{id}/result")] {
        t.quietly(Request::get(path)).await.is(200).body_is("1");
    }
    t.quietly(Request::post("//echo").json("1")).await.is(202);
    for path in [
        "/echo/",
        "/echo//",
        &format!("/echo//{id}"),
        &format!("/echo//{id}/status"),
        &format!("/echo/{id}/"),
        &format!("/echo/{id}//status"),
        &format!("/echo/{id}/status/"),
        &format!("/echo/{id}/status//"),
        "/echo//status",
    ] {
        t.send(Request::get(path)).await.problem(404, "not-found");
    }
    t.send(Request::post("/echo/").json("1")).await.problem(404, "not-found");
    t.send(Request::delete(format!("/echo/{id}/"))).await.problem(404, "not-found");
}

async fn raw_bytes(t: Probe) {
    let id = t.done("echo", "1").await;
    for path in [
        "/%65cho/x/status".to_owned(),
        format!("/%65cho/{id}/status"),
        format!("/echo/{id}/st%61tus"),
        format!("/echo/{id}%2Fstatus"),
        format!("/echo%2F{id}/status"),
        format!("/echo/%30{}/status", &id[1..]),
        format!("/echo/{id}/status%00"),
        format!("/echo/{id}/status;v=1"),
        format!("/echo/{id}/."),
        format!("/echo/{id}/../{id}/status"),
        format!("/x/../echo/{id}/status"),
        format!("/echo/{id}/%2e%2e/status"),
    ] {
        t.send(Request::get(path)).await.problem(404, "not-found");
    }
}

async fn indistinguishable(t: Probe) {
    let foreign = t.done("raw", "1").await;
    let deleted = t.done("echo", "1").await;
    t.send(Request::delete(format!("/echo/{deleted}"))).await.is(204);
    let running = t.puppet("stubborn").await;
    t.send(Request::delete(running.path(""))).await.is(204);
    for (method, tail) in [
        ("GET", ""),
        ("GET", "/status"),
        ("GET", "/result"),
        ("GET", "/error"),
        ("HEAD", "/status"),
        ("DELETE", ""),
        ("POST", "/cancel"),
    ] {
        let mut known: Option<super::Exchange> = None;
        for (flow, id) in [
            ("echo", UNKNOWN),
            ("echo", foreign.as_str()),
            ("echo", deleted.as_str()),
            ("stubborn", running.id()),
            ("echo", "x"),
            ("echo", "00000000-0000-0000-0000-00000000000g"),
            ("echo", "%00"),
            ("echo", "..."),
        ] {
            let answer = t.send(Request::new(method, format!("/{flow}/{id}{tail}"))).await;
            if method == "HEAD" {
                answer.is(404);
            } else {
                answer.problem(404, "not-found");
            }
            let alike = known.as_ref().is_none_or(|known| super::alike(known, &answer));
            answer.expect(alike, "the same answer as for every other job that is not there");
            known = Some(answer);
        }
    }
}

async fn other_forms(t: Probe) {
    let id = t.done("echo", "1").await;
    for form in [
        id.replace('-', ""),
        format!("{{{id}}}"),
        format!("urn:uuid:{id}"),
        format!("%7B{id}%7D"),
        format!("{id}0"),
        id[1..].to_owned(),
        format!(" {id}").replace(' ', "%20"),
    ] {
        t.quietly(Request::get(format!("/echo/{form}/status"))).await.problem(404, "not-found");
    }
}

async fn every_flow(t: Probe) {
    for flow in ["echo", "raw", "puppet", "single", "text", "items"] {
        t.send(Request::get(format!("/{flow}/{UNKNOWN}/status"))).await.problem(404, "not-found");
        t.send(Request::get(format!("/{flow}"))).await.problem(405, "method-not-allowed");
    }
}

async fn one_flow(t: Probe) {
    let one = t.serve(t.service().flow("echo")).await;
    let id = one.send(Request::post("/echo").json("1")).await.is(202).id();
    one.ended("echo", &id).await;
    one.send(Request::get(format!("/echo/{id}/result"))).await.is(200).body_is("1");
    one.send(Request::post("/raw").json("1")).await.problem(404, "not-found");
    one.send(Request::post("/").json("1")).await.problem(404, "not-found");
    one.send(Request::get(format!("/{id}/status"))).await.problem(404, "not-found");
}

async fn no_events(t: Probe) {
    let job = t.puppet("puppet").await;
    let request = Request::get(job.path("events")).with("accept", "text/event-stream");
    t.send(request).await.problem(404, "not-found");
    t.send(Request::post(job.path("events"))).await.problem(404, "not-found");
    t.send(Request::new("OPTIONS", job.path("events"))).await.problem(404, "not-found");
}
