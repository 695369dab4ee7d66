//! The flows over HTTP, in one framework or another.

mod axum;
mod hyper;

use std::io;

use asyncflow_core::FlowEngine;
use asyncflow_tower::FlowService;
use http::{HeaderValue, Response, StatusCode, header::CONTENT_TYPE};
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
    /// Whether requests should be sent here.
    async fn health(&self) -> Response<String> {
        let health = self.engine.health().await;
        if let Err(error) = &health.store {
            tracing::warn!(%error, "the store cannot be used");
        }
        let ready = health.is_ready();
        let body =
            json!({ "ready": ready, "open": health.open, "store": health.store.is_ok(), "running": health.running });
        let mut answer = Response::new(body.to_string());
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        *answer.status_mut() = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
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
    }
}
