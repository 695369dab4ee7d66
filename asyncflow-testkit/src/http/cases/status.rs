//! `GET /data/{jobId}/status`.

use asyncflow_core::State;
use serde_json::json;

use super::{Cases, Probe, Request};

pub(super) fn cases(cases: &mut Cases) {
    cases.add("a status begins with id, status, time of creation and progress, in this order", members);
    cases.add("a status has no progress until the attempt's first report", no_progress_yet);
    cases.add("the next attempt starts without the progress of the one before", next_attempt);
    cases.add("progress is shown as text and percentage", progress);
    cases.add("a percentage is null where none was given, and an integer where it is whole", percentages);
    cases.add("whatever else a job reports is the progress's data", extra);
    cases.add("the latest progress wins, and stays after the end", latest);
    cases.add("a job that waits for a slot is Enqueued", enqueued);
    cases.add("a job that is due later is Scheduled", scheduled);
    cases.add("a job between two attempts is Scheduled", between_attempts);
    cases.add("an ended job says how: Succeeded, Failed, Cancelled", ended);
    cases.add("further members say when the latest attempt started, which it is, and when the job ended", further);
    cases.add("the path of a job alone is its status", bare_path);
    cases.add("a job's id is read in any case and written in lower case", any_case);
    cases.add("a status asks to come again while the job has not ended, and then no more", retry_after);
}

async fn members(t: Probe) {
    let job = t.puppet("puppet").await;
    let status = t.send(Request::get(job.path("status"))).await;
    let start = r#"{"RequestId":"<id1>","Status":"Processing","CreatedAt":"<time>","progressData":null"#;
    status.is(200).begins(start).has("content-type", "application/json").says("/RequestId", job.id());
}

async fn no_progress_yet(t: Probe) {
    let job = t.puppet("puppet").await;
    t.send(Request::get(job.path("status"))).await.says("/progressData", ());
    job.succeed(json!(1));
    t.ended("puppet", job.id()).await;
    t.send(Request::get(job.path("status"))).await.says("/progressData", ());
}

