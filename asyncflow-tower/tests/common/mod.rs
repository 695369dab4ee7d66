//! An engine with small flows, and plain calls of a service.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use asyncflow_core::{
    DecodeError, FlowEngine, FlowOptions, FromPayload, JobContext, Progress, Raw, Stamp, TokioClock, store::Part,
};
use asyncflow_tower::{BoxError, FlowBody, FlowService};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use serde::Deserialize;
use serde_json::Value;
use tower::Service;

#[derive(Debug, Deserialize)]
pub struct Items {
    pub items: Vec<Item>,
}

#[derive(Debug, Deserialize)]
pub struct Item {
    pub count: u32,
}

#[derive(Debug)]
pub struct Text(pub String);

impl FromPayload for Text {
    fn accepts() -> &'static [&'static str] {
        &["application/json", "text/plain"]
    }

    fn from_payload(part: &Part) -> Result<Self, DecodeError> {
        match part.content_type.essence().as_str() {
            "text/plain" => String::from_utf8(part.bytes.to_vec())
                .map(Self)
                .map_err(|_| DecodeError::Malformed("the text is not UTF-8".into())),
            _ => Value::from_payload(part).map(|json| Self(json.to_string())),
        }
    }
}

#[derive(Debug)]
pub struct ArgumentError;

impl std::fmt::Display for ArgumentError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no \"good\"")
    }
}

impl std::error::Error for ArgumentError {}

/// `echo`, `items`, `text` and `raw` give back what they were given, `fail` fails, `slow` sleeps (with a word of progress), `panic` panics.
pub async fn engine() -> FlowEngine {
    FlowEngine::builder()
        .clock(Arc::new(TokioClock::at(Stamp::from_micros(1_700_000_000_000_000))))
        .flow("echo", |json: Value, _: JobContext| async move { Ok::<_, Infallible>(json) })
        .flow_with(
            "items",
            |items: Items, _: JobContext| async move {
                Ok::<_, Infallible>(items.items.iter().map(|item| item.count).sum::<u32>())
            },
            FlowOptions::new().max_request(64).max_bytes(64),
        )
        .flow("text", |text: Text, _: JobContext| async move { Ok::<_, Infallible>(text.0) })
        .flow("raw", |raw: Raw, _: JobContext| async move { Ok::<_, Infallible>(raw) })
        .flow("fail", |_: Value, _: JobContext| async move { Err::<(), _>(ArgumentError) })
        .flow("slow", |millis: u64, job: JobContext| async move {
            job.progress(Progress::new("asleep").percentage(50));
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(millis)) => Ok(millis),
                () = job.cancelled() => Err("stopped"),
            }
        })
        .start()
        .await
        .unwrap()
}

pub async fn service() -> FlowService {
    FlowService::new(engine().await)
}

/// An answer that was read.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next()?;
        assert!(values.next().is_none(), "{name} is there twice");
        Some(value.to_str().unwrap())
    }

    /// The names of the headers, as they stand.
    pub fn order(&self) -> Vec<&str> {
        self.headers.keys().map(HeaderName::as_str).collect()
    }

    /// Checks that it is this problem, and nothing but one.
    #[track_caller]
    pub fn is_problem(&self, status: u16, kind: &str) {
        assert_eq!(
            (self.status.as_u16(), self.header("content-type")),
            (status, Some("application/problem+json")),
            "{self:?}"
        );
        assert_eq!(self.header("cache-control"), Some("no-store"));
        let json = self.json();
        assert_eq!(json["type"], format!("https://asyncflow.dev/problems/{kind}"));
        assert_eq!(json["status"], status);
        for member in ["title", "detail"] {
            assert!(json[member].as_str().is_some_and(|text| !text.is_empty()), "{member}");
        }
        assert!(json["instance"].as_str().unwrap().starts_with("urn:uuid:"));
        assert_eq!(json.as_object().unwrap().len(), 5);
    }

    /// The id of the job that was submitted.
    #[track_caller]
    pub fn id(&self) -> String {
        assert_eq!(self.status, 202, "{self:?}");
        self.json()["RequestId"].as_str().unwrap().to_owned()
    }
}

/// Calls a service, and reads its answer.
pub async fn call<S, B>(service: &S, request: Request<B>) -> Answer
where
    S: Service<Request<B>, Response = Response<FlowBody>, Error = Infallible> + Clone,
{
    let (head, body) = service.clone().call(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer { status: head.status, headers: head.headers, body }
}

pub fn request(method: Method, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, http::HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    request.body(Full::new(body.into())).unwrap()
}

pub async fn get(service: &FlowService, path: &str, headers: &[(&str, &str)]) -> Answer {
    call(service, request(Method::GET, path, headers, "")).await
}

/// Submits JSON.
pub async fn post(service: &FlowService, path: &str, headers: &[(&str, &str)], body: &'static str) -> Answer {
    let mut all = vec![("content-type", "application/json")];
    all.extend(headers);
    call(service, request(Method::POST, path, &all, body)).await
}

/// Submits JSON, and waits for the job's end.
pub async fn ended(service: &FlowService, flow: &str, body: &'static str) -> String {
    let id = post(service, &format!("/{flow}"), &[], body).await.id();
    let status = get(service, &format!("/{flow}/{id}/status"), &[("prefer", "wait")]).await;
    assert!(status.json()["CompletedAt"].is_string(), "{status:?}");
    id
}

/// A body of these frames, whose length is not known before its end.
pub struct Frames(pub Vec<Result<Bytes, &'static str>>);

impl Frames {
    pub fn of(frames: &[&'static str]) -> Self {
        Self(frames.iter().rev().map(|frame| Ok(Bytes::from_static(frame.as_bytes()))).collect())
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Poll::Ready(self.0.pop().map(|frame| frame.map(Frame::data).map_err(Into::into)))
    }
}
