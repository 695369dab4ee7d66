//! `Prefer: wait`.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use std::time::Duration;

use asyncflow_tower::FlowService;
use common::*;
use http::Method;
use tokio::time::Instant;

#[tokio::test(start_paused = true)]
async fn a_submit_waits_for_its_result() {
    let service = service().await;
    let result = post(&service, "/slow", &[("prefer", "respond-async, wait=5")], "100").await;
    assert_eq!((result.status.as_u16(), &*result.body), (200, &b"100"[..]));
    assert_eq!(
        result.order(),
        [
            "content-type",
            "cache-control",
            "x-content-type-options",
            "etag",
            "content-location",
            "link",
            "preference-applied"
        ]
    );
    assert_eq!(result.header("preference-applied"), Some("wait=5"));
    let location = result.header("content-location").unwrap();
    let same = get(&service, &format!("/{location}"), &[]).await;
    assert_eq!((same.header("etag"), &same.body), (result.header("etag"), &result.body));

    let began = Instant::now();
    let late = post(&service, "/slow", &[("prefer", "respond-async, wait=5")], "6000").await;
    assert_eq!((late.status.as_u16(), began.elapsed().as_secs()), (202, 5));
    assert_eq!(late.header("preference-applied"), Some("respond-async, wait=5"));
    assert!(late.header("location").is_some() && late.header("retry-after").is_some());

    let began = Instant::now();
    let failed = post(&service, "/fail", &[("prefer", "wait=5")], "1").await;
    assert_eq!((failed.status.as_u16(), began.elapsed().as_secs()), (202, 0));
}

#[tokio::test(start_paused = true)]
async fn a_status_waits_for_news() {
    let service = service().await;
    let id = post(&service, "/slow", &[], "10000").await.id();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let path = format!("/slow/{id}/status");
    let tag = get(&service, &path, &[]).await.header("etag").unwrap().to_owned();
    let began = Instant::now();
    let nothing = get(&service, &path, &[("prefer", "wait=2"), ("if-none-match", &tag)]).await;
    assert_eq!((nothing.status.as_u16(), began.elapsed().as_secs()), (304, 2));
    assert_eq!(nothing.order(), ["cache-control", "etag", "preference-applied"]);
    // another version is news at once
    let news = get(&service, &path, &[("prefer", "wait=2"), ("if-none-match", "W/\"0\"")]).await;
    assert_eq!((news.status.as_u16(), began.elapsed().as_secs()), (200, 2));
    let cap = get(&service, &path, &[("prefer", "wait=1"), ("if-none-match", "\"x\"")]).await;
    assert_eq!(cap.header("preference-applied"), Some("wait=1"));
    // without a tag: until the end
    let unended = get(&service, &path, &[("prefer", "wait=3")]).await;
    assert_eq!((unended.status.as_u16(), began.elapsed().as_secs()), (200, 5));
    assert_eq!(unended.json()["Status"], "Processing");
    let changed = get(&service, &path, &[("prefer", "wait"), ("if-none-match", &tag)]).await;
    assert_eq!((changed.status.as_u16(), began.elapsed().as_secs()), (200, 9));
    assert_eq!(changed.header("preference-applied"), Some("wait=25"));
    let ended = get(&service, &path, &[("prefer", "wait"), ("if-none-match", changed.header("etag").unwrap())]).await;
    assert_eq!((ended.status.as_u16(), began.elapsed().as_secs()), (304, 9));
}

#[tokio::test(start_paused = true)]
async fn a_result_waits_for_the_end() {
    let service = FlowService::builder(engine().await).wait_cap(Duration::from_secs(3)).build().unwrap();
    let id = post(&service, "/slow", &[], "5000").await.id();
    let path = format!("/slow/{id}/result");
    let began = Instant::now();
    let pending = get(&service, &path, &[("prefer", "wait=99, respond-async")]).await;
    assert_eq!((pending.status.as_u16(), began.elapsed().as_secs()), (202, 3));
    assert_eq!(pending.header("preference-applied"), Some("respond-async, wait=3"));
    let result = get(&service, &path, &[("prefer", "wait=99")]).await;
    assert_eq!((result.status.as_u16(), &*result.body, began.elapsed().as_secs()), (200, &b"5000"[..], 5));
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_deleted_meanwhile_is_not_there() {
    let service = service().await;
    for place in ["status", "result"] {
        let id = post(&service, "/slow", &[], "100000").await.id();
        let reader = tokio::spawn({
            let (service, path) = (service.clone(), format!("/slow/{id}/{place}"));
            async move { get(&service, &path, &[("prefer", "wait=20")]).await }
        });
        tokio::time::sleep(Duration::from_secs(2)).await;
        let began = Instant::now();
        assert_eq!(call(&service, request(Method::DELETE, &format!("/slow/{id}"), &[], "")).await.status, 204);
        reader.await.unwrap().is_problem(404, "not-found");
        assert!(began.elapsed() < Duration::from_secs(2));
    }
}
