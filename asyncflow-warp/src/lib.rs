//! Mounts AsyncFlow's endpoints into [warp].
//!
//! [`filter`] makes a filter of a [`FlowService`], which answers whatever is left of the path; put it below where the jobs are to be
//! found:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use asyncflow_warp::{FlowService, core::{FlowEngine, JobContext, MemoryStore}};
//! use warp::Filter;
//!
//! let engine = FlowEngine::builder()
//!     .store(MemoryStore::new())
//!     .flow("double", |n: i64, _: JobContext| async move { Ok::<_, String>(n * 2) })
//!     .start()
//!     .await?;
//! let jobs = warp::path("jobs").and(asyncflow_warp::filter(FlowService::new(engine)));
//!
//! let request = warp::test::request().method("POST").path("/jobs/double").header("content-type", "application/json");
//! assert_eq!(request.body("21").reply(&jobs).await.status(), 202);
//! # Ok(())
//! # }
//! ```
//!
//! Bodies are streamed, so a flow's limit holds while a body comes in. A filter sees method, path, query, headers and body of a
//! request: an owner hook sees no extensions and always version HTTP/1.1. To lose nothing, put the flows in front of all of an
//! application instead: [`FlowLayer`](tower::FlowLayer) around [`warp::service`].

use futures_util::{Stream, TryStreamExt};
use http_body::Frame;
use http_body_util::{BodyDataStream, StreamBody};
use warp::Buf;
use warp::http::{HeaderMap, Method, Request};
use warp::path::Tail;
use warp::reply::{Reply, Response};
use warp::{Filter, Rejection};

pub use asyncflow_tower as tower;
pub use asyncflow_tower::{FlowService, asyncflow_core as core};

/// Makes a filter of a service: it answers every request that comes to it, by what is left of the path.
pub fn filter(
    service: FlowService,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static {
    let query = warp::query::raw().map(|query| format!("?{query}")).or(warp::any().map(String::new)).unify();
    let target = warp::path::tail().and(query).map(|path: Tail, query: String| format!("/{}{query}", path.as_str()));
    let head = warp::method().and(target).and(warp::header::headers_cloned());
    head.and(warp::body::stream())
        .and_then(move |method, target, headers, body| answer(service.clone(), method, target, headers, body))
}

async fn answer<D: Buf + 'static>(
    mut service: FlowService,
    method: Method,
    target: String,
    headers: HeaderMap,
    body: impl Stream<Item = Result<D, warp::Error>> + Send + 'static,
) -> Result<Response, Rejection> {
    let mut request = Request::new(StreamBody::new(body.map_ok(Frame::data)));
    *request.method_mut() = method;
    // A part of a target is a target.
    *request.uri_mut() = target.parse().map_err(|_| warp::reject::not_found())?;
    *request.headers_mut() = headers;
    let Ok(answer) = tower_service::Service::call(&mut service, request).await;
    let (head, body) = answer.into_parts();
    // From bytes warp knows the length of a body, from a stream it does not.
    let body = match body.into_bytes() {
        Ok(bytes) => bytes.into(),
        Err(stream) => warp::reply::stream(BodyDataStream::new(stream)).into_response().into_body(),
    };
    Ok(Response::from_parts(head, body))
}
