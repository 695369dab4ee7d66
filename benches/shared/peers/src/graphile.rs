//! graphile_worker, which forgets a job that has succeeded, and keeps no result.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use graphile_worker::{
    IntoTaskHandlerResult, JobSpec, LocalQueueConfig, TaskHandler, Worker, WorkerContext, WorkerOptions, WorkerUtils,
};
use sqlx::PgPool;
use tokio::task::JoinHandle;

use crate::{BULK, Entry, Failed, Job, Peer, Running, callers, ran};

impl TaskHandler for Job {
    const IDENTIFIER: &'static str = "echo";

    async fn run(self, _: WorkerContext) -> impl IntoTaskHandlerResult {
        ran();
        Ok::<(), String>(())
    }
}

pub(crate) const TUNED: &str = "graphile_worker, tuned, bulk";

pub(crate) fn entries() -> [Entry; 2] {
    let peer = |tuned| Box::new(Graphile { tuned });
    [
        Entry { name: "graphile_worker, defaults, 64 callers", jobs: 200, peer: peer(false) },
        Entry { name: TUNED, jobs: 8000, peer: peer(true) },
    ]
}

struct Graphile {
    tuned: bool,
}

struct Runs {
    worker: Arc<Worker>,
    utils: WorkerUtils,
    pool: PgPool,
    bulk: bool,
    runs: JoinHandle<Result<(), Failed>>,
}

#[async_trait]
impl Peer for Graphile {
    async fn start(&self, database: &PgPool) -> Result<Box<dyn Running>, Failed> {
        let mut options =
            WorkerOptions::default().pg_pool(database.clone()).listen_os_shutdown_signals(false).define_job::<Job>();
        if self.tuned {
            // As in its own benchmark of throughput.
            options = options
                .concurrency(64)
                .poll_interval(Duration::from_millis(5))
                .complete_job_batch_delay(Duration::from_millis(5))
                .local_queue(LocalQueueConfig::default().with_size(1000));
        }
        let worker = Arc::new(options.init().await?);
        let runs = tokio::spawn({
            let worker = worker.clone();
            async move { Ok(worker.run().await?) }
        });
        let utils = worker.create_utils();
        Ok(Box::new(Runs { worker, utils, pool: database.clone(), bulk: self.tuned, runs }))
    }
}

#[async_trait]
impl Running for Runs {
    async fn feed(&self, jobs: usize) -> Result<(), Failed> {
        let (job, spec) = (Job::new(), JobSpec::default());
        if self.bulk {
            let bulk: Vec<_> = (0..BULK).map(|_| (job.clone(), &spec)).collect();
            for _ in 0..jobs / BULK {
                self.utils.add_jobs::<Job>(&bulk).await?;
            }
            return Ok(());
        }
        let utils = self.utils.clone();
        callers(jobs, move || {
            let (utils, job) = (utils.clone(), job.clone());
            async move { Ok(utils.add_job(job, JobSpec::default()).await.map(drop)?) }
        })
        .await
    }

    async fn is_done(&self) -> Result<bool, Failed> {
        let left = "SELECT EXISTS (SELECT FROM graphile_worker._private_jobs)";
        Ok(!sqlx::query_scalar::<_, bool>(left).fetch_one(&self.pool).await?)
    }

    async fn stop(self: Box<Self>) -> Result<(), Failed> {
        self.worker.request_shutdown();
        self.runs.await?
    }
}
