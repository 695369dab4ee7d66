//! What a claim within a limit of each key takes among jobs that the limit holds back: behind them the next job waits, of one of the keys that
//! wait. Against one where nothing is held back.

use std::{sync::Arc, time::Instant};

use asyncflow_core::{
    Limits, Store,
    store::{Batch, Insert, Pick},
};
use asyncflow_postgres::PostgresStore;
use asyncflow_redis::RedisStore;
use asyncflow_sqlite::SqliteStore;
use asyncflow_testkit::{
    servers::{Kind, Server},
    store::{FLOW, Subject},
};
use bench_engine::{report, share};

use crate::{Failed, lives};

/// Jobs that are held back, and keys that wait behind them with a job each.
const CASES: [(usize, usize); 5] = [(0, 5_000), (400, 5_000), (4_000, 5_000), (400, 50_000), (20_000, 10)];
/// Keys whose jobs are held back.
const BUSY: usize = 4;

pub(crate) async fn measure(claims: usize) -> Result<(), Failed> {
    let (redis, postgres) = (Server::start(Kind::Redis).await?, Server::start(Kind::Postgres).await?);
    let folder = tempfile::tempdir()?;
    for (held_back, keys) in CASES {
        let name = format!("behind_{held_back}_of_{keys}");
        let stores: [(&str, Arc<dyn Store>); 3] = [
            ("sqlite", Arc::new(SqliteStore::open(folder.path().join(&name)).await?)),
            ("redis", Arc::new(RedisStore::builder(redis.url()).prefix(&*name).connect().await?)),
            ("postgres", Arc::new(PostgresStore::builder(postgres.url()).schema(&*name).connect().await?)),
        ];
        for (store, subject) in stores.map(|(name, store)| (name, lives::subject(store))) {
            report(&format!("{store}_{name}_us"), claim(&subject, held_back, keys, claims).await);
        }
    }
    Ok(())
}

/// Microseconds of a claim of one job, at the median.
async fn claim(subject: &Subject, held_back: usize, keys: usize, claims: usize) -> f64 {
    let of = |key: String| Insert { limit_key: Some(key.into()), ..lives::job(subject) };
    let busy = (0..BUSY + held_back).map(|n| of(format!("busy{}", n % BUSY)));
    let all: Vec<_> = busy.chain((0..keys).map(|n| of(n.to_string()))).collect();
    for inserts in all.chunks(5000) {
        subject.write(Batch { inserts: inserts.to_vec(), ..Batch::default() }).await;
    }
    let limits = Limits::new().running_per_key(1);
    let next = |jobs| Pick::Next { flow: FLOW.into(), versions: Arc::new([0]), jobs, bytes: usize::MAX };
    subject.take_within(&limits, next(BUSY)).await;
    let mut times = Vec::new();
    for _ in 0..claims.min(keys) {
        let began = Instant::now();
        let taken = subject.take_within(&limits, next(1)).await;
        times.push(began.elapsed().as_secs_f64() * 1e6);
        assert_eq!(taken.jobs.len(), 1, "each key has a job that may start");
    }
    share(&mut times, 0.5)
}
