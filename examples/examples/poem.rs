//! Jobs in a poem application, beside its own routes.
//!
//! `cargo run --example poem`, then `curl -i localhost:3000/jobs/greet --json '"world"'`

use std::{convert::Infallible, time::Duration};

use asyncflow_poem::{
    FlowService,
    core::{BoxError, FlowEngine, JobContext},
};
use poem::{Route, Server, endpoint::make_sync, listener::TcpAcceptor};
use tokio::{net::TcpListener, signal::ctrl_c};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let engine = FlowEngine::builder().flow("greet", greet).start().await?;
    let app = Route::new()
        .at("/", make_sync(|_| "post a name to /jobs/greet"))
        .nest("/jobs", asyncflow_poem::endpoint(FlowService::new(engine.clone())));

    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:3000".into());
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let server = Server::new_with_acceptor(TcpAcceptor::from_tokio(listener)?);
    server.run_with_graceful_shutdown(app, async { drop(ctrl_c().await) }, None).await?;
    engine.shutdown(Duration::from_secs(30)).await;
    Ok(())
}

async fn greet(name: String, _: JobContext) -> Result<String, Infallible> {
    Ok(format!("hello, {name}"))
}
