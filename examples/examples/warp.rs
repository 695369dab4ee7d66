//! Jobs in a warp application, beside its own filters.
//!
//! `cargo run --example warp`, then `curl -i localhost:3000/jobs/greet --json '"world"'`

use std::{convert::Infallible, time::Duration};

use asyncflow_warp::{
    FlowService,
    core::{BoxError, FlowEngine, JobContext},
};
use tokio::{net::TcpListener, signal::ctrl_c};
use warp::Filter;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let engine = FlowEngine::builder().flow("greet", greet).start().await?;
    let index = warp::path::end().map(|| "post a name to /jobs/greet");
    let jobs = warp::path("jobs").and(asyncflow_warp::filter(FlowService::new(engine.clone())));

    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:3000".into());
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    warp::serve(index.or(jobs)).incoming(listener).graceful(async { drop(ctrl_c().await) }).run().await;
    engine.shutdown(Duration::from_secs(30)).await;
    Ok(())
}

async fn greet(name: String, _: JobContext) -> Result<String, Infallible> {
    Ok(format!("hello, {name}"))
}
