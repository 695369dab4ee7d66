//! Jobs in front of a service that knows nothing of them: the layer answers the flows' paths, and passes all others on.
//!
//! `cargo run --example tower_middleware`, then `curl -i localhost:3000/greet --json '"world"'` and `curl -i localhost:3000/other`

use std::{convert::Infallible, time::Duration};

use asyncflow_core::{BoxError, FlowEngine, JobContext};
use asyncflow_tower::{Endpoint, FlowLayer, FlowService};
use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::net::TcpListener;
use tower::{ServiceBuilder, service_fn, timeout::TimeoutLayer};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let engine = FlowEngine::builder().flow("greet", greet).start().await?;
    // Layers go around single endpoints as well, and endpoints can be switched off. Who waits by `Prefer: wait` waits within the timeout:
    // beyond it, a job that was accepted would be answered for with 503.
    let flows = FlowService::builder(engine)
        .layer(Endpoint::Enqueue, TimeoutLayer::new(Duration::from_secs(10)))
        .wait_cap(Duration::from_secs(8))
        .off(Endpoint::Delete)
        .build()?;
    let app = ServiceBuilder::new().layer(FlowLayer::new(flows)).service(service_fn(inner));

    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:3000".into());
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    loop {
        let (connection, _) = listener.accept().await?;
        let app = TowerToHyperService::new(app.clone());
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(connection), app));
    }
}

async fn inner(request: Request<Incoming>) -> Result<Response<String>, Infallible> {
    Ok(Response::new(format!("{} is not of a job\n", request.uri().path())))
}

async fn greet(name: String, _: JobContext) -> Result<String, Infallible> {
    Ok(format!("hello, {name}"))
}
