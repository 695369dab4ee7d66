//! What an engine does that has nothing to do, with many jobs in its store.
//!
//! `idle finished|waiting [JOBS] [SECONDS]`

use std::{process::id, time::Duration};

use asyncflow_core::{BoxError, FlowEngine, FlowHandle, FlowOptions};
use bench_engine::{argument, body, echo, report};
use bench_load::activity;
use serde_json::value::RawValue;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let waiting = std::env::args().nth(1).is_some_and(|word| word == "waiting");
    let (jobs, seconds) = (argument(2, 1_000_000), argument(3, 20));
    // What waits here waits for its time: an engine with ready jobs would not be idle.
    let options = FlowOptions::new().max_waiting(u64::MAX);
    let engine = FlowEngine::builder().flow_with("echo", echo, options).start().await?;
    let echo: FlowHandle<Box<RawValue>, Box<RawValue>> = engine.flow("echo")?;
    for _ in 0..jobs {
        let options = asyncflow_core::SubmitOptions::new();
        let options = if waiting { options.run_in(Duration::from_secs(24 * 3600)) } else { options };
        echo.submit_with(body(), options).await?;
    }
    // New jobs are looked at once soon after they came.
    tokio::time::sleep(Duration::from_secs(20)).await;
    let (ran, slept) = activity(id())?;
    tokio::time::sleep(Duration::from_secs(seconds as u64)).await;
    let (ran_by_then, slept_by_then) = activity(id())?;
    report("wakeups_per_second", (slept_by_then - slept) as f64 / seconds as f64);
    report("cpu_percent", (ran_by_then - ran).as_secs_f64() / seconds as f64 * 100.0);
    Ok(())
}
