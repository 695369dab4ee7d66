//! The flows in front of another service.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use std::{
    collections::VecDeque,
    task::{Context, Poll},
};

use asyncflow_tower::{EitherBody, Endpoint, FlowLayer, FlowService, WithFlows};
use common::*;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use tower::{Layer, Service, ServiceExt};

type Inner = Full<VecDeque<u8>>;

/// Answers with the path it was asked for, once it was polled ready.
#[derive(Clone, Default)]
struct Tell {
    ready: bool,
}

impl<B> Service<Request<B>> for Tell {
    type Response = Response<Inner>;
    type Error = &'static str;
    type Future = std::future::Ready<Result<Response<Inner>, &'static str>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
        if self.ready {
            return Poll::Ready(Ok(()));
        }
        self.ready = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "it was not polled ready");
        let path = request.uri().path();
        std::future::ready(match path {
            "/fail" => Err("failed"),
            _ => Ok(Response::new(Full::new(path.bytes().collect()))),
        })
    }
}

async fn ask(app: &WithFlows<Tell>, method: Method, path: &str) -> (u16, String) {
    let request = request(method, path, &[("content-type", "application/json")], "1");
    let answer: Response<EitherBody<Inner>> = app.clone().oneshot(request).await.unwrap();
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test(start_paused = true)]
async fn what_is_no_flows_goes_on() {
    let app = FlowLayer::new(service().await).layer(Tell::default());
    let (status, body) = ask(&app, Method::POST, "/echo").await;
    assert_eq!(status, 202);
    let id = serde_json::from_str::<serde_json::Value>(&body).unwrap()["RequestId"].as_str().unwrap().to_owned();
    for (method, path, status) in [
        (Method::GET, "//echo".to_owned(), 405),
        (Method::GET, format!("/echo/{id}"), 200),
        (Method::GET, format!("/echo/{id}/status"), 200),
        (Method::PUT, format!("/echo/{id}/status"), 405),
        (Method::GET, format!("/echo/{id}/nothing"), 404),
        (Method::GET, format!("/echo/{id}/"), 404),
        (Method::GET, format!("/items/{id}"), 404),
    ] {
        assert_eq!(ask(&app, method, &path).await.0, status, "{path}");
    }
    for path in ["/", "/other", "/echo/", "/echo/me/status", "/echo//status", "/Echo", &format!("/other/{id}/status")] {
        for method in [Method::GET, Method::POST] {
            assert_eq!(ask(&app, method, path).await, (200, path.to_owned()));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_flows_own_path_goes_on_where_nothing_is_on_there() {
    let flows = FlowService::builder(engine().await).off(Endpoint::Error);
    let flows = flows.configure("echo", |flow| flow.off(Endpoint::Enqueue)).build().unwrap();
    let app = FlowLayer::new(flows).layer(Tell::default());
    for method in [Method::POST, Method::GET, Method::OPTIONS] {
        assert_eq!(ask(&app, method, "/echo").await, (200, "/echo".to_owned()));
    }
    assert_eq!(ask(&app, Method::POST, "/raw").await.0, 202);
    // What has a job's id is ours, whatever is on.
    let id = "0197a6e8-0000-7000-8000-00000000abcd";
    for tail in ["", "/status", "/error"] {
        assert_eq!(ask(&app, Method::GET, &format!("/echo/{id}{tail}")).await.0, 404, "{tail}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_inner_error_passes_through() {
    let flows = FlowService::builder(engine().await).prefix("/jobs").build().unwrap();
    let app = FlowLayer::new(flows).layer(Tell::default());
    assert_eq!(ask(&app, Method::POST, "/echo").await.0, 200);
    assert_eq!(ask(&app, Method::POST, "/jobs/echo").await.0, 202);
    let failed = app.oneshot(request(Method::GET, "/fail", &[], "")).await;
    assert_eq!(failed.map(|_| ()), Err("failed"));
}
