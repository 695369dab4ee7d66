//! The names of members.

use asyncflow_tower::Naming;
use serde_json::json;

use super::{Cases, Probe, Request, UNKNOWN};

pub(super) fn cases(cases: &mut Cases) {
    cases.add("camel case makes all members camelCase, and nothing else other", camel_case);
    cases.add("camel case leaves alone what is the job's own", own_content);
}

async fn camel_case(t: Probe) {
    let camel = t.serve(t.service().naming(Naming::CamelCase)).await;
    let answer = camel.send(Request::post("/puppet").json("{}")).await;
    answer.is(202).reads(r#"{"requestId":"<id1>","dateTime":"<time>"}"#);
    let id = answer.at("/requestId").as_str().unwrap_or_default().to_owned();
    let job = camel.attach(&id).await;
    job.report("Half", Some(50.0), None);
    camel.progressed(&job, "Half").await;
    let status = camel.send(Request::get(job.path("status"))).await;
    let progress = r#""progressData":{"progress":"Half","percentage":50}"#;
    status.begins(&format!(r#"{{"requestId":"<id1>","status":"Processing","createdAt":"<time>",{progress}"#));
    let original = t.send(Request::get(job.path("status"))).await;
    let mut expected = serde_json::Map::new();
    for (name, value) in original.json().as_object().into_iter().flatten() {
        let (first, rest) = name.split_at(1);
        expected.insert(first.to_lowercase() + rest, value.clone());
    }
    status.says("", expected);

    let cancel = camel.send(Request::post(job.path("cancel"))).await;
    cancel.is(202).says("/status", "Processing").says("/cancelRequested", true);

    let enqueued = camel.send(Request::post("/puppet").json("{}")).await;
    let failed = camel.attach(enqueued.at("/requestId").as_str().unwrap_or_default()).await;
    failed.fail("no");
    camel.ended("puppet", failed.id()).await;
    let error = r#"{"type":"Told","message":"no","stackTrace":"Told: no"}"#;
    let answer = camel.send(Request::get(failed.path("error"))).await;
    answer.is(200).reads(&format!(r#"{{"jobId":"<id1>","error":{error}}}"#));
    camel.send(Request::get(format!("/puppet/{UNKNOWN}"))).await.problem(404, "not-found");
}

async fn own_content(t: Probe) {
    let camel = t.serve(t.service().naming(Naming::CamelCase)).await;
    let value = json!({"SomeName": {"Other_Name": 1}});
    let id = t.done("echo", &value.to_string()).await;
    camel.send(Request::get(format!("/echo/{id}/result"))).await.is(200).body_is(value.to_string());
    let job = t.puppet("puppet").await;
    job.report("On", None, Some(value.clone()));
    t.progressed(&job, "On").await;
    camel.send(Request::get(job.path("status"))).await.is(200).says("/progressData/data", value);
}
