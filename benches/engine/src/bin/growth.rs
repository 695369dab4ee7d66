//! What an enqueue with its run, and a status, cost more among many held jobs than among few: of the engine, and of a bare map.
//!
//! `growth [JOBS] [ROUNDS]`

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use asyncflow_core::{BoxError, FlowEngine, FlowHandle, FlowOptions, JobId};
use bench_engine::{argument, body, echo, report, share};
use bench_load::ran;
use serde_json::value::RawValue;
use uuid::Uuid;

/// Held jobs that are few.
const FEW: usize = 1000;
/// Operations of one turn at most; of few jobs it is half as many as there are, so that they stay few.
const OPERATIONS: usize = 20_000;

/// The bare map: sharded, and what a job is in it.
#[derive(Clone)]
struct Bare(Arc<[Mutex<HashMap<Uuid, Job>>]>);

struct Job {
    created: u64,
    request: Vec<u8>,
    result: Option<Vec<u8>>,
}

impl Bare {
    fn with<T>(&self, id: Uuid, what: impl FnOnce(&mut HashMap<Uuid, Job>) -> T) -> T {
        let shard = &self.0[id.as_u128() as usize % self.0.len()];
        what(&mut shard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn enqueue(&self) -> Uuid {
        let (id, body) = (Uuid::now_v7(), body());
        let request = body.get().as_bytes().to_vec();
        self.with(id, |map| map.insert(id, Job { created: id.as_u128() as u64, request, result: None }));
        let bare = self.clone();
        tokio::spawn(async move {
            let result = body.get().as_bytes().to_vec();
            bare.with(id, |map| {
                if let Some(job) = map.get_mut(&id) {
                    job.result = Some(result);
                }
            });
        });
        id
    }

    fn status(&self, id: Uuid) -> Option<(u64, bool)> {
        self.with(id, |map| map.get(&id).map(|job| (job.created + job.request.len() as u64, job.result.is_some())))
    }
}

/// Both, with as many jobs.
struct Bench {
    bare: Bare,
    engine: FlowEngine,
    echo: FlowHandle<Box<RawValue>, Box<RawValue>>,
    ids: Vec<(Uuid, JobId)>,
    chance: u64,
}

impl Bench {
    async fn with(jobs: usize) -> Result<Self, BoxError> {
        let options = FlowOptions::new().max_waiting(u64::MAX);
        let engine = FlowEngine::builder().flow_with("echo", echo, options).start().await?;
        let (bare, echo) = (Bare((0..64).map(|_| Mutex::default()).collect()), engine.flow("echo")?);
        let mut bench = Self { bare, engine, echo, ids: Vec::new(), chance: 1 };
        while bench.ids.len() < jobs {
            bench.ids.push((bench.bare.enqueue(), bench.echo.submit(body()).await?.id()));
        }
        bench.quiet().await?;
        Ok(bench)
    }

    /// Waits until what runs has run.
    async fn quiet(&self) -> Result<(), BoxError> {
        while self.engine.stats().await?.flows.iter().any(|flow| flow.running + flow.waiting > 0) {
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Any job that is held; which one depends on what was read last, as a server's next request comes after its last answer, and cannot be
    /// looked up beside it.
    fn any(&mut self, read: u64) -> (Uuid, JobId) {
        let mixed = (self.chance ^ read).wrapping_mul(6_364_136_223_846_793_005);
        self.chance = mixed.wrapping_add(1_442_695_040_888_963_407);
        self.ids[(self.chance >> 33) as usize % self.ids.len()]
    }

    /// Nanoseconds of processor time that each of what is measured takes.
    async fn turn(&mut self) -> Result<[f64; MEASURED.len()], BoxError> {
        let operations = OPERATIONS.min(self.ids.len() / 2);
        let mut took = [0.0; MEASURED.len()];
        for (which, took) in took.iter_mut().enumerate() {
            let before = ran();
            match MEASURED[which] {
                "bare_status" => {
                    let mut read = 0;
                    for _ in 0..operations {
                        let (id, _) = self.any(read);
                        read = self.bare.status(id).map_or(0, |(read, _)| read);
                    }
                }
                "status" => {
                    let mut read = 0;
                    for _ in 0..operations {
                        let (_, id) = self.any(read);
                        read = self.echo.job(id).status().await?.map_or(0, |status| status.version());
                    }
                }
                // Each job runs before the next one comes.
                "bare_enqueue" => {
                    for _ in 0..operations {
                        self.bare.enqueue();
                        tokio::task::yield_now().await;
                    }
                }
                _ => {
                    for _ in 0..operations {
                        self.echo.submit(body()).await?;
                        tokio::task::yield_now().await;
                    }
                }
            }
            self.quiet().await?;
            *took = (ran() - before).as_nanos() as f64 / operations as f64;
        }
        Ok(took)
    }
}

const MEASURED: [&str; 4] = ["bare_status", "status", "bare_enqueue", "enqueue"];

// One thread, or it would be measured how threads are woken.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let (jobs, rounds) = (argument(1, 1_000_000), argument(2, 9));
    let (mut few, mut many) = (Vec::new(), Vec::new());
    let (mut with_few, mut with_many) = (Bench::with(FEW).await?, Bench::with(jobs).await?);
    for _ in 0..rounds {
        few.push(with_few.turn().await?);
        many.push(with_many.turn().await?);
    }
    for (which, name) in MEASURED.into_iter().enumerate() {
        let median = |turns: &[[f64; 4]]| share(&mut turns.iter().map(|turn| turn[which]).collect::<Vec<_>>(), 0.5);
        let (few, many) = (median(&few), median(&many));
        report(&format!("{name}_ns_at_few"), format!("{few:.0}"));
        report(&format!("{name}_ns"), format!("{many:.0}"));
        report(&format!("{name}_growth"), format!("{:.2}", many / few));
    }
    Ok(())
}
