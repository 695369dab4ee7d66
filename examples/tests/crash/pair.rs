//! What is asked of one node about a job that runs on another.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use asyncflow_core::{BoxError, FlowEngine, JobContext, Store};
use serde_json::Value;
use tokio::time::sleep;

use crate::{
    backing::{Backing, Kind},
    client::Client,
    fleet::Fleet,
    process::pause,
};

/// How often each is asked. Of the times the median counts, as the machine may be busy with something else.
const TIMES: usize = 5;

on_stores!(heard: heard_on_sqlite = Sqlite, heard_on_redis = Redis, heard_on_postgres = Postgres);
on_stores!(unheard: unheard_on_sqlite = Sqlite, unheard_on_redis = Redis, unheard_on_postgres = Postgres);

/// By hints, within a second: a heartbeat is ten minutes away.
async fn heard(kind: Kind) {
    let store = Backing::start(kind).await;
    let fleet = Fleet::start(&[store.url(), store.url()], &["--lease", "3600"]);
    let (mut asked, mut runs) = (fleet.node(0).client().await, fleet.node(1).client().await);
    let an_hour = r#"{"ms":3600000}"#;

    let progress = median(async || {
        let job = runs.submit("/data", r#"{"count":50}"#).await;
        while asked.get(&format!("{job}/status")).await.json()["progressData"].is_null() {
            pause().await;
        }
        assert_eq!(asked.send("DELETE", &job, &[], "").await.status, 204);
    });
    let progress = progress.await;
    let cancelled = median(async || {
        let job = runs.submit("/sleep", an_hour).await;
        assert_eq!(asked.send("POST", &format!("{job}/cancel"), &[], "").await.status, 202);
        assert_eq!(asked.ended(&job).await["Status"], "Cancelled");
    });
    let cancelled = cancelled.await;
    let deleted = median(async || {
        let job = runs.submit("/sleep", an_hour).await;
        assert_eq!(asked.send("DELETE", &job, &[], "").await.status, 204);
        assert_eq!(runs.get(&format!("{job}/status")).await.status, 404);
        while runs.get("/health").await.json()["running"] != 0 {
            pause().await;
        }
    });
    let deleted = deleted.await;
    let mut late = Vec::new();
    for _ in 0..TIMES {
        let job = runs.submit("/sleep", r#"{"ms":300}"#).await;
        let (here, there) = tokio::join!(end(&mut asked, &job), end(&mut runs, &job));
        assert_eq!(here.0, there.0);
        late.push(here.1.saturating_duration_since(there.1));
    }
    late.sort();
    for (what, median) in
        [("progress", progress), ("end", late[TIMES / 2]), ("cancelled", cancelled), ("deleted", deleted)]
    {
        println!("{what} after {median:.0?}");
        assert!(median < Duration::from_secs(1), "{what} after {median:?}");
    }
}

/// How a job ended, and when that was known.
async fn end(client: &mut Client, job: &str) -> (Value, Instant) {
    (client.ended(job).await, Instant::now())
}

const HEARTBEAT: Duration = Duration::from_secs(1);

/// Without hints, by a heartbeat of whoever runs it, and a look of whoever waits, once a second. These nodes are engines of this process,
/// as only such can be made deaf.
async fn unheard(kind: Kind) {
    let backing = Backing::start(kind).await;
    let (asked, runs) = (node(backing.deaf().await).await.unwrap(), node(backing.deaf().await).await.unwrap());
    let (here, there) = (asked.flow::<u64, u64>("sleep").unwrap(), runs.flow::<u64, u64>("sleep").unwrap());

    let seen = median(async || {
        let job = there.submit(500).await.unwrap();
        assert_eq!(here.job(job.id()).wait().await.unwrap(), 500);
    });
    let cancelled = median(async || {
        let job = there.submit(3_600_000).await.unwrap();
        here.job(job.id()).cancel().await.unwrap();
        job.wait().await.unwrap_err();
    });
    let deleted = median(async || {
        let job = there.submit(3_600_000).await.unwrap();
        here.job(job.id()).delete().await.unwrap();
        while runs.health().await.running != 0 {
            pause().await;
        }
    });
    for (what, median) in [("seen", seen.await), ("cancelled", cancelled.await), ("deleted", deleted.await)] {
        println!("without hints {what} after {median:.1?}");
        assert!(median < 3 * HEARTBEAT, "{what} after {median:?}");
    }
    asked.shutdown(Duration::ZERO).await;
    runs.shutdown(Duration::ZERO).await;
}

async fn node(store: Arc<dyn Store>) -> Result<FlowEngine, BoxError> {
    // A busy machine's first call may take more than a heartbeat's time.
    let engine = FlowEngine::builder().shared_store(store).lease(18 * HEARTBEAT).timing(|timing| {
        (timing.heartbeat, timing.call) = (HEARTBEAT, 5 * HEARTBEAT);
    });
    Ok(engine.flow("sleep", doze).start().await?)
}

async fn doze(ms: u64, job: JobContext) -> Result<u64, String> {
    tokio::select! {
        () = job.cancelled() => Err("stopped".into()),
        () = sleep(Duration::from_millis(ms)) => Ok(ms),
    }
}

/// The median of what it takes.
async fn median(mut work: impl AsyncFnMut()) -> Duration {
    let mut times = Vec::new();
    for _ in 0..TIMES {
        let started = Instant::now();
        work().await;
        times.push(started.elapsed());
    }
    times.sort();
    times[TIMES / 2]
}
