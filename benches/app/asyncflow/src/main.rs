//! Answers JSON with what it was sent, as a job.

use std::convert::Infallible;

use asyncflow_core::{BoxError, FlowEngine, JobContext};
use asyncflow_tower::FlowService;
use hyper::server::conn::http1;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::net::TcpListener;

async fn echo(text: String, _: JobContext) -> Result<String, Infallible> {
    Ok(text)
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let engine = FlowEngine::builder().flow("echo", echo).start().await?;
    let service = FlowService::new(engine);
    let listener = TcpListener::bind("127.0.0.1:8080").await?;
    loop {
        let (connection, _) = listener.accept().await?;
        let service = TowerToHyperService::new(service.clone());
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(connection), service));
    }
}
