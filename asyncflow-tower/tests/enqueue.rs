//! What is taken as a request, and what is refused, in which order.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use asyncflow_tower::{BoxError, Endpoint, FlowService, RequestBody};
use bytes::Bytes;
use common::*;
use http::{HeaderValue, Method, Request};
use http_body::{Body, Frame};
use tokio::sync::mpsc;
use tower::ServiceBuilder;

async fn submit(service: &FlowService, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
    call(service, request(Method::POST, path, headers, body)).await
}

async fn result(service: &FlowService, flow: &str, accepted: Answer) -> Answer {
    get(service, &format!("/{flow}/{}/result", accepted.id()), &[("prefer", "wait")]).await
}

#[tokio::test(start_paused = true)]
async fn json_is_taken_by_its_type() {
    let service = service().await;
    for content_type in ["application/json", "Application/JSON; charset=utf-8", "application/vnd.x+json"] {
        let accepted = submit(&service, "/echo", &[("content-type", content_type)], "[1]").await;
        assert_eq!(result(&service, "echo", accepted).await.body, "[1]", "{content_type}");
    }
    for headers in [
        &[][..],
        &[("content-type", "text/plain")],
        &[("content-type", "application/xml")],
        &[("content-type", "application/json"), ("content-type", "application/json")],
        &[("content-type", "application/json"), ("content-encoding", "gzip")],
        &[("content-type", "\u{e9}")],
    ] {
        let refused = submit(&service, "/echo", headers, "[1]").await;
        refused.is_problem(415, "unsupported-media-type");
        assert_eq!(refused.header("accept"), Some("application/json"));
    }
    let refused = submit(&service, "/text", &[], "x").await;
    assert_eq!(refused.header("accept"), Some("application/json, text/plain"));
}

#[tokio::test(start_paused = true)]
async fn a_text_is_taken_where_its_flow_takes_it() {
    let service = service().await;
    let text = |content_type: &'static str, body: &'static [u8]| {
        let service = service.clone();
        async move { submit(&service, "/text", &[("content-type", content_type)], body).await }
    };
    let accepted = text("text/plain; charset=\"UTF-8\"", "\u{e9}".as_bytes()).await;
    assert_eq!(result(&service, "text", accepted).await.body, "\"\u{e9}\"");
    text("text/plain", b"\xff").await.is_problem(400, "invalid-request");
    text("text/plain; charset=latin1", b"x").await.is_problem(415, "unsupported-media-type");
    let accepted = text("text/plain; charset=latin1", b"").await;
    assert_eq!(result(&service, "text", accepted).await.body, "\"\"");
}

#[tokio::test(start_paused = true)]
async fn any_bytes_come_back_as_they_were_sent() {
    let service = service().await;
    let accepted = submit(&service, "/raw", &[("content-type", "image/png; a=b")], &b"\0\xff"[..]).await;
    let result = result(&service, "raw", accepted).await;
    assert_eq!((result.header("content-type"), &*result.body), (Some("image/png; a=b"), &b"\0\xff"[..]));
}

