//! AsyncFlow's jobs over HTTP, as a [tower] service of any body and a layer over any service.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use asyncflow_tower::{FlowService, asyncflow_core::{FlowEngine, JobContext}};
//! use bytes::Bytes;
//! use http::Request;
//! use http_body_util::Full;
//! use tower::ServiceExt;
//!
//! let engine = FlowEngine::builder()
//!     .flow("double", |n: i64, _: JobContext| async move { Ok::<_, String>(n * 2) })
//!     .start()
//!     .await?;
//! let service = FlowService::new(engine);
//!
//! let request = Request::post("/double").header("content-type", "application/json").body(Full::<Bytes>::from("21"))?;
//! let answer = service.oneshot(request).await?;
//! assert_eq!(answer.status(), 202);
//! let result = answer.headers()["location"].to_str()?; // double/0197…/result
//! # assert!(result.starts_with("double/") && result.ends_with("/result"));
//! # Ok(())
//! # }
//! ```
//!
//! Each flow has these endpoints below wherever the service is mounted; [`Endpoint`] names them:
//!
//! | request | answer |
//! |---|---|
//! | `POST /data` | `202` and the job's id; with `Prefer: wait=5`, the result if it is there in time |
//! | `GET /data/{id}/status`, `GET /data/{id}` | how the job is; with `Prefer: wait`, once it has news |
//! | `GET /data/{id}/result` | `200` and what the job returned, `202` while there is nothing yet |
//! | `GET /data/{id}/error` | why the job failed |
//! | `POST /data/{id}/cancel` | `202`: it was asked to stop, and stays readable |
//! | `DELETE /data/{id}` | `204`: it was asked to stop, and is forgotten |
//!
//! # Mounting
//! [`FlowService`] goes wherever a `tower` service goes: `Router::nest_service` of axum, `TowerToHyperService` of hyper-util.
//! [`FlowLayer`] answers the flows' requests in front of another service and passes the rest on. Where nobody cuts off the path of the
//! mount, [`FlowServiceBuilder::prefix`] does. Nothing here needs a runtime: the engine brings its own.
//!
//! # Who may see a job
//! **Without an owner hook, knowing a job's id is the right to it, and all callers share the space of idempotency keys.** Ids cannot be
//! guessed; but whoever sees one, in a log say, can read the job and delete it. An [`OwnerHook`] names who a request speaks for:
//! everyone sees their own jobs alone then.
//!
//! # Browsers
//! CORS is an outer layer's; [`EXPOSED_HEADERS`] are what it must expose. An empty body, `cancel` and `text/plain` are requests that a
//! page of another site can send with cookies. Whoever authenticates by cookie puts a layer around these endpoints, which looks at what
//! browsers say of a request's origin:
//!
//! ```
//! # use asyncflow_tower::*;
//! use http::{Request, Response, StatusCode};
//! use tower::{Service, layer::layer_fn, service_fn};
//!
//! # fn build(engine: asyncflow_core::FlowEngine) -> Result<FlowService, InvalidSetting> {
//! let same_site = layer_fn(|inner: EndpointService| {
//!     service_fn(move |request: Request<RequestBody>| {
//!         let mut inner = inner.clone();
//!         async move {
//!             match request.headers().get("sec-fetch-site").map(|site| site.as_bytes()) {
//!                 // What is no browser says nothing; `none` is a user who typed the address.
//!                 None | Some(b"same-origin" | b"none") => inner.call(request).await,
//!                 Some(_) => {
//!                     let mut refused = Response::new(FlowBody::default());
//!                     *refused.status_mut() = StatusCode::FORBIDDEN;
//!                     Ok(refused)
//!                 }
//!             }
//!         }
//!     })
//! });
//! FlowService::builder(engine)
//!     .layer(Endpoint::Enqueue, same_site.clone())
//!     .layer(Endpoint::Cancel, same_site)
//!     .build()
//! # }
//! ```
//!
//! # Features
//! `tracing` (on by default): each refusal is logged with the `instance` that its answer names, `4xx` at debug level.
//!
//! [tower]: https://docs.rs/tower

mod answer;
mod body;
mod builder;
mod config;
mod endpoint;
mod future;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod headers;
mod layer;
mod owner;
mod route;
mod router;
mod service;

pub use answer::{EXPOSED_HEADERS, naming::Naming};
pub use asyncflow_core;
pub use body::{BoxError, FlowBody, RequestBody};
pub use builder::{FlowServiceBuilder, InvalidSetting};
pub use config::FlowConfig;
pub use endpoint::{Endpoint, EndpointService, ErrorDetail};
pub use future::FlowFuture;
pub use layer::{EitherBody, FlowLayer, WithFlows, WithFlowsFuture};
pub use owner::{OwnerHook, Refused};
pub use service::FlowService;
