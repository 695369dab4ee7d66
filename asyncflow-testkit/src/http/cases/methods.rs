//! Which methods a path takes.

use super::{Cases, Probe, Request, UNKNOWN};

pub(super) fn cases(cases: &mut Cases) {
    cases.add("a wrong method is the problem method-not-allowed, with the right ones in Allow", wrong_method);
    cases.add("a wrong method is refused before any job is looked up, whatever stands for its id", before_look_up);
    cases.add("HEAD on a path for POST alone is refused", head_on_post);
    cases.add("OPTIONS answers 204 with Allow on a known path, and 404 on another", options);
    cases.add("HEAD answers as GET without the body", head);
    cases.add("methods are compared with their case", case);
}

/// The paths with what each allows.
fn paths(id: &str) -> [(String, &'static [&'static str]); 6] {
    [
        ("/echo".to_owned(), &["OPTIONS", "POST"]),
        (format!("/echo/{id}"), &["DELETE", "GET", "HEAD", "OPTIONS"]),
        (format!("/echo/{id}/status"), &["GET", "HEAD", "OPTIONS"]),
        (format!("/echo/{id}/result"), &["GET", "HEAD", "OPTIONS"]),
        (format!("/echo/{id}/error"), &["GET", "HEAD", "OPTIONS"]),
        (format!("/echo/{id}/cancel"), &["OPTIONS", "POST"]),
    ]
}

const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"];

async fn wrong_method(t: Probe) {
    let id = t.done("echo", "1").await;
    for (path, allowed) in paths(&id) {
        for method in METHODS.iter().filter(|method| !allowed.contains(method)) {
            let answer = t.send(Request::new(method, &*path)).await;
            answer.is(405).expect(answer.items("allow") == allowed, &format!("`allow` with {allowed:?}"));
            if *method != "HEAD" {
                answer.problem(405, "method-not-allowed");
            }
        }
    }
}

async fn before_look_up(t: Probe) {
    for id in [UNKNOWN, "x", "%00"] {
        for (path, allowed) in paths(id) {
            let answer = t.send(Request::new("PUT", path).json("1")).await;
            answer.problem(405, "method-not-allowed");
            answer.expect(answer.items("allow") == allowed, &format!("`allow` with {allowed:?}"));
        }
    }
}

async fn head_on_post(t: Probe) {
    let job = t.puppet("puppet").await;
    t.send(Request::new("HEAD", "/puppet")).await.is(405);
    t.send(Request::new("HEAD", job.path("cancel"))).await.is(405);
    t.send(Request::get(job.path("status"))).await.says("/Status", "Processing");
}

async fn options(t: Probe) {
    for id in [UNKNOWN, "x"] {
        for (path, allowed) in paths(id) {
            let answer = t.send(Request::new("OPTIONS", path)).await;
            answer.is(204).is_empty().expect(answer.items("allow") == allowed, &format!("`allow` with {allowed:?}"));
        }
    }
    for path in ["/", "/nope", "/echo/", "/echo/x/nope"] {
        t.send(Request::new("OPTIONS", path)).await.problem(404, "not-found");
    }
}

async fn head(t: Probe) {
    let running = t.puppet("puppet").await;
    let done = t.done("echo", r#"{"n":1}"#).await;
    let failed = t.failed("failing").await;
    for path in [
        running.path("status"),
        running.path("result"),
        running.path("error"),
        running.path(""),
        format!("/echo/{done}/status"),
        format!("/echo/{done}/result"),
        format!("/echo/{done}/error"),
        format!("/failing/{failed}/error"),
        format!("/failing/{failed}/result"),
        format!("/echo/{UNKNOWN}/status"),
        "/nope".to_owned(),
    ] {
        let get = t.send(Request::get(&*path)).await;
        let head = t.send(Request::new("HEAD", &*path)).await;
        head.is(get.status).is_empty();
        head.expect(super::headers(&head) == super::headers(&get), "the headers of the GET");
    }
}

async fn case(t: Probe) {
    t.send(Request::new("post", "/echo").json("1")).await.problem(405, "method-not-allowed");
    t.send(Request::new("get", format!("/echo/{UNKNOWN}"))).await.problem(405, "method-not-allowed");
}
