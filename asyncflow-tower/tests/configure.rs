//! Endpoints that are switched off or layered, and settings that cannot be honoured.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use std::{
    convert::Infallible,
    marker::PhantomData,
    pin::Pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use asyncflow_tower::{BoxError, Endpoint, EndpointService, FlowBody, FlowService, RequestBody};
use bytes::Bytes;
use common::*;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full, Limited};
use tower::{ServiceBuilder, ServiceExt, layer::layer_fn, service_fn, timeout::TimeoutLayer};

#[tokio::test(start_paused = true)]
async fn what_is_switched_off_is_not_there() {
    let builder = FlowService::builder(engine().await).off(Endpoint::Cancel);
    let service = builder
        .configure("echo", |flow| flow.off(Endpoint::Delete).off(Endpoint::Error))
        .configure("items", |flow| flow.off(Endpoint::Enqueue).off(Endpoint::Status).off(Endpoint::Delete))
        .build()
        .unwrap();
    let id = ended(&service, "echo", "1").await;
    let refused = call(&service, request(Method::DELETE, &format!("/echo/{id}"), &[], "")).await;
    refused.is_problem(405, "method-not-allowed");
    assert_eq!(refused.header("allow"), Some("GET, HEAD, OPTIONS"));
    for (method, path) in [
        (Method::GET, format!("/echo/{id}/error")),
        (Method::OPTIONS, format!("/echo/{id}/error")),
        (Method::POST, format!("/echo/{id}/cancel")),
        (Method::POST, format!("/raw/{id}/cancel")),
        (Method::POST, "/items".to_owned()),
        (Method::GET, format!("/items/{id}")),
    ] {
        call(&service, request(method, &path, &[], "")).await.is_problem(404, "not-found");
    }
    let left = call(&service, request(Method::OPTIONS, &format!("/items/{id}/result"), &[], "")).await;
    assert_eq!(left.status, 204);
}

/// Adds a header to each answer, and counts.
fn stamping(count: Arc<AtomicUsize>) -> impl tower::Layer<EndpointService, Service = Stamping> + Send + Sync + 'static {
    layer_fn(move |inner| Stamping { inner, count: count.clone() })
}

#[derive(Clone)]
struct Stamping {
    inner: EndpointService,
    count: Arc<AtomicUsize>,
}

