//! The memory of a job, finished or waiting, and what is left of it after its retention.
//!
//! `memory finished|waiting [JOBS]`

use std::{sync::Arc, time::Duration};

use asyncflow_core::{BoxError, FlowEngine, FlowHandle, FlowOptions, FlowStats, ManualClock, MemoryStore, Role, Stamp};
use bench_engine::{argument, body, echo, report};
use bench_load::resident;
use serde_json::value::RawValue;

/// Jobs that are there before it is measured: what is there once is not counted as theirs.
const FIRST: usize = 10_000;
const DAY: Duration = Duration::from_secs(24 * 3600);

struct Bench {
    engine: FlowEngine,
    echo: FlowHandle<Box<RawValue>, Box<RawValue>>,
    /// Turned by hand, or it would be days before anything is given back.
    clock: Arc<ManualClock>,
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let waiting = std::env::args().nth(1).is_some_and(|word| word == "waiting");
    let jobs = argument(2, 1_000_000);
    let bench = Bench::start(if waiting { Role::Serve } else { Role::Both }).await?;
    bench.fill(FIRST).await?;
    let empty = resident(std::process::id())?;
    bench.fill(jobs).await?;
    let grown = resident(std::process::id())?.saturating_sub(empty);
    report("bytes_each", grown / jobs);

    bench.forget().await?;
    bench.fill(FIRST).await?;
    // The allocator gives back a little later.
    tokio::time::sleep(Duration::from_secs(2)).await;
    report("given_back", 1.0 - resident(std::process::id())?.saturating_sub(empty) as f64 / grown as f64);
    Ok(())
}

impl Bench {
    async fn start(role: Role) -> Result<Self, BoxError> {
        let clock = Arc::new(ManualClock::at(Stamp::from_micros(1_700_000_000_000_000)));
        let engine = FlowEngine::builder()
            .store(MemoryStore::with_clock(clock.clone()))
            .clock(clock.clone())
            .role(role)
            .flow_with("echo", echo, FlowOptions::new().max_waiting(u64::MAX))
            .start()
            .await?;
        Ok(Self { echo: engine.flow("echo")?, engine, clock })
    }

    /// Submits jobs, 100,000 a second by the clock, and waits until what runs has run.
    async fn fill(&self, jobs: usize) -> Result<(), BoxError> {
        for job in 0..jobs {
            self.echo.submit(body()).await?;
            if job % 100 == 0 {
                self.clock.advance(Duration::from_millis(1));
            }
        }
        while self.engine.stats().await?.flows.iter().any(|flow| flow.running > 0) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    /// Lets time pass until no job is kept.
    async fn forget(&self) -> Result<(), BoxError> {
        let kept = |flow: FlowStats| flow.waiting + flow.running + flow.succeeded + flow.failed;
        while self.engine.stats().await?.flows.into_iter().map(kept).sum::<u64>() > 0 {
            self.clock.advance(DAY);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }
}
