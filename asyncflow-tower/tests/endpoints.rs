//! Each endpoint, by plain calls.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use std::{convert::Infallible, time::Duration};

use asyncflow_core::{
    FlowEngine, JobContext, JobError, JobKey, MemoryStore, Raw, Role, Store, Token,
    state::{self, Event, Wish},
    store::{Batch, Change, Claim, Part, Parts, Patch, Pick},
};
use asyncflow_tower::{ErrorDetail, FlowService, Naming};
use common::*;
use http::Method;
use serde_json::json;

const NOBODY: &str = "0197a6e8-0000-7000-8000-00000000abcd";

#[tokio::test(start_paused = true)]
async fn a_job_from_its_submit_to_its_deletion() {
    let service = service().await;
    let accepted = post(&service, "/echo", &[], r#"{"a":1}"#).await;
    let id = accepted.id();
    assert_eq!(accepted.order(), ["content-type", "cache-control", "location", "link", "retry-after"]);
    assert_eq!(accepted.header("location"), Some(&*format!("echo/{id}/result")));
    assert_eq!(accepted.header("link"), Some(&*format!("<echo/{id}/status>; rel=\"status\"")));
    assert_eq!((accepted.header("retry-after"), accepted.header("cache-control")), (Some("1"), Some("no-store")));
    let json = accepted.json();
    assert_eq!(json.as_object().unwrap().keys().collect::<Vec<_>>(), ["DateTime", "RequestId"]);

    let status = get(&service, &format!("/echo/{id}/status"), &[("prefer", "wait=5")]).await;
    assert_eq!(status.order(), ["content-type", "cache-control", "etag", "preference-applied"]);
    assert_eq!(status.header("preference-applied"), Some("wait=5"));
    assert_eq!(
        (status.json()["Status"].as_str(), status.json()["RequestId"].as_str()),
        (Some("Succeeded"), Some(&*id))
    );
    assert_eq!(status.json()["CreatedAt"], json["DateTime"]);
    assert_eq!(status.json()["progressData"], json!(null));
    let tag = status.header("etag").unwrap();
    assert!(tag.starts_with("W/\""), "{tag}");
    let upper = get(&service, &format!("//echo/{}", id.to_uppercase()), &[]).await;
    assert_eq!((upper.status, upper.body), (status.status, status.body.clone()));

    let known = get(&service, &format!("/echo/{id}/status"), &[("if-none-match", tag)]).await;
    assert_eq!((known.status.as_u16(), known.body.len()), (304, 0));
    assert_eq!(known.order(), ["cache-control", "etag"]);
    assert_eq!((known.header("cache-control"), known.header("etag")), (Some("no-store"), Some(tag)));

    let result = get(&service, &format!("/echo/{id}/result?x=y"), &[("accept", "image/png")]).await;
    assert_eq!((result.status.as_u16(), &*result.body), (200, &br#"{"a":1}"#[..]));
    assert_eq!(result.order(), ["content-type", "cache-control", "x-content-type-options", "etag"]);
    assert_eq!(
        (result.header("content-type"), result.header("cache-control")),
        (Some("application/json"), Some("private, no-cache"))
    );
    let tag = result.header("etag").unwrap();
    let known = get(&service, &format!("/echo/{id}/result"), &[("if-none-match", &format!("\"x\", {tag}"))]).await;
    assert_eq!((known.status.as_u16(), known.body.len()), (304, 0));
    assert_eq!((known.header("cache-control"), known.header("etag")), (Some("private, no-cache"), Some(tag)));

    let error = get(&service, &format!("/echo/{id}/error"), &[]).await;
    assert_eq!((error.status.as_u16(), error.body.len(), error.header("cache-control")), (204, 0, Some("no-store")));

    let deleted = call(&service, request(Method::DELETE, &format!("/echo/{id}"), &[], "")).await;
    assert_eq!(
        (deleted.status.as_u16(), deleted.body.len(), deleted.header("cache-control")),
        (204, 0, Some("no-store"))
    );
    call(&service, request(Method::DELETE, &format!("/echo/{id}"), &[], "")).await.is_problem(404, "not-found");
    for place in ["", "/status", "/result", "/error"] {
        get(&service, &format!("/echo/{id}{place}"), &[]).await.is_problem(404, "not-found");
    }
}

#[tokio::test(start_paused = true)]
async fn every_place_knows_its_methods() {
    let service = service().await;
    let id = post(&service, "/slow", &[], "1000000").await.id();
    let places = [
        ("/slow".to_owned(), "POST, OPTIONS"),
        (format!("/slow/{id}"), "GET, HEAD, DELETE, OPTIONS"),
        (format!("/slow/{id}/status"), "GET, HEAD, OPTIONS"),
        (format!("/slow/{id}/result"), "GET, HEAD, OPTIONS"),
        (format!("/slow/{id}/error"), "GET, HEAD, OPTIONS"),
        (format!("/slow/{id}/cancel"), "POST, OPTIONS"),
        // whoever the job is
        ("/slow/nonsense/status".to_owned(), "GET, HEAD, OPTIONS"),
        (format!("/echo/{NOBODY}/cancel"), "POST, OPTIONS"),
    ];
    for (path, allow) in places {
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW", "get"] {
            if method != "OPTIONS" && allow.split(", ").any(|allowed| allowed == method) {
                continue;
            }
            let answer = call(&service, request(method.parse().unwrap(), &path, &[], "")).await;
            assert_eq!(answer.header("allow"), Some(allow), "{method} {path}");
            match method {
                "OPTIONS" => assert_eq!((answer.status.as_u16(), answer.body.len()), (204, 0)),
                "HEAD" => assert_eq!((answer.status.as_u16(), answer.body.len()), (405, 0)),
                _ => answer.is_problem(405, "method-not-allowed"),
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn there_is_nothing_else() {
    let service = service().await;
    let id = ended(&service, "echo", "1").await;
    for path in [
        "/".to_owned(),
        "/nothing".to_owned(),
        "/echo/".to_owned(),
        "/Echo".to_owned(),
        "/ech%6f".to_owned(),
        format!("/echo/{id}/"),
        format!("/echo/{id}/events"),
        format!("/echo//{id}/status"),
        format!("/echo/{id}//status"),
        format!("/echo/{id}/status/"),
        format!("/echo/{id}/statu%73"),
        format!("/echo/{id}%2Fstatus"),
        format!("/echo/{}", id.replace('-', "")),
        format!("/echo/{{{id}}}"),
        format!("/echo/{NOBODY}/status"),
        // another flow's
        format!("/items/{id}/status"),
        "/echo/..%2f/result".to_owned(),
        "/echo/%00/error".to_owned(),
        "*".to_owned(),
    ] {
        let Ok(uri) = path.parse::<http::Uri>() else { panic!("{path} is no path") };
        let mut request = request(Method::GET, "/", &[], "");
        *request.uri_mut() = uri;
        call(&service, request).await.is_problem(404, "not-found");
    }
    let (one, other) =
        (get(&service, "/nothing", &[]).await, get(&service, &format!("/echo/{NOBODY}/result"), &[]).await);
    assert_eq!((&one.json()["title"], &one.json()["detail"]), (&other.json()["title"], &other.json()["detail"]));
    assert_ne!(one.json()["instance"], other.json()["instance"]);
    for method in [Method::POST, Method::OPTIONS] {
        call(&service, common::request(method, "/nothing", &[], "")).await.is_problem(404, "not-found");
    }
    call(&service, common::request(Method::DELETE, &format!("/items/{id}"), &[], ""))
        .await
        .is_problem(404, "not-found");
    call(&service, common::request(Method::POST, &format!("/items/{id}/cancel"), &[], ""))
        .await
        .is_problem(404, "not-found");
    assert_eq!(get(&service, &format!("/echo/{id}"), &[]).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_failed_job_has_an_error_and_no_result() {
    let engine = engine().await;
    let service = FlowService::new(engine.clone());
    let id = ended(&service, "fail", "null").await;
    let error = get(&service, &format!("/fail/{id}/error"), &[]).await;
    assert_eq!((error.status.as_u16(), error.header("cache-control")), (200, Some("no-store")));
    let shown =
        json!({ "Type": "ArgumentError", "Message": "no \"good\"", "StackTrace": "ArgumentError: no \"good\"" });
    assert_eq!(error.json(), json!({ "JobId": id, "Error": shown }));
    let result = get(&service, &format!("/fail/{id}/result"), &[]).await;
    result.is_problem(404, "job-failed");
    assert_eq!(result.header("link"), Some("<error>; rel=\"error\""));

    let opaque =
        FlowService::builder(engine).error_detail(ErrorDetail::Opaque).naming(Naming::CamelCase).build().unwrap();
    let error = get(&opaque, &format!("/fail/{id}/error"), &[]).await;
    let shown = json!({ "type": "Error", "message": "the job failed", "stackTrace": null });
    assert_eq!(error.json(), json!({ "jobId": id, "error": shown }));
}

#[tokio::test(start_paused = true)]
async fn a_job_that_has_not_ended_is_waited_for() {
    let service = service().await;
    let id = post(&service, "/slow", &[], "100000").await.id();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let status = get(&service, &format!("/slow/{id}"), &[]).await;
    assert_eq!(status.order(), ["content-type", "cache-control", "etag", "retry-after"]);
    assert_eq!(status.json()["Status"], "Processing");
    assert_eq!(status.json()["progressData"], json!({ "progress": "asleep", "percentage": 50 }));
    assert_eq!((&status.json()["Attempt"], status.json()["StartedAt"].is_string()), (&json!(1), true));
    let known = get(&service, &format!("/slow/{id}/status"), &[("if-none-match", "*")]).await;
    assert_eq!((known.status.as_u16(), known.order()), (304, vec!["cache-control", "etag"]));
    let result = get(&service, &format!("/slow/{id}/result"), &[]).await;
    assert_eq!((result.status.as_u16(), result.body.len()), (202, 0));
    assert_eq!(result.order(), ["cache-control", "location", "link", "retry-after"]);
    assert_eq!((result.header("location"), result.header("link")), (Some("result"), Some("<status>; rel=\"status\"")));
    assert_eq!(get(&service, &format!("/slow/{id}/error"), &[]).await.status, 204);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_job_stays_readable() {
    let service = service().await;
    let id = post(&service, "/slow", &[], "100000").await.id();
    tokio::time::sleep(Duration::from_millis(10)).await;
    let cancel = |body: &'static str| {
        call(&service, request(Method::POST, &format!("/slow/{id}/cancel"), &[("prefer", "wait, respond-async")], body))
    };
    let asked = cancel("").await;
    assert_eq!(asked.status, 202);
    assert_eq!(asked.order(), ["content-type", "cache-control", "etag", "retry-after", "preference-applied"]);
    assert_eq!(asked.header("preference-applied"), Some("respond-async"));
    assert_eq!((&asked.json()["Status"], &asked.json()["CancelRequested"]), (&json!("Processing"), &json!(true)));
    assert_eq!(cancel("anything").await.status, 202);
    let status = get(&service, &format!("/slow/{id}/status"), &[("prefer", "wait")]).await;
    assert_eq!(status.json()["Status"], "Cancelled");
    cancel("").await.is_problem(409, "job-ended");
    let result = get(&service, &format!("/slow/{id}/result"), &[]).await;
    result.is_problem(404, "job-cancelled");
    assert_eq!(result.header("link"), Some("<status>; rel=\"status\""));
    assert_eq!(get(&service, &format!("/slow/{id}/error"), &[]).await.status, 204);
    let unknown = request(Method::POST, &format!("/slow/{NOBODY}/cancel"), &[], "");
    call(&service, unknown).await.is_problem(404, "not-found");
}

#[tokio::test(start_paused = true)]
async fn head_says_what_get_would() {
    let service = service().await;
    let id = ended(&service, "echo", "[1,2]").await;
    for path in ["status", "result", "error", "events"] {
        let path = format!("/echo/{id}/{path}");
        let (got, head) =
            (get(&service, &path, &[]).await, call(&service, request(Method::HEAD, &path, &[], "")).await);
        let mut headers = got.headers.clone();
        if got.status != 204 {
            headers.insert("content-length", got.body.len().to_string().parse().unwrap());
        }
        assert_eq!((head.status, head.headers, head.body.len()), (got.status, headers, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn urls_are_absolute_where_the_base_is_known_and_names_are_camel_case_where_that_is_set() {
    let builder = FlowService::builder(engine().await).base_url("https://h.example/a/").naming(Naming::CamelCase);
    let service = builder.prefix("/a").problem_base("https://h.example/p").flow("echo").build().unwrap();
    let accepted = post(&service, "/a/echo", &[], "1").await;
    let id = accepted.json()["requestId"].as_str().unwrap().to_owned();
    assert_eq!(accepted.header("location"), Some(&*format!("https://h.example/a/echo/{id}/result")));
    assert_eq!(accepted.header("link"), Some(&*format!("<https://h.example/a/echo/{id}/status>; rel=\"status\"")));
    let status = get(&service, &format!("/a//echo/{id}/status"), &[("prefer", "wait")]).await;
    assert_eq!(status.json()["status"], "Succeeded");
    for path in ["/echo", "/a/items", "/aecho"] {
        let lost = get(&service, path, &[]).await;
        assert_eq!((lost.status.as_u16(), &lost.json()["type"]), (404, &json!("https://h.example/p/not-found")));
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_shuts_down_still_reads() {
    let engine = engine().await;
    let service = FlowService::new(engine.clone());
    let id = ended(&service, "echo", "1").await;
    engine.shutdown(Duration::from_secs(1)).await;
    let refused = post(&service, "/echo", &[], "1").await;
    refused.is_problem(503, "unavailable");
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(get(&service, &format!("/echo/{id}/result"), &[]).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn what_a_store_holds_and_cannot_be_shown_breaks_nothing_else() {
    let store = MemoryStore::new();
    let echo = |raw: Raw, _: JobContext| async move { Ok::<_, Infallible>(raw) };
    let engine = FlowEngine::builder().store(store.clone()).role(Role::Serve).flow("raw", echo).start().await.unwrap();
    let service = FlowService::new(engine);
    let ended = async |event: Event, parts: Parts| {
        let id = post(&service, "/raw", &[], "1").await.id();
        let job = JobKey { flow: "raw".into(), id: id.parse().unwrap() };
        let patch = state::claim(Duration::from_secs(30));
        let claim = Claim { pick: Pick::Job(job.clone()), limits: None, token: Token::from_u128(7), patch };
        let claimed = store.write(&Batch { claims: vec![claim], ..Batch::default() }).await.unwrap();
        let (guard, patch) = state::decide(&claimed.claims[0].jobs[0].record, event).unwrap();
        let changes = vec![Change { job, guard, patch: Patch { parts, ..patch } }];
        store.write(&Batch { changes, ..Batch::default() }).await.unwrap();
        id
    };
    let failed = Event::Failed { error: JobError::new("Wrong", ""), wish: Wish::Never, chance: 0.0 };
    let id = ended(failed, Parts::Error(Part::json("no error"))).await;
    get(&service, &format!("/raw/{id}/error"), &[]).await.is_problem(500, "internal");
    let odd = Part { content_type: "text/plain\n".into(), bytes: "1".into() };
    let id = ended(Event::Succeeded(odd.clone()), Parts::Result(odd)).await;
    let result = get(&service, &format!("/raw/{id}/result"), &[]).await;
    assert_eq!((result.status.as_u16(), result.header("content-type")), (200, Some("application/octet-stream")));
}