#[tokio::test(start_paused = true)]
async fn an_empty_body_is_null() {
    let service = service().await;
    for headers in [
        &[][..],
        &[("content-type", "image/png"), ("content-encoding", "gzip")],
        &[("content-type", "a/b"), ("content-type", "a/b")],
        &[("content-type", "text/plain"), ("content-length", "0")],
    ] {
        let accepted = submit(&service, "/echo", headers, "").await;
        assert_eq!(result(&service, "echo", accepted).await.body, "null", "{headers:?}");
    }
    let mut chunked = Request::post("/echo").body(Frames::of(&["", ""])).unwrap();
    chunked.headers_mut().insert("content-type", HeaderValue::from_static("nonsense"));
    let accepted = call(&service, chunked).await;
    assert_eq!(result(&service, "echo", accepted).await.body, "null");
}

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_is_refused_with_its_place() {
    let service = service().await;
    let detail = |answer: &Answer| answer.json()["detail"].as_str().unwrap().to_owned();
    for (body, kind) in [("{", "invalid-json"), ("\u{feff}{}", "invalid-json"), ("[1] 2", "invalid-json")] {
        post(&service, "/items", &[], body).await.is_problem(400, kind);
        submit(&service, "/items", &[("content-type", "application/vnd.x+json")], body).await.is_problem(400, kind);
    }
    let deep = "[".repeat(128) + &"]".repeat(128);
    submit(&service, "/echo", &[("content-type", "application/json")], deep).await.is_problem(400, "invalid-json");
    let refused = post(&service, "/items", &[], r#"{"items":[{"count":1},{"count":"x"}]}"#).await;
    refused.is_problem(422, "invalid-request");
    assert!(detail(&refused).starts_with("items[1].count: "), "{}", detail(&refused));
    submit(&service, "/items", &[], "").await.is_problem(422, "invalid-request");
}

#[tokio::test(start_paused = true)]
async fn a_body_is_read_no_further_than_its_limit() {
    let service = service().await;
    let chunked = |frames: &[&'static str], headers: &[(&'static str, &'static str)]| {
        let mut request = Request::post("/items").body(Frames::of(frames)).unwrap();
        for (name, value) in headers {
            request.headers_mut().append(*name, HeaderValue::from_static(value));
        }
        request
    };
    let json = ("content-type", "application/json");
    let fits = call(&service, chunked(&[r#"{"ite"#, "", r#"ms":[]"#, "}"], &[json])).await;
    assert_eq!(result(&service, "items", fits).await.body, "0");
    // 64 bytes at most
    let half = "0123456789012345678901234567890_";
    call(&service, chunked(&[half, half], &[json])).await.is_problem(400, "invalid-json");
    call(&service, chunked(&[half, half, "1"], &[json])).await.is_problem(413, "body-too-large");
    // what is declared is not read
    let mut unread = Frames::of(&[]);
    unread.0.push(Err("it was read"));
    let mut declared = Request::post("/items").body(unread).unwrap();
    declared.headers_mut().extend([(http::header::CONTENT_LENGTH, HeaderValue::from_static("65"))]);
    declared.headers_mut().insert("content-type", HeaderValue::from_static(json.1));
    call(&service, declared).await.is_problem(413, "body-too-large");
    // a chunked body is known not to be empty at its first byte alone
    call(&service, chunked(&["", "x"], &[])).await.is_problem(415, "unsupported-media-type");
    let mut broken = chunked(&[], &[json]);
    broken.body_mut().0 = vec![Err("reset"), Ok(Bytes::from_static(b"{"))];
    call(&service, broken).await.is_problem(400, "invalid-request");
}

#[tokio::test(start_paused = true)]
async fn a_body_of_just_the_limit_is_taken() {
    let service = service().await;
    let fits = format!("{:64}", r#"{"items":[{"count":7}]}"#);
    let json = ("content-type", "application/json");
    let length = ("content-length", "64");
    let accepted = submit(&service, "/items", &[json, length], fits.clone()).await;
    assert_eq!(result(&service, "items", accepted).await.body, "7");
    let frames = fits.as_bytes().chunks(16).rev().map(|frame| Ok(Bytes::copy_from_slice(frame))).collect();
    let chunked = Request::post("/items").header(json.0, json.1).body(Frames(frames)).unwrap();
    assert_eq!(result(&service, "items", call(&service, chunked).await).await.body, "7");
}

/// A body that is sent bit by bit.
struct Sent(mpsc::UnboundedReceiver<&'static str>);

impl Body for Sent {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.0.poll_recv(cx).map(|text| text.map(|text| Ok(Frame::data(text.into()))))
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_received_at_once_has_room_for_so_many_bytes_by_doubling() {
    let service = service().await;
    let json = ("content-type", "application/json");
    // A node has room for 64 bytes.
    let (send, sent) = mpsc::unbounded_channel();
    let slow = tokio::spawn({
        let (service, body) = (service.clone(), Sent(sent));
        async move { call(&service, Request::post("/items").header(json.0, json.1).body(body).unwrap()).await }
    });
    let spaces = |bytes: usize| " ".repeat(bytes);
    let settled = || tokio::time::sleep(Duration::from_millis(1));
    send.send("                    ").unwrap();
    settled().await;
    let beside = submit(&service, "/items", &[json], spaces(45)).await;
    beside.is_problem(503, "unavailable");
    assert_eq!(beside.header("retry-after"), Some("1"));
    submit(&service, "/items", &[json], spaces(44)).await.is_problem(400, "invalid-json");
    // One byte more than the 20 that it asked for: it asks for 40.
    send.send(r#"{"#).unwrap();
    settled().await;
    submit(&service, "/items", &[json], spaces(25)).await.is_problem(503, "unavailable");
    submit(&service, "/items", &[json], spaces(24)).await.is_problem(400, "invalid-json");
    // Just as many as it has room for: it asks for no more.
    send.send(r#"        "items":[]}"#).unwrap();
    settled().await;
    submit(&service, "/items", &[json], spaces(24)).await.is_problem(400, "invalid-json");
    drop(send);
    assert_eq!(result(&service, "items", slow.await.unwrap()).await.body, "0");
    submit(&service, "/items", &[json], spaces(64)).await.is_problem(400, "invalid-json");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stalls_gives_its_room_back() {
    let layered = ServiceBuilder::new().map_request(|request: Request<RequestBody>| request);
    let layered = FlowService::builder(engine().await).layer(Endpoint::Enqueue, layered).build().unwrap();
    for service in [service().await, layered] {
        let json = ("content-type", "application/json");
        let (send, sent) = mpsc::unbounded_channel();
        let post = Request::post("/items").header(json.0, json.1).body(Sent(sent)).unwrap();
        let slow = tokio::spawn({
            let service = service.clone();
            async move { call(&service, post).await }
        });
        // It holds nothing before its first byte, and may take its time while it goes on.
        for pause in [300, 29, 29, 29] {
            tokio::time::sleep(Duration::from_secs(pause)).await;
            send.send(" ").unwrap();
        }
        tokio::time::sleep(Duration::from_secs(29)).await;
        assert!(!slow.is_finished());
        submit(&service, "/items", &[json], " ".repeat(64)).await.is_problem(503, "unavailable");
        let left = tokio::time::timeout(Duration::from_secs(31), slow).await.expect("it is given up");
        left.unwrap().is_problem(400, "invalid-request");
        submit(&service, "/items", &[json], " ".repeat(64)).await.is_problem(400, "invalid-json");
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_not_new_is_looked_at_less_often() {
    let service = service().await;
    let key = ("idempotency-key", "k");
    let new = post(&service, "/slow", &[key], "100000").await;
    tokio::time::sleep(Duration::from_secs(50)).await;
    let found = post(&service, "/slow", &[key], "100000").await;
    let waited = post(&service, "/slow", &[("prefer", "wait=20")], "100000").await;
    let after =
        [new, found, waited].map(|answer| (answer.status.as_u16(), answer.header("retry-after").map(str::to_owned)));
    assert_eq!(after, ["1", "5", "2"].map(|seconds| (202, Some(seconds.to_owned()))));
}

#[tokio::test(start_paused = true)]
async fn the_first_refusal_wins() {
    let service = service().await;
    let long = "x".repeat(65);
    let (key, key_twice) = (("idempotency-key", ""), [("idempotency-key", "a"), ("idempotency-key", "b")]);
    submit(&service, "/items", &[("content-type", "a/b"), key], long.clone())
        .await
        .is_problem(415, "unsupported-media-type");
    let json = ("content-type", "application/json");
    submit(&service, "/items", &[json, key], long.clone()).await.is_problem(400, "invalid-idempotency-key");
    submit(&service, "/items", &[json, key_twice[0], key_twice[1]], "")
        .await
        .is_problem(400, "invalid-idempotency-key");
    submit(&service, "/items", &[json], long).await.is_problem(413, "body-too-large");
}

#[tokio::test(start_paused = true)]
async fn a_key_makes_a_repeated_submit_the_same_job() {
    let service = service().await;
    let first = post(&service, "/echo", &[("idempotency-key", "\"k\"")], "1").await;
    let again =
        submit(&service, "/echo", &[("idempotency-key", "k"), ("content-type", "application/json;a=b")], "1").await;
    assert_eq!((again.status, &again.body), (first.status, &first.body));
    let waited = post(&service, "/echo", &[("idempotency-key", "k"), ("prefer", "wait=3")], "1").await;
    assert_eq!((waited.status.as_u16(), &*waited.body), (200, &b"1"[..]));
    post(&service, "/echo", &[("idempotency-key", "k")], "2").await.is_problem(422, "idempotency-key-reused");
    let other =
        submit(&service, "/echo", &[("idempotency-key", "k"), ("content-type", "application/x+json")], "1").await;
    other.is_problem(422, "idempotency-key-reused");
    // a refused request does not use a key up
    post(&service, "/items", &[("idempotency-key", "k")], "{").await.is_problem(400, "invalid-json");
    assert_eq!(post(&service, "/items", &[("idempotency-key", "k")], r#"{"items":[]}"#).await.status, 202);
}