async fn next_attempt(t: Probe) {
    let first = t.puppet("tried-twice").await;
    first.report("Half", Some(50.0), None);
    t.progressed(&first, "Half").await;
    first.fail("once more");
    let second = t.next("tried-twice").await;
    let status = t.send(Request::get(second.path("status"))).await;
    status.says("/RequestId", first.id()).says("/Status", "Processing").says("/Attempt", 2).says("/progressData", ());
    second.succeed(json!("the second time"));
    t.ended("tried-twice", second.id()).await;
    t.send(Request::get(second.path("result"))).await.is(200).body_is(r#""the second time""#);
    t.send(Request::get(second.path("error"))).await.is(204);
}

async fn progress(t: Probe) {
    let job = t.puppet("puppet").await;
    job.report("Generating Data", Some(90.0), None);
    t.progressed(&job, "Generating Data").await;
    let status = t.send(Request::get(job.path("status"))).await;
    let start = r#"{"RequestId":"<id1>","Status":"Processing","CreatedAt":"<time>","progressData":"#;
    status.begins(&format!(r#"{start}{{"progress":"Generating Data","percentage":90}}"#));
}

async fn percentages(t: Probe) {
    let job = t.puppet("puppet").await;
    for (text, given, shown) in [
        ("none", None, "null"),
        ("zero", Some(0.0), "0"),
        ("whole", Some(7.0), "7"),
        ("part", Some(12.5), "12.5"),
        ("small", Some(0.001), "0.001"),
        ("below", Some(-1.0), "-1"),
        ("above", Some(150.0), "150"),
        ("large", Some(1e9), "1000000000"),
        ("done", Some(100.0), "100"),
    ] {
        job.report(text, given, None);
        t.progressed(&job, text).await;
        let status = t.send(Request::get(job.path("status"))).await;
        let progress = format!(r#""progressData":{{"progress":"{text}","percentage":{shown}}}"#);
        let body = String::from_utf8_lossy(&status.body);
        status.expect(body.contains(&progress), &progress);
    }
}

async fn extra(t: Probe) {
    let job = t.puppet("puppet").await;
    job.report("Reading", None, Some(json!({"file": "a.txt", "line": 3})));
    t.progressed(&job, "Reading").await;
    let status = t.send(Request::get(job.path("status"))).await;
    status.says(
        "/progressData",
        json!({"progress": "Reading", "percentage": null, "data": {"file": "a.txt", "line": 3}}),
    );
}

async fn latest(t: Probe) {
    let job = t.puppet("puppet").await;
    for step in 1..=50 {
        job.report("Counting", Some(f64::from(step)), None);
    }
    job.report("Counted", Some(50.0), None);
    job.succeed(json!(50));
    t.ended("puppet", job.id()).await;
    let status = t.send(Request::get(job.path("status"))).await;
    status.says("/Status", "Succeeded").says("/progressData", json!({"progress": "Counted", "percentage": 50}));
}

async fn enqueued(t: Probe) {
    let running = t.puppet("single").await;
    let id = t.job("single").await;
    t.send(Request::get(format!("/single/{id}/status"))).await.says("/Status", "Enqueued");
    running.succeed(json!(1));
    t.attach(&id).await;
    t.send(Request::get(format!("/single/{id}/status"))).await.says("/Status", "Processing");
}

async fn scheduled(t: Probe) {
    let id = t.scheduled("puppet").await;
    let status = t.send(Request::get(format!("/puppet/{id}/status"))).await;
    status.is(200).says("/Status", "Scheduled");
}

async fn between_attempts(t: Probe) {
    let id = t.job("patient").await;
    t.reached("patient", &id, State::Scheduled).await;
    let status = t.send(Request::get(format!("/patient/{id}/status"))).await;
    status.says("/Status", "Scheduled");
    status.header("retry-after");
}

async fn ended(t: Probe) {
    let [good, bad, stopped] = [t.puppet("puppet").await, t.puppet("puppet").await, t.puppet("puppet").await];
    good.succeed(json!(null));
    bad.fail("no");
    t.send(Request::post(stopped.path("cancel"))).await.is(202);
    for (job, state) in [(good, "Succeeded"), (bad, "Failed"), (stopped, "Cancelled")] {
        t.ended("puppet", job.id()).await;
        let status = t.send(Request::get(job.path("status"))).await;
        status.is(200).says("/Status", state).lacks("retry-after");
    }
}

async fn further(t: Probe) {
    let job = t.puppet("puppet").await;
    let running = t.send(Request::get(job.path("status"))).await;
    let time = |exchange: &super::Exchange, name: &str| super::is_time(&exchange.at(name));
    running.says("/Attempt", 1).expect(time(&running, "/StartedAt"), "the time when it started");
    running.expect(running.json().get("CompletedAt").is_none(), "no time of an end yet");
    job.succeed(json!(1));
    t.ended("puppet", job.id()).await;
    let done = t.send(Request::get(job.path("status"))).await;
    done.says("/Attempt", 1).says("/StartedAt", running.at("/StartedAt"));
    done.expect(time(&done, "/CompletedAt"), "the time when it ended");
    let between = t.job("patient").await;
    t.reached("patient", &between, State::Scheduled).await;
    t.send(Request::get(format!("/patient/{between}/status"))).await.says("/Attempt", 1);
}

async fn bare_path(t: Probe) {
    let job = t.puppet("puppet").await;
    let long = t.send(Request::get(job.path("status"))).await;
    let short = t.send(Request::get(format!("/puppet/{}", job.id()))).await;
    short.is(200).has("etag", long.header("etag")).body_is(&long.body);
}

async fn any_case(t: Probe) {
    let id = t.done("echo", "7").await;
    let upper = id.to_uppercase();
    t.send(Request::get(format!("/echo/{upper}/status"))).await.is(200).says("/RequestId", id.clone());
    t.send(Request::get(format!("/echo/{upper}/result"))).await.is(200).body_is("7");
    t.send(Request::get(format!("/echo/{upper}/error"))).await.is(204);
    t.send(Request::post(format!("/echo/{upper}/cancel"))).await.is(409);
    t.send(Request::delete(format!("/echo/{upper}"))).await.is(204);
    t.send(Request::get(format!("/echo/{id}/status"))).await.is(404);
}

async fn retry_after(t: Probe) {
    let job = t.puppet("puppet").await;
    t.send(Request::get(job.path("status"))).await.header("retry-after");
    job.succeed(json!(1));
    t.ended("puppet", job.id()).await;
    t.send(Request::get(job.path("status"))).await.lacks("retry-after");
}
