//! Jobs in an axum application, beside its own routes.
//!
//! `cargo run --example axum`, then `curl -i localhost:3000/jobs/greet --json '"world"'`

use std::{convert::Infallible, time::Duration};

use asyncflow_core::{BoxError, FlowEngine, JobContext};
use asyncflow_tower::FlowService;
use axum::{Router, routing::get};
use tokio::{net::TcpListener, signal::ctrl_c};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let engine = FlowEngine::builder().flow("greet", greet).start().await?;
    let app = Router::new()
        .route("/", get(async || "post a name to /jobs/greet"))
        .nest_service("/jobs", FlowService::new(engine.clone()));

    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:3000".into());
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app).with_graceful_shutdown(async { drop(ctrl_c().await) }).await?;
    engine.shutdown(Duration::from_secs(30)).await;
    Ok(())
}

async fn greet(name: String, _: JobContext) -> Result<String, Infallible> {
    Ok(format!("hello, {name}"))
}