impl tower::Service<Request<RequestBody>> for Stamping {
    type Response = Response<FlowBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<FlowBody>, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        tower::Service::<Request<RequestBody>>::poll_ready(&mut self.inner, cx)
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        self.count.fetch_add(1, Ordering::SeqCst);
        let name = format!("{} {:?}", self.inner.flow(), self.inner.endpoint());
        let answer = self.inner.call(request);
        Box::pin(async move {
            let mut answer = answer.await?;
            answer.headers_mut().insert("layer", HeaderValue::try_from(name).unwrap());
            Ok(answer)
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_layer_wraps_its_endpoint_alone() {
    let count = Arc::new(AtomicUsize::new(0));
    let builder = FlowService::builder(engine().await).layer(Endpoint::Status, stamping(count.clone()));
    let service = builder.layer(Endpoint::Enqueue, stamping(count.clone())).build().unwrap();
    let accepted = post(&service, "/echo", &[], "[1]").await;
    assert_eq!(accepted.header("layer"), Some("echo Enqueue"));
    let id = accepted.id();
    let result = get(&service, &format!("/echo/{id}/result"), &[("prefer", "wait")]).await;
    assert_eq!((&*result.body, result.header("layer")), (&b"[1]"[..], None));
    for path in [format!("/echo/{id}"), format!("/echo/{id}/status")] {
        let got = get(&service, &path, &[]).await;
        let head = call(&service, request(Method::HEAD, &path, &[], "")).await;
        assert_eq!((got.header("layer"), head.header("layer")), (Some("echo Status"), Some("echo Status")));
        assert_eq!(head.header("content-length"), Some(&*got.body.len().to_string()));
    }
    assert_eq!(count.load(Ordering::SeqCst), 5);
    call(&service, request(Method::PUT, &format!("/echo/{id}/status"), &[], ""))
        .await
        .is_problem(405, "method-not-allowed");
    assert_eq!(count.load(Ordering::SeqCst), 5);
}

#[tokio::test(start_paused = true)]
async fn a_layer_may_change_bodies_and_answer_by_itself() {
    // As tower-http's limits do, it gives the endpoint another body, and the service another answer.
    let limit = layer_fn(|inner: EndpointService| {
        ServiceBuilder::new()
            .map_request(|request: Request<RequestBody>| request.map(|body| Limited::new(body, 3)))
            .map_response(|answer: Response<FlowBody>| answer.map(|body| body.map_frame(|frame| frame).boxed_unsync()))
            .service(inner)
    });
    let teapot = layer_fn(|_: EndpointService| {
        service_fn(|request: Request<RequestBody>| async move {
            let body = request.into_body().collect().await.map_err(|_| "broken")?.to_bytes();
            let mut answer = Response::new(Full::new(body));
            *answer.status_mut() = StatusCode::IM_A_TEAPOT;
            Ok::<_, &'static str>(answer)
        })
    });
    let builder = FlowService::builder(engine().await).layer(Endpoint::Enqueue, limit);
    let service = builder.configure("raw", |flow| flow.layer(Endpoint::Enqueue, teapot)).build().unwrap();
    assert_eq!(post(&service, "/echo", &[], "[1]").await.status, 202);
    post(&service, "/echo", &[], "[12]").await.is_problem(400, "invalid-request");
    let answer = call(&service, Request::post("/raw").body(Frames::of(&["a", "", "bc"])).unwrap()).await;
    assert_eq!((answer.status.as_u16(), &*answer.body), (418, &b"abc"[..]));
    let mut broken = Frames::of(&["a"]);
    broken.0.insert(0, Err("reset"));
    call(&service, Request::post("/raw").body(broken).unwrap()).await.is_problem(503, "unavailable");
}

#[tokio::test(start_paused = true)]
async fn a_layer_that_lets_nothing_through_is_answered_for() {
    let slow = TimeoutLayer::new(Duration::from_secs(2));
    let service = FlowService::builder(engine().await).layer(Endpoint::Result, slow).build().unwrap();
    let id = post(&service, "/slow", &[], "10000").await.id();
    let path = format!("/slow/{id}/result");
    assert_eq!(get(&service, &path, &[("prefer", "wait=1")]).await.status, 202);
    let late = get(&service, &path, &[("prefer", "wait=3")]).await;
    late.is_problem(503, "unavailable");
    assert_eq!(late.header("retry-after"), Some("1"));
}

#[tokio::test(start_paused = true)]
async fn a_layer_leads_to_no_other_endpoint() {
    let astray = layer_fn(|inner: EndpointService| {
        assert!(format!("{inner:?}").contains("Enqueue"), "{inner:?}");
        ServiceBuilder::new()
            .map_request(|mut request: Request<RequestBody>| {
                *request.uri_mut() = "/raw".parse().unwrap();
                request
            })
            .service(inner)
    });
    let service = FlowService::builder(engine().await).layer(Endpoint::Enqueue, astray).build().unwrap();
    let shown = format!("{service:?}");
    assert!(shown.contains("echo") && shown.contains("raw"), "{shown}");
    post(&service, "/echo", &[], "1").await.is_problem(404, "not-found");
    assert_eq!(post(&service, "/raw", &[], "1").await.status, 202);
}

/// A body of a thread's own, which is not there at once.
struct Local {
    frames: Frames,
    woken: bool,
    _local: PhantomData<Rc<()>>,
}

impl Body for Local {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.woken = !self.woken;
        if self.woken {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Pin::new(&mut self.frames).poll_frame(cx)
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_need_not_be_send() {
    let count = Arc::new(AtomicUsize::new(0));
    let builder = FlowService::builder(engine().await);
    let service = builder.configure("raw", |flow| flow.layer(Endpoint::Enqueue, stamping(count))).build().unwrap();
    for flow in ["echo", "raw"] {
        let body = Local { frames: Frames::of(&["[1,", "2]"]), woken: false, _local: PhantomData };
        let request = Request::post(format!("/{flow}")).header("content-type", "application/json").body(body).unwrap();
        let id = call(&service, request).await.id();
        assert_eq!(get(&service, &format!("/{flow}/{id}/result"), &[("prefer", "wait")]).await.body, "[1,2]");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_read_in_another_task_ends_with_its_request() {
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let early = layer_fn(move |_: EndpointService| {
        let sender = sender.clone();
        service_fn(move |request: Request<RequestBody>| {
            let sender = sender.clone();
            async move {
                let (read, first) = tokio::sync::oneshot::channel();
                tokio::spawn(async move {
                    let mut body = request.into_body();
                    let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
                    read.send(frame).unwrap();
                    tokio::task::yield_now().await;
                    sender.send(body.frame().await.unwrap().is_err()).unwrap();
                });
                Ok::<_, Infallible>(Response::new(Full::new(first.await.unwrap())))
            }
        })
    });
    let service = FlowService::builder(engine().await).layer(Endpoint::Enqueue, early).build().unwrap();
    let answer = call(&service, Request::post("/raw").body(Frames::of(&["a", "b"])).unwrap()).await;
    assert_eq!(answer.body, "a");
    assert_eq!(receiver.recv().await, Some(true));
}

#[tokio::test]
async fn a_setting_that_cannot_be_honoured_is_named() {
    let engine = engine().await;
    let wrong = |set: &dyn Fn(asyncflow_tower::FlowServiceBuilder) -> asyncflow_tower::FlowServiceBuilder| {
        set(FlowService::builder(engine.clone())).build().unwrap_err().to_string()
    };
    assert_eq!(
        wrong(&|service| service.flow("data")),
        "setting `flow`: the engine has no flow `data`, but `echo`, `items`, `text`, `raw`, `fail`, `slow`"
    );
    assert_eq!(
        wrong(&|service| service.flow("echo").configure("raw", |flow| flow)),
        "setting `configure`: the service has no flow `raw`, but `echo`"
    );
    for cap in [Duration::ZERO, Duration::from_millis(999), Duration::MAX] {
        assert!(wrong(&|service| service.wait_cap(cap)).starts_with("setting `wait_cap`: "));
        let one = |flow: asyncflow_tower::FlowConfig| flow.wait_cap(cap);
        assert!(wrong(&|service| service.configure("echo", one)).starts_with("setting `wait_cap`: "));
    }
    let keep = |flow: asyncflow_tower::FlowConfig| flow.key_retention(Duration::ZERO);
    assert!(wrong(&|service| service.configure_all(keep)).starts_with("setting `key_retention`: "));
    for url in [
        "",
        "/jobs",
        "//h/jobs",
        "h",
        "https://",
        "https:///a",
        "https://h/?a",
        "https://h/#a",
        "https://h/<a>",
        "https://h/\u{e9}",
    ] {
        assert!(wrong(&|service| service.base_url(url)).starts_with("setting `base_url`: "), "{url}");
    }
    for uri in ["", "problems/", "/problems", ":a", "1:a", "https://h/\"a", "https://h/a b", "https://h/\n"] {
        assert!(wrong(&|service| service.problem_base(uri)).starts_with("setting `problem_base`: "), "{uri}");
    }
    for (prefix, why) in [
        ("jobs", "with a slash"),
        ("/a//b", "empty segment"),
        ("//a", "empty segment"),
        ("/a?b", "percent-encoded"),
        ("/a b", "percent-encoded"),
        ("/\u{e9}", "percent-encoded"),
        ("/{a}", "percent-encoded"),
    ] {
        let said = wrong(&|service| service.prefix(prefix));
        assert!(said.starts_with(&format!("setting `prefix`: `{prefix}` ")) && said.contains(why), "{said}");
    }
    for (url, uri, prefix) in [
        ("http://h", "urn:example:", ""),
        ("https://u@[::1]:8080/a/b/", "tag:h,2024:p", "/"),
        ("https://h/a%20b", "https://h/#", "/a/b/"),
        ("https://h:1/v1:beta", "urn:p:", "/v1:beta/-._~%20!$&'()*+,;=:@"),
    ] {
        FlowService::builder(engine.clone()).base_url(url).problem_base(uri).prefix(prefix).build().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_prefix_may_have_whatever_paths_have() {
    let service = FlowService::builder(engine().await).prefix("/v1:beta/'%20'").build().unwrap();
    assert_eq!(post(&service, "/v1:beta/'%20'/echo", &[], "1").await.status, 202);
    post(&service, "/v1/echo", &[], "1").await.is_problem(404, "not-found");
}

#[tokio::test]
async fn a_thread_without_a_runtime_is_served() {
    let service = FlowService::builder(engine().await).wait_cap(Duration::from_secs(60)).build().unwrap();
    let (sender, receiver) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        assert!(tokio::runtime::Handle::try_current().is_err());
        let answer = block_on(async {
            let id = post(&service, "/slow", &[], "30").await.id();
            let body = Local { frames: Frames::of(&["1", "0"]), woken: false, _local: PhantomData };
            let pieces = Request::post("/slow").header("content-type", "application/json").body(body).unwrap();
            assert_eq!(call(&service, pieces).await.status, 202);
            let result = post(&service, "/slow", &[("prefer", "wait")], "20").await;
            assert_eq!(result.body, "20");
            let status = get(&service, &format!("/slow/{id}/status"), &[("prefer", "wait")]).await;
            assert_eq!(status.json()["Status"], "Succeeded");
            get(&service, &format!("/slow/{id}/result"), &[]).await
        });
        sender.send(answer.body).unwrap();
    });
    assert_eq!(receiver.await.unwrap(), "30");
}

/// Runs a future by parking its thread.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(std::thread::current())).into();
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

#[test]
fn futures_are_as_send_as_their_bodies() {
    fn is_send<T: Send>() {}
    is_send::<asyncflow_tower::FlowFuture<Full<Bytes>>>();
    is_send::<FlowService>();
    fn is_shared<T: Send + Sync + Unpin + Clone + 'static>() {}
    is_shared::<FlowService>();
    let _ = |service: FlowService, local: Request<Local>| service.oneshot(local);
}
