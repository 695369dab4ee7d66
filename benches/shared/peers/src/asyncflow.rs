//! Ours: a whole engine over the Postgres store, and the store alone, asked as an engine asks it.

use std::{convert::Infallible, sync::Arc, time::Duration};

use async_trait::async_trait;
use asyncflow_core::{
    Clock, FlowEngine, FlowHandle, FlowOptions, JobContext, ManualClock, SystemClock,
    state::{self, Event},
    store::{Batch, Claim, Insert, Part, Pick},
};
use asyncflow_postgres::PostgresStore;
use asyncflow_testkit::store::{LEASE, Subject};
use sqlx::PgPool;

use crate::{AT_ONCE, BULK, Entry, Failed, Job, Peer, Running, callers, ran};

const FLOW: &str = "echo";

pub(crate) const ONE_BY_ONE: &str = "asyncflow, 64 callers";
pub(crate) const IN_BULK: &str = "asyncflow, bulk";

pub(crate) fn entries() -> [Entry; 3] {
    [
        Entry { name: ONE_BY_ONE, jobs: 4000, peer: Box::new(Engine { bulk: false }) },
        Entry { name: IN_BULK, jobs: 8000, peer: Box::new(Engine { bulk: true }) },
        Entry { name: "asyncflow, store alone, 64 callers", jobs: 4000, peer: Box::new(Alone) },
    ]
}

async fn store(database: &PgPool) -> Result<PostgresStore, Failed> {
    let options = database.connect_options();
    let (host, port) = (options.get_host(), options.get_port());
    let (user, name) = (options.get_username(), options.get_database().unwrap_or_default());
    Ok(PostgresStore::connect(format!("postgres://{user}@{host}:{port}/{name}")).await?)
}

struct Engine {
    bulk: bool,
}

struct Runs {
    engine: FlowEngine,
    flow: FlowHandle<Job, Job>,
    bulk: bool,
}

#[async_trait]
impl Peer for Engine {
    async fn start(&self, database: &PgPool) -> Result<Box<dyn Running>, Failed> {
        let options = FlowOptions::new().concurrency(AT_ONCE);
        let engine = FlowEngine::builder().store(store(database).await?).flow_with(FLOW, echo, options).start().await?;
        Ok(Box::new(Runs { flow: engine.flow(FLOW)?, engine, bulk: self.bulk }))
    }
}

async fn echo(job: Job, _: JobContext) -> Result<Job, Infallible> {
    ran();
    Ok(job)
}

#[async_trait]
impl Running for Runs {
    async fn feed(&self, jobs: usize) -> Result<(), Failed> {
        let flow = self.flow.clone();
        if self.bulk {
            for _ in 0..jobs / BULK {
                let all = (0..BULK).map(|_| Job::new());
                for submitted in flow.submit_many(all).await? {
                    submitted?;
                }
            }
            return Ok(());
        }
        callers(jobs, move || {
            let flow = flow.clone();
            async move { Ok(flow.submit(Job::new()).await.map(drop)?) }
        })
        .await
    }

    async fn is_done(&self) -> Result<bool, Failed> {
        let [scheduled, enqueued, processing, ..] = self.engine.store().counts(FLOW).await?.states;
        Ok(scheduled + enqueued + processing == 0)
    }

    async fn stop(self: Box<Self>) -> Result<(), Failed> {
        self.engine.shutdown(Duration::from_secs(5)).await;
        Ok(())
    }
}

/// The store without an engine.
struct Alone;

struct Lives(Subject);

#[async_trait]
impl Peer for Alone {
    async fn start(&self, database: &PgPool) -> Result<Box<dyn Running>, Failed> {
        // Ids are made now.
        let clock = Arc::new(ManualClock::at(SystemClock.now()));
        Ok(Box::new(Lives(Subject::new(Arc::new(store(database).await?), clock))))
    }
}

#[async_trait]
impl Running for Lives {
    async fn feed(&self, jobs: usize) -> Result<(), Failed> {
        let subject = self.0.clone();
        callers(jobs, move || life(subject.clone())).await
    }

    async fn is_done(&self) -> Result<bool, Failed> {
        Ok(true)
    }

    async fn stop(self: Box<Self>) -> Result<(), Failed> {
        Ok(())
    }
}

/// Two writes: it is inserted and claimed, and it ends.
async fn life(subject: Subject) -> Result<(), Failed> {
    let part = || Ok::<_, serde_json::Error>(Part::json(serde_json::to_vec(&Job::new())?));
    let insert = Insert { request: part()?, ..subject.job() };
    let pick = Pick::Job(insert.job.clone());
    let claims = vec![Claim { pick, limits: None, token: subject.token(), patch: state::claim(LEASE) }];
    let taken = subject.write(Batch { inserts: vec![insert], claims, ..Batch::default() }).await.claims.remove(0);
    let claimed = taken.jobs.into_iter().next().ok_or("a job was not claimed")?;
    subject.event(&claimed.record, Event::Succeeded(part()?)).await;
    ran();
    Ok(())
}
