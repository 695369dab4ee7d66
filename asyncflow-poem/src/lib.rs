//! Mounts AsyncFlow's endpoints into [poem].
//!
//! [`endpoint`] makes an endpoint of a [`FlowService`]; nest it where the jobs are to be found:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use asyncflow_poem::{FlowService, core::{FlowEngine, JobContext, MemoryStore}};
//! use poem::{Endpoint, Request, Route, http::{Method, StatusCode}};
//!
//! let engine = FlowEngine::builder()
//!     .store(MemoryStore::new())
//!     .flow("double", |n: i64, _: JobContext| async move { Ok::<_, String>(n * 2) })
//!     .start()
//!     .await?;
//! let app = Route::new().nest("/jobs", asyncflow_poem::endpoint(FlowService::new(engine)));
//!
//! let request = Request::builder().method(Method::POST).uri_str("/jobs/double");
//! let answer = app.call(request.content_type("application/json").body("21")).await?;
//! assert_eq!(answer.status(), StatusCode::ACCEPTED);
//! # Ok(())
//! # }
//! ```
//!
//! Bodies are streamed, so a flow's limit holds while a body comes in, and what poem's own middleware puts into a request's
//! extensions reaches an owner hook. Under a nest, poem itself refuses a path whose escapes are not UTF-8 (`%ff`).

use http_body_util::BodyExt;
use poem::{Body, Endpoint, Request, Response, Result};

pub use asyncflow_tower as tower;
pub use asyncflow_tower::{FlowService, asyncflow_core as core};

/// Answers the endpoints of a service's flows.
#[derive(Clone, Debug)]
pub struct FlowEndpoint(FlowService);

/// Makes an endpoint of a service.
pub fn endpoint(service: FlowService) -> FlowEndpoint {
    FlowEndpoint(service)
}

impl Endpoint for FlowEndpoint {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        let Ok(answer) = tower_service::Service::call(&mut self.0.clone(), request.into()).await;
        let (head, body) = answer.into_parts();
        // Boxed by hand: poem's own conversion from `http::Response` forgets how long a body is.
        let body = Body::from(body.map_err(std::io::Error::other).boxed());
        let mut response = Response::builder().status(head.status).body(body);
        *response.headers_mut() = head.headers;
        *response.extensions_mut() = head.extensions;
        Ok(response)
    }
}
