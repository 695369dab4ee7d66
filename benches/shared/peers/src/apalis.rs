//! apalis on Postgres, with the result kept, as ours keeps it.

use std::time::Duration;

use ::apalis::prelude::*;
use apalis_postgres::{Config, PostgresStorage};
use async_trait::async_trait;
use sqlx::PgPool;
use tokio::{sync::oneshot, task::JoinHandle};

use crate::{AT_ONCE, BULK, Entry, Failed, Job, Peer, Running, callers, ran};

pub(crate) const ONE_BY_ONE: &str = "apalis-postgres, 64 callers";

pub(crate) fn entries() -> [Entry; 2] {
    let peer = |bulk| Box::new(Apalis { bulk });
    [
        Entry { name: ONE_BY_ONE, jobs: 800, peer: peer(false) },
        Entry { name: "apalis-postgres, bulk", jobs: 4000, peer: peer(true) },
    ]
}

struct Apalis {
    bulk: bool,
}

struct Worker {
    storage: PostgresStorage<Job>,
    bulk: bool,
    stop: oneshot::Sender<()>,
    runs: JoinHandle<Result<(), WorkerError>>,
}

#[async_trait]
impl Peer for Apalis {
    async fn start(&self, database: &PgPool) -> Result<Box<dyn Running>, Failed> {
        PostgresStorage::setup(database).await?;
        let config = Config::default().queue("peers").batch_size(AT_ONCE);
        let storage = PostgresStorage::<Job>::new(database).with_config(config);
        let (stop, stopped) = oneshot::channel();
        // A name that is known may not be used again for a while.
        let name = format!("worker-{}", std::time::UNIX_EPOCH.elapsed()?.as_nanos());
        let worker =
            WorkerBuilder::new(name).backend(storage.clone().poll_with_interval(Duration::from_millis(5))).build(run);
        let runs = tokio::spawn(worker.run_until(async {
            let _ = stopped.await;
            Ok::<_, std::io::Error>(())
        }));
        Ok(Box::new(Worker { storage, bulk: self.bulk, stop, runs }))
    }
}

async fn run(job: Job) -> Result<Job, BoxDynError> {
    ran();
    Ok(job)
}

#[async_trait]
impl Running for Worker {
    async fn feed(&self, jobs: usize) -> Result<(), Failed> {
        if self.bulk {
            let mut storage = self.storage.clone();
            for _ in 0..jobs / BULK {
                storage.push_bulk((0..BULK).map(|_| Job::new()).collect()).await?;
            }
            return Ok(());
        }
        let storage = self.storage.clone();
        callers(jobs, move || {
            let mut storage = storage.clone();
            async move { Ok(storage.push(Job::new()).await?) }
        })
        .await
    }

    /// As soon as all handlers have run: the last outcomes may stay in its memory until a heartbeat, 30 s later.
    async fn is_done(&self) -> Result<bool, Failed> {
        Ok(true)
    }

    async fn stop(self: Box<Self>) -> Result<(), Failed> {
        let _ = self.stop.send(());
        Ok(self.runs.await??)
    }
}
