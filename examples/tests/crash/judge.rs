//! What must be true after whatever happened.

use std::{collections::HashSet, time::Duration};

use asyncflow_core::{Record, State, Store, store::Query};
use serde_json::Value;
use tokio::time::Instant;

use crate::{
    backing::Backing,
    client::Client,
    jobs::{Expected, ended_right, job},
    load::{Job, Seen, key},
    process::{Demo, pause},
};

/// How long it may take, after the last that broke, until a job that was lost has been taken over and has run: 2 s of a lease, two looks
/// and a run of less than a second, on a machine that is busy.
const TAKE_OVER: Duration = Duration::from_secs(30);

/// The flows of the load.
const FLOWS: [&str; 6] = ["data", "echo", "sleep", "fail", "flaky", "panic"];

/// Judges a fleet that has healed; `losses` is how often a job may have lost an attempt. Gives the records of all jobs.
pub(crate) async fn judge(seen: Seen, store: &Backing, losses: u64) -> Vec<Record> {
    let watched = store.open().await;
    let ended = all_ended(&*watched).await;
    // A node that only answers, and is patient with a store that is busy.
    let reader = Demo::start(&["--store", &store.url(), "--role", "serve", "--lease", "60"]);
    let mut client = reader.client().await;
    let mut most = 0;
    for job in &seen.jobs {
        let end = ended_right(&mut client, &job.path, &job.expected).await;
        if let Some(earlier) = seen.ends.get(&job.path) {
            assert_eq!(end, *earlier, "{} ended twice", job.path);
        }
        let lost = end["Attempt"].as_u64().unwrap().saturating_sub(planned(job));
        assert!(lost <= losses, "{} was lost {lost} times: {end}", job.path);
        most = most.max(lost);
    }
    for job in &seen.jobs {
        same_again(&mut client, job).await;
    }
    let records = all(&*watched).await;
    let there: HashSet<_> = records.iter().map(|record| format!("/{}/{}", record.job.flow, record.job.id)).collect();
    let told: HashSet<_> = seen.jobs.iter().map(|job| job.path.clone()).collect();
    assert_eq!(there, told, "jobs that nobody was told of");
    println!(
        "{} jobs, all ended {ended:.1?} after the last break; of {} the end was seen before; one lost {most} attempts",
        seen.jobs.len(),
        seen.ends.len()
    );
    records
}

/// Waits until every job has ended, and says how long that took.
async fn all_ended(store: &dyn Store) -> Duration {
    let started = Instant::now();
    loop {
        let mut left = 0;
        for flow in FLOWS {
            let counts = store.counts(flow).await.unwrap();
            left += counts.waiting() + counts.of(State::Processing);
        }
        if left == 0 {
            return started.elapsed();
        }
        assert!(started.elapsed() < TAKE_OVER, "{left} jobs have not ended {TAKE_OVER:?} after the last break");
        pause().await;
    }
}

/// Attempts that a job takes where nothing breaks.
fn planned(job: &Job) -> u64 {
    match &job.expected {
        Expected::Result(result) => result["attempts"].as_u64().unwrap_or(1),
        Expected::Error(_) => 1,
    }
}

/// Submitted again under its key, it is the same job.
async fn same_again(client: &mut Client, job: &Job) {
    let (flow, request, _) = self::job(job.number);
    let again = client.send("POST", flow, &[("idempotency-key", &key(job.number))], request.to_string()).await;
    assert_eq!(again.status, 202, "{}: {again:?}", job.path);
    let id: Value = again.json()["RequestId"].clone();
    assert_eq!(format!("{flow}/{}", id.as_str().unwrap()), job.path);
}

/// The records of all jobs that there are.
async fn all(store: &dyn Store) -> Vec<Record> {
    let mut records = Vec::new();
    for flow in FLOWS {
        let mut query = Query::new(flow).limit(1000);
        loop {
            let page = store.list(&query).await.unwrap();
            records.extend(page.records);
            match page.next {
                Some(next) => query = query.after(next),
                None => break,
            }
        }
    }
    records
}
