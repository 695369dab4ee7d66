//! Jobs on bare hyper, with nothing beside them.
//!
//! `cargo run --example hyper`, then `curl -i localhost:3000/greet --json '"world"'`

use std::convert::Infallible;

use asyncflow_core::{BoxError, FlowEngine, JobContext};
use asyncflow_tower::FlowService;
use hyper::server::conn::http1;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let engine = FlowEngine::builder().flow("greet", greet).start().await?;
    let service = FlowService::new(engine);

    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:3000".into());
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    loop {
        let (connection, _) = listener.accept().await?;
        let service = TowerToHyperService::new(service.clone());
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(connection), service));
    }
}

async fn greet(name: String, _: JobContext) -> Result<String, Infallible> {
    Ok(format!("hello, {name}"))
}
