//! Whole lives of jobs of 100 bytes on one Postgres server: ours, and those of others, in turns.
//!
//! `bench-peers [ROUNDS [NAME]...]`, on a server of its own, or the one on this machine that `ASYNCFLOW_POSTGRES` names. Each turn makes a
//! database of its own, and drops it.

mod apalis;
mod asyncflow;
mod graphile;
mod meter;

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use asyncflow_testkit::servers::{self, Kind};
use serde::{Deserialize, Serialize};
use sqlx::{
    Connection, Executor, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::{sync::Semaphore, task::JoinSet};

use crate::meter::{Meter, Spent};

pub(crate) type Failed = Box<dyn std::error::Error + Send + Sync>;

/// The same for all.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Jobs that are under way at once, where callers hand them in one by one.
const CALLERS: usize = 64;
/// Jobs that go in one call, where they go in bulk.
pub(crate) const BULK: usize = 1000;
/// Handlers that have run in this turn.
static RAN: AtomicUsize = AtomicUsize::new(0);
/// Room for jobs that have been handed in one by one and have not run yet.
static ROOM: Semaphore = Semaphore::const_new(CALLERS);
/// Jobs that a worker takes at once, where that is for us to say.
pub(crate) const AT_ONCE: usize = 200;
/// Of each pool.
const CONNECTIONS: u32 = 20;
/// How long a turn may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// What all jobs are given: 100 bytes of JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    n: u32,
    pad: String,
}

impl Job {
    pub(crate) fn new() -> Self {
        Self { n: 1_000_000_001, pad: "x".repeat(75) }
    }
}

/// A way to have jobs run.
#[async_trait]
pub(crate) trait Peer {
    /// Starts who runs them, in a fresh database.
    async fn start(&self, database: &PgPool) -> Result<Box<dyn Running>, Failed>;
}

/// Someone who runs jobs.
#[async_trait]
pub(crate) trait Running: Send + Sync {
    /// Hands in so many jobs.
    async fn feed(&self, jobs: usize) -> Result<(), Failed>;
    /// Whether nothing is left to do.
    async fn is_done(&self) -> Result<bool, Failed>;
    async fn stop(self: Box<Self>) -> Result<(), Failed>;
}

/// A peer, and how many jobs are a turn of a second or two.
struct Entry {
    name: &'static str,
    jobs: usize,
    peer: Box<dyn Peer>,
}

#[tokio::main]
async fn main() -> Result<(), Failed> {
    let mut args = std::env::args().skip(1);
    let rounds: usize = args.next().map_or(Ok(9), |rounds| rounds.parse())?;
    let names: Vec<_> = args.collect();
    let url: PgConnectOptions = servers::shared(Kind::Postgres).await?.parse()?;
    let mut entries: Vec<_> =
        asyncflow::entries().into_iter().chain(apalis::entries()).chain(graphile::entries()).collect();
    entries.retain(|entry| names.is_empty() || names.iter().any(|name| entry.name.starts_with(name)));
    let mut spent: Vec<Vec<Spent>> = vec![Vec::new(); entries.len()];
    // The first round warms up. Each has to bear what another left for the disk to do, so every other round goes the other way.
    for round in 0..=rounds {
        let mut order: Vec<_> = (0..entries.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for n in order {
            let one = turn(&entries[n], &url).await?;
            eprintln!("{:36} {one}", entries[n].name);
            spent[n].extend((round > 0).then_some(one));
        }
    }
    for (entry, spent) in entries.iter().zip(&spent) {
        println!("{}: {}", entry.name, Spent::median(spent));
    }
    let of = |name: &str| entries.iter().position(|entry| entry.name == name).map(|n| &spent[n]);
    for (ours, other) in [(asyncflow::ONE_BY_ONE, apalis::ONE_BY_ONE), (asyncflow::IN_BULK, graphile::TUNED)] {
        if let (Some(one), Some(two)) = (of(ours), of(other)) {
            let mut ratios: Vec<_> = one.iter().zip(two).map(|(one, two)| one.lives / two.lives).collect();
            println!("{ours}, against {other}: {:.2}", meter::median(&mut ratios));
        }
    }
    Ok(())
}

async fn turn(entry: &Entry, url: &PgConnectOptions) -> Result<Spent, Failed> {
    // Fresh, so that nobody pays for what another turn left, nor plans by it.
    let mut admin = PgConnection::connect_with(url).await?;
    admin.execute("DROP DATABASE IF EXISTS bench_peers WITH (FORCE)").await?;
    admin.execute("CREATE DATABASE bench_peers").await?;
    let options = PgPoolOptions::new().min_connections(CONNECTIONS).max_connections(CONNECTIONS);
    let pool = options.connect_with(url.clone().database("bench_peers")).await?;
    let backend: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&pool).await?;
    let postmaster = meter::parent(backend)?;
    let running = entry.peer.start(&pool).await?;
    // What each does once, of tables, plans and connections, is no part of a life.
    work(&*running, entry, entry.jobs / 4).await?;
    let meter = Meter::begin(postmaster)?;
    work(&*running, entry, entry.jobs).await?;
    let spent = meter.end(entry.jobs)?;
    running.stop().await?;
    pool.close().await;
    admin.execute("DROP DATABASE bench_peers WITH (FORCE)").await?;
    Ok(spent)
}

/// Has so many jobs handed in, and waits until they are done.
async fn work(running: &dyn Running, entry: &Entry, jobs: usize) -> Result<(), Failed> {
    RAN.store(0, Ordering::SeqCst);
    ROOM.forget_permits(usize::MAX);
    ROOM.add_permits(CALLERS);
    let work = async {
        running.feed(jobs).await?;
        while RAN.load(Ordering::SeqCst) < jobs || !running.is_done().await? {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok::<_, Failed>(())
    };
    tokio::time::timeout(PATIENCE, work).await.map_err(|_| format!("{} did not get done", entry.name))?
}

/// What every handler does beside giving its job back.
pub(crate) fn ran() {
    RAN.fetch_add(1, Ordering::SeqCst);
    ROOM.add_permits(1);
}

/// Has callers hand in so many jobs between them, each the next when one has run.
pub(crate) async fn callers<F>(
    jobs: usize,
    hand_in: impl Fn() -> F + Clone + Send + Sync + 'static,
) -> Result<(), Failed>
where
    F: Future<Output = Result<(), Failed>> + Send,
{
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let hand_in = hand_in.clone();
        callers.spawn(async move {
            for _ in (caller..jobs).step_by(CALLERS) {
                ROOM.acquire().await?.forget();
                hand_in().await?;
            }
            Ok::<_, Failed>(())
        });
    }
    while let Some(caller) = callers.join_next().await {
        caller??;
    }
    Ok(())
}
