//! A node that is frozen past its lease, with jobs in its hands, and woken: what it brings then comes too late.

use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::{
    backing::{Backing, Kind},
    client::Client,
    fleet::{Fleet, LEASE},
    process::{Demo, PATIENCE, pause},
};

/// Jobs of each length.
const JOBS: usize = 5;
/// So long that its first run is over when the node wakes, and its second is not.
const LONG: u64 = 8000;

on_stores!(frozen: frozen_on_sqlite = Sqlite, frozen_on_redis = Redis, frozen_on_postgres = Postgres);

async fn frozen(kind: Kind) {
    let store = Backing::start(kind).await;
    let fleet = Fleet::start(&[store.url(), store.url()], &["--lease", LEASE]);
    let (first, second) = (fleet.node(0), fleet.node(1));
    let (mut one, mut other) = (first.client().await.patient(), second.client().await.patient());
    let (mut short, mut long) = (Vec::new(), Vec::new());
    for _ in 0..JOBS {
        short.push(one.submit("/sleep", r#"{"ms":1000}"#).await);
        long.push(one.submit("/stubborn", &json!({ "ms": LONG }).to_string()).await);
    }
    let started = Instant::now();
    freeze(first, &mut other).await;

    let mut ends = Vec::new();
    for job in &short {
        ends.push(other.ended(job).await);
        assert_eq!(ends.last().unwrap()["Attempt"], 2, "{ends:?}");
    }
    while status(&mut other, &long[JOBS - 1]).await["Attempt"] != 2 {
        pause().await;
    }
    // The frozen runs are to find, once they go on, that they have long been over.
    sleep(Duration::from_millis(LONG + 100).saturating_sub(started.elapsed())).await;
    first.signal("CONT");

    // Once it runs nothing, it has said all that it will ever say of them, and that was refused.
    while one.get("/health").await.json()["running"] != 0 {
        assert!(started.elapsed() < PATIENCE, "the first does not learn that it lost its jobs");
        pause().await;
    }
    // The others its worker dropped by itself, as their leases are over.
    let late = first.log().matches("an attempt's end comes too late").count();
    println!("{late} of {} ends were sent, and refused", 2 * JOBS);
    for (job, end) in short.iter().zip(&ends) {
        assert_eq!(status(&mut one, job).await, *end, "an end was overwritten");
    }
    for job in &long {
        let end = other.ended(job).await;
        assert_eq!((&end["Status"], &end["Attempt"]), (&json!("Succeeded"), &json!(2)), "{end}");
        assert_eq!(other.result(job).await, json!({ "ms": LONG }));
        // The second's run alone has ended it: no sooner than that has taken.
        let run = seconds(&end["CompletedAt"]) - seconds(&end["StartedAt"]);
        assert!(run + 1 >= LONG as i64 / 1000, "the first ended it: {end}");
    }
}

/// Not in the middle of a write to a file, which would hold up the others until it wakes.
async fn freeze(node: &Demo, other: &mut Client) {
    loop {
        node.signal("STOP");
        for _ in 0..40 {
            if other.try_send("GET", "/health", &[], "").await.unwrap().status == 200 {
                return;
            }
            pause().await;
        }
        node.signal("CONT");
        pause().await;
    }
}

async fn status(client: &mut Client, job: &str) -> serde_json::Value {
    client.get(&format!("{job}/status")).await.json()
}

/// The seconds of the day.
fn seconds(time: &serde_json::Value) -> i64 {
    let time = time.as_str().unwrap();
    let digits: Vec<i64> = time[11..19].split(':').map(|part| part.parse().unwrap()).collect();
    digits[0] * 3600 + digits[1] * 60 + digits[2]
}
