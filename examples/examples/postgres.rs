//! Two nodes that share a Postgres database: what one accepts, the other runs.
//!
//! `cargo run --example postgres postgres://postgres@127.0.0.1/postgres`

use std::{convert::Infallible, time::Duration};

use asyncflow_core::{BoxError, EngineBuilder, FlowEngine, JobContext, Role};
use asyncflow_postgres::PostgresStore;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "postgres://postgres@127.0.0.1/postgres".into());
    let accepts = node(&url).await?.role(Role::Serve).start().await?;
    let runs = node(&url).await?.role(Role::Work).start().await?;

    let job = accepts.flow::<String, String>("greet")?.submit("world".into()).await?;
    println!("the other node says: {}", job.wait().await?);
    runs.shutdown(Duration::from_secs(30)).await;
    accepts.shutdown(Duration::from_secs(30)).await;
    Ok(())
}

async fn node(url: &str) -> Result<EngineBuilder, BoxError> {
    let store = PostgresStore::builder(url).schema("greetings").connect().await?;
    Ok(FlowEngine::builder().store(store).flow("greet", greet))
}

async fn greet(name: String, _: JobContext) -> Result<String, Infallible> {
    Ok(format!("hello, {name}"))
}
