//! What can be set of a service, beyond what the other files are about.

use std::time::Duration;

use asyncflow_tower::{Endpoint, EndpointService};
use http::StatusCode;
use tower::layer::layer_fn;

use super::{Cases, Probe, Request};
use layers::{Replaced, Tagged};

pub(super) fn cases(cases: &mut Cases) {
    cases.add("each endpoint can be switched off alone", off);
    cases.add("a path whose every endpoint is off is not there", path_off);
    cases.add("an endpoint can be switched off for one flow alone", off_for_one);
    cases.add("a layer around an endpoint sees its requests and answers, and no others", layered);
    cases.add("a layer that answers by itself replaces the endpoint", replaced);
    cases.add("a layered endpoint takes and refuses bodies as any", layered_bodies);
    cases.add("the longest wait can be set", wait_cap);
    cases.add("how long keys are kept can be set", key_retention);
    cases.add("a service can be told the path before its flows", prefix);
    cases.add("beyond the node's waiting readers, a request that would wait is answered at once", readers);
}

async fn off(t: Probe) {
    let job = t.puppet("puppet").await;
    for (endpoint, method, path, others) in [
        (Endpoint::Delete, "DELETE", job.path(""), "GET, HEAD, OPTIONS"),
        (Endpoint::Status, "GET", job.path(""), "DELETE, OPTIONS"),
    ] {
        let t = t.serve(t.service().off(endpoint)).await;
        let answer = t.send(Request::new(method, &*path)).await;
        answer.problem(405, "method-not-allowed");
        answer.expect(answer.items("allow").join(", ") == others, &format!("`allow` with {others}"));
        t.send(Request::new("OPTIONS", path)).await.is(204);
        t.send(Request::get(job.path("result"))).await.is(202);
    }
    t.send(Request::get(job.path("status"))).await.is(200).says("/Status", "Processing");
}

async fn path_off(t: Probe) {
    let job = t.puppet("puppet").await;
    for (endpoint, method, path) in [
        (Endpoint::Enqueue, "POST", "/puppet".to_owned()),
        (Endpoint::Status, "GET", job.path("status")),
        (Endpoint::Result, "GET", job.path("result")),
        (Endpoint::Error, "GET", job.path("error")),
        (Endpoint::Cancel, "POST", job.path("cancel")),
    ] {
        let t = t.serve(t.service().off(endpoint)).await;
        t.send(Request::new(method, &*path)).await.problem(404, "not-found");
        t.send(Request::new("OPTIONS", &*path)).await.problem(404, "not-found");
        t.send(Request::new("PUT", &*path)).await.problem(404, "not-found");
    }
    t.stored("puppet", 1).await;
}

async fn off_for_one(t: Probe) {
    let t = t.serve(t.service().configure("raw", |flow| flow.off(Endpoint::Enqueue))).await;
    t.send(Request::post("/raw").json("1")).await.problem(404, "not-found");
    t.send(Request::post("/echo").json("1")).await.is(202);
}

async fn layered(t: Probe) {
    let t = t.serve(t.service().layer(Endpoint::Status, layer_fn(Tagged))).await;
    let id = t.send(Request::post("/echo").json("1")).await.is(202).lacks("x-layer").id();
    t.ended("echo", &id).await;
    let path = format!("/echo/{id}");
    let status = t.send(Request::get(format!("{path}/status"))).await;
    status.is(200).says("/Status", "Succeeded").has("x-layer", &format!("GET {path}/status"));
    t.send(Request::get(&*path)).await.is(200).has("x-layer", &format!("GET {path}"));
    t.send(Request::new("HEAD", &*path)).await.is(200).has("x-layer", &format!("HEAD {path}"));
    t.send(Request::get(format!("{path}/result"))).await.is(200).lacks("x-layer");
    t.send(Request::new("PUT", format!("{path}/status"))).await.problem(405, "method-not-allowed").lacks("x-layer");
    let unknown = format!("/echo/{}/status", super::UNKNOWN);
    t.send(Request::get(&*unknown)).await.problem(404, "not-found").has("x-layer", &format!("GET {unknown}"));
}

async fn replaced(t: Probe) {
    let id = t.done("echo", "1").await;
    let t = t.serve(t.service().layer(Endpoint::Result, layer_fn(|_| Replaced(StatusCode::IM_A_TEAPOT)))).await;
    let answer = t.foreign(Request::get(format!("/echo/{id}/result"))).await;
    answer.is(418).body_is("short and stout");
    t.send(Request::get(format!("/echo/{id}/status"))).await.is(200);
}

