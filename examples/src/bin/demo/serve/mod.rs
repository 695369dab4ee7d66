//! The flows over HTTP, in one framework or another.

mod axum;
mod hyper;
mod poem;
mod warp;

use std::io;

use asyncflow_core::FlowEngine;
use asyncflow_tower::FlowService;
use http::{
    HeaderValue, Method, Response, StatusCode,
    header::{ALLOW, CONTENT_TYPE},
};
use serde_json::json;
use tokio::net::TcpListener;

use crate::cli::Framework;

/// Where the process's health is answered for; the flows are beside it.
const HEALTH: &str = "/health";

/// What is mounted into a framework.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) engine: FlowEngine,
    pub(crate) service: FlowService,
}

impl App {
    /// Says whether requests should be sent here.
    async fn health(&self, method: Method) -> Response<String> {
        let mut answer = Response::new(String::new());
        if !matches!(method, Method::GET | Method::HEAD) {
            *answer.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return answer;
        }
        let health = self.engine.health().await;
        if let Err(error) = &health.store {
            tracing::warn!(%error, "the store cannot be used");
        }
        let (ready, store) = (health.is_ready(), health.store.is_ok());
        *answer.status_mut() = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        *answer.body_mut() =
            json!({ "ready": ready, "open": health.open, "store": store, "running": health.running }).to_string();
        answer
    }
}

/// Serves until `shutdown`, and then until what is being answered is answered.
pub(crate) async fn serve(
    framework: Framework,
    app: App,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    match framework {
        Framework::Axum => axum::serve(app, listener, shutdown).await,
        Framework::Hyper => hyper::serve(app, listener, shutdown).await,
        Framework::Warp => warp::serve(app, listener, shutdown).await,
        Framework::Poem => poem::serve(app, listener, shutdown).await,
    }
}
