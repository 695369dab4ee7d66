//! Engines over a store that goes wrong, in time that the tests turn.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod bounds;
mod claims;
mod faults;
mod limits;
mod outage;

use std::{sync::Arc, time::Duration};

use asyncflow_core::{
    FlowEngine, FlowHandle, FlowOptions, JobContext, JobHandle, MemoryStore, Stamp, State, TokioClock,
};
use asyncflow_testkit::faults::{Faults, Faulty};

const SECOND: Duration = Duration::from_secs(1);

/// A store whose time is tokio's.
fn memory() -> MemoryStore {
    MemoryStore::with_clock(Arc::new(TokioClock::at(Stamp::from_micros(1_700_000_000_000_000))))
}

/// Sleeps, and gives its attempt.
async fn sleeper(millis: u64, job: JobContext) -> Result<u32, String> {
    tokio::time::sleep(Duration::from_millis(millis)).await;
    Ok(job.attempt())
}

/// A node with one flow, `sleep`, that reaches the store through faults of its own.
async fn node(store: &MemoryStore, faults: &Faults, options: FlowOptions) -> (FlowEngine, FlowHandle<u64, u32>) {
    let engine = FlowEngine::builder()
        .store(Faulty::new(store.clone(), faults))
        .flow_with("sleep", sleeper, options)
        .start()
        .await
        .unwrap();
    let flow = engine.flow("sleep").unwrap();
    (engine, flow)
}

async fn state_of<R>(job: &JobHandle<R>) -> State {
    job.status().await.unwrap().unwrap().state()
}