async fn layered_bodies(t: Probe) {
    let t = t.serve(t.service().layer(Endpoint::Enqueue, layer_fn(Tagged))).await;
    let json = || Request::post("/small").with("content-type", "application/json");
    let id = t.send(json().chunked(&[b"[", b"1", b"]"])).await.is(202).has("x-layer", "POST /small").id();
    t.ended("small", &id).await;
    t.send(Request::get(format!("/small/{id}/result"))).await.is(200).body_is("[1]");
    t.send(json().body("{")).await.problem(400, "invalid-json").has("x-layer", "POST /small");
    t.send(json().with("content-length", "1025")).await.problem(413, "body-too-large");
    let endless = json().with("transfer-encoding", "chunked");
    t.flood(endless, super::chunk(&[b' '; 100])).await.problem(413, "body-too-large");
    t.send(Request::post("/small")).await.is(202);
}

async fn wait_cap(t: Probe) {
    let t = t.serve(t.service().wait_cap(Duration::from_secs(1))).await;
    let job = t.puppet("puppet").await;
    for request in [Request::get(job.path("result")).wait(600), Request::get(job.path("result")).with("prefer", "wait")]
    {
        t.soon(t.send(request)).await.is(202).has("preference-applied", "wait=1");
    }
}

async fn key_retention(t: Probe) {
    let t = t.serve(t.service().configure_all(|flow| flow.key_retention(Duration::from_secs(60)))).await;
    let keyed = || Request::post("/puppet").with("idempotency-key", "k").json("{}");
    let first = t.send(keyed()).await.is(202).id();
    t.send(keyed()).await.is(202).says("/RequestId", first.clone());
    t.world.clock.shift(61);
    let later = t.send(keyed()).await;
    later.is(202).expect(later.id() != first, "another job");
}

async fn prefix(t: Probe) {
    let t = t.serve(t.service().prefix("/deep/er")).await;
    let answer = t.send(Request::post("/deep/er/echo").json("1")).await;
    let id = answer.is(202).id();
    answer.has("location", &format!("echo/{id}/result"));
    t.ended("echo", &id).await;
    t.send(Request::get(answer.link("status"))).await.is(200).says("/Status", "Succeeded");
    for path in ["/echo", "/deep/echo", "/deep/erecho", "/deep/er", "/deep/er/", "/deep/er/echo/"] {
        t.send(Request::post(path).json("1")).await.problem(404, "not-found");
    }
}

async fn readers(t: Probe) {
    let t = t.on(t.world.node().max_readers(2)).await;
    let job = t.puppet("puppet").await;
    let mut waiting = Vec::new();
    for _ in 0..3 {
        waiting.push(t.quiet().open(Request::get(job.path("result")).wait(25)).await);
    }
    let first = t.soon(super::first_answered(&mut waiting)).await;
    first.answer().await.is(202);
    for one in &mut waiting {
        one.stays_open(Duration::from_millis(50)).await;
    }
    t.soon(t.send(Request::get(job.path("status")).wait(25))).await.is(200);
    job.succeed(().into());
    for waiting in waiting {
        waiting.answer().await.is(200).body_is("null");
    }
}

/// Layers as an application might have them.
mod layers {
    use std::convert::Infallible;
    use std::future::{Future, Ready, ready};
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use asyncflow_tower::{FlowBody, RequestBody};
    use bytes::Bytes;
    use http::{HeaderValue, Request, Response, StatusCode};
    use tower::Service;

    use super::EndpointService;

    /// Writes what it saw into a header of the answer.
    #[derive(Clone)]
    pub(super) struct Tagged(pub(super) EndpointService);

    impl Service<Request<RequestBody>> for Tagged {
        type Response = Response<FlowBody>;
        type Error = Infallible;
        type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

        fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Service::<Request<RequestBody>>::poll_ready(&mut self.0, cx)
        }

        fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
            let seen = HeaderValue::try_from(format!("{} {}", request.method(), request.uri().path()));
            let answer = self.0.call(request);
            Box::pin(async move {
                let Ok(mut answer) = answer.await;
                answer.headers_mut().extend(seen.map(|seen| (http::HeaderName::from_static("x-layer"), seen)));
                Ok(answer)
            })
        }
    }

    /// Answers by itself.
    #[derive(Clone)]
    pub(super) struct Replaced(pub(super) StatusCode);

    impl Service<Request<RequestBody>> for Replaced {
        type Response = Response<FlowBody>;
        type Error = Infallible;
        type Future = Ready<Result<Self::Response, Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request<RequestBody>) -> Self::Future {
            let mut answer = Response::new(FlowBody::from(Bytes::from_static(b"short and stout")));
            *answer.status_mut() = self.0;
            ready(Ok(answer))
        }
    }
}
