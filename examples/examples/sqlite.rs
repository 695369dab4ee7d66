//! A restart that forgets nothing: jobs that wait in an SQLite file when one engine goes are run by the next.
//!
//! `cargo run --example sqlite`

use std::{convert::Infallible, time::Duration};

use asyncflow_core::{BoxError, FlowEngine, JobContext, SubmitOptions};
use asyncflow_sqlite::SqliteStore;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("jobs.db");

    let first = start(&path).await?;
    let greet = first.flow::<String, String>("greet")?;
    let done = greet.submit("world".into()).await?;
    println!("the first engine says: {}", done.wait().await?);
    let later = SubmitOptions::new().run_in(Duration::from_secs(1));
    let waiting = greet.submit_with("tomorrow".into(), later).await?;
    first.shutdown(Duration::from_secs(30)).await;
    drop((first, greet));

    let second = start(&path).await?;
    let greet = second.flow::<String, String>("greet")?;
    println!("the second remembers: {}", greet.job(done.id()).wait().await?);
    println!("and does what was left: {}", greet.job(waiting.id()).wait().await?);
    second.shutdown(Duration::from_secs(30)).await;
    Ok(())
}

async fn start(path: &std::path::Path) -> Result<FlowEngine, BoxError> {
    let store = SqliteStore::open(path).await?;
    Ok(FlowEngine::builder().store(store).flow("greet", greet).start().await?)
}

async fn greet(name: String, _: JobContext) -> Result<String, Infallible> {
    Ok(format!("hello, {name}"))
}
