//! How refusals look.

use std::collections::HashSet;

use super::{Cases, Probe, Request, UNKNOWN};

pub(super) fn cases(cases: &mut Cases) {
    cases.add("a problem has type, title, status, detail and instance", members);
    cases.add("each problem has an instance of its own", instances);
    cases.add("the base of problem types can be set", base);
    cases.add("a refused HEAD has the problem's headers and no body", head);
}

async fn members(t: Probe) {
    // All else that holds for problems is looked at whenever there is one.
    let answer = t.send(Request::get(format!("/echo/{UNKNOWN}/status"))).await;
    answer.problem(404, "not-found").has("content-type", "application/problem+json");
    answer.lacks("etag").lacks("location").lacks("link");
}

async fn instances(t: Probe) {
    let mut instances = HashSet::new();
    for _ in 0..20 {
        let answer = t.quietly(Request::get("/nope")).await;
        let fresh = instances.insert(answer.at("/instance").to_string());
        answer.expect(fresh, "an instance that was not there before");
    }
}

async fn base(t: Probe) {
    for base in ["https://errors.example/v1", "https://errors.example/v1/"] {
        let t = t.serve(t.service().problem_base(base)).await;
        t.send(Request::get("/nope")).await.is(404).says("/type", "https://errors.example/v1/not-found");
        t.send(Request::get("/echo")).await.is(405).says("/type", "https://errors.example/v1/method-not-allowed");
    }
}

async fn head(t: Probe) {
    let answer = t.send(Request::new("HEAD", "/nope")).await;
    answer.is(404).is_empty().has("content-type", "application/problem+json");
    answer.expect(answer.header("content-length") != "0", "the length of the problem");
}
