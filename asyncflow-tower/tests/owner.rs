//! Whose jobs a request sees.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use std::{future::Future, sync::Arc, time::Duration};

use asyncflow_core::FlowOptions;
use asyncflow_tower::{FlowService, OwnerHook, Refused};
use common::*;
use http::{HeaderValue, Method, request::Parts};

/// The owner is who the header names; nobody may be `mallory`, and whoever is not named is asked to be.
struct ByHeader;

impl OwnerHook for ByHeader {
    async fn owner(&self, head: &Parts) -> Result<Option<Arc<str>>, Refused> {
        tokio::time::sleep(Duration::from_millis(1)).await;
        match head.headers.get("user").and_then(|user| user.to_str().ok()) {
            None => Err(Refused::unauthorized(HeaderValue::from_static("Basic"))),
            Some("mallory") => Err(Refused::forbidden().detail("not you")),
            Some("") => Ok(None),
            Some(user) => Ok(Some(user.into())),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_owner_sees_its_own_jobs_alone() {
    let service = FlowService::builder(engine().await).owner(ByHeader).build().unwrap();
    let id = post(&service, "/echo", &[("user", "alice"), ("idempotency-key", "k")], "1").await.id();
    for place in ["", "/status", "/result", "/error"] {
        let path = format!("/echo/{id}{place}");
        assert!(get(&service, &path, &[("user", "alice")]).await.status.is_success());
        for other in ["bob", ""] {
            get(&service, &path, &[("user", other)]).await.is_problem(404, "not-found");
        }
    }
    for (method, place) in [(Method::DELETE, ""), (Method::POST, "/cancel")] {
        let path = format!("/echo/{id}{place}");
        call(&service, request(method, &path, &[("user", "bob")], "")).await.is_problem(404, "not-found");
    }
    let other = post(&service, "/echo", &[("user", "bob"), ("idempotency-key", "k")], "2").await;
    assert_ne!(other.id(), id);
    let same = post(&service, "/echo", &[("user", "alice"), ("idempotency-key", "k")], "1").await;
    assert_eq!(same.id(), id);
}

#[tokio::test(start_paused = true)]
async fn a_hook_refuses_before_anything_is_looked_at_but_path_and_method() {
    let service = FlowService::builder(engine().await).owner(ByHeader).build().unwrap();
    let id = post(&service, "/echo", &[("user", "alice")], "1").await.id();
    for job in [&id, "nonsense"] {
        let unknown = get(&service, &format!("/echo/{job}/status"), &[]).await;
        unknown.is_problem(401, "unauthorized");
        assert_eq!(unknown.header("www-authenticate"), Some("Basic"));
    }
    let refused =
        call(&service, request(Method::POST, "/echo", &[("user", "mallory"), ("content-type", "a/b")], "1")).await;
    refused.is_problem(403, "forbidden");
    assert_eq!((refused.json()["detail"].as_str(), refused.header("www-authenticate")), (Some("not you"), None));
    call(&service, request(Method::PUT, "/echo", &[], "")).await.is_problem(405, "method-not-allowed");
    get(&service, "/nothing", &[]).await.is_problem(404, "not-found");
}

#[tokio::test(start_paused = true)]
async fn a_flow_may_have_a_hook_of_its_own() {
    let by_extension = |head: &Parts| {
        let owner = head.extensions.get::<Arc<str>>().cloned();
        async move { Ok(owner) }
    };
    let builder = FlowService::builder(engine().await).owner(ByHeader);
    let service = builder.configure("echo", |flow| flow.owner(by_extension)).build().unwrap();
    post(&service, "/raw", &[], "1").await.is_problem(401, "unauthorized");
    let mut named = request(Method::POST, "/echo", &[("content-type", "application/json")], "1");
    named.extensions_mut().insert(Arc::<str>::from("alice"));
    let id = call(&service, named).await.id();
    get(&service, &format!("/echo/{id}"), &[]).await.is_problem(404, "not-found");
}

#[tokio::test(start_paused = true)]
async fn too_many_waiting_jobs_are_refused() {
    let sleep = |_: u8, _: asyncflow_core::JobContext| async move {
        tokio::time::sleep(Duration::from_secs(60)).await;
        Ok::<_, String>(())
    };
    let options = FlowOptions::new().concurrency(1).max_waiting(2).max_waiting_per_owner(1);
    let engine = asyncflow_core::FlowEngine::builder().flow_with("f", sleep, options).start().await.unwrap();
    let service = FlowService::builder(engine).owner(ByHeader).build().unwrap();
    let submit = |user: &'static str| {
        let service = service.clone();
        async move { post(&service, "/f", &[("user", user)], "1").await }
    };
    submit("alice").await.id();
    submit("alice").await.id();
    let over = submit("alice").await;
    over.is_problem(429, "over-quota");
    assert_eq!(over.header("retry-after"), Some("1"));
    submit("bob").await.id();
    let full = submit("carol").await;
    full.is_problem(503, "too-many-waiting");
    assert_eq!(full.header("retry-after"), Some("1"));
}

#[test]
fn a_hooks_future_is_send() {
    fn is_send(_: impl Future + Send) {}
    let head = || http::Request::new(()).into_parts().0;
    is_send(async move { ByHeader.owner(&head()).await });
}
