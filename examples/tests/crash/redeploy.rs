//! Nodes that are replaced one by one under load: nobody notices.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use asyncflow_core::{Record, Stamp};
use tokio::time::sleep;

use crate::{
    backing::{Backing, Kind},
    dice::Dice,
    fleet::Fleet,
    judge::judge,
    load::Load,
    process::{Demo, prove},
};

on_stores!(redeployed: redeployed_on_sqlite = Sqlite, redeployed_on_redis = Redis, redeployed_on_postgres = Postgres);

/// From one replacement to the next: time for the load to run on the nodes as they are.
const APART: Duration = Duration::from_millis(500);

async fn redeployed(kind: Kind) {
    let rounds = if prove() { 20 } else { 3 };
    let mut dice = Dice::new("redeployed");
    let store = Backing::start(kind).await;
    // So few at once that some wait, and so many that one node is enough.
    let mut fleet = Fleet::start(&[store.url(), store.url()], &["--concurrency", "10"]);
    let load = Load::start(fleet.addresses(), &mut dice);
    load.accepts(20).await;
    let calm = now();
    for _ in 0..2 * rounds {
        // What else a machine is busy with when a process starts and ends.
        let mut other = Demo::start(&[]);
        sleep(APART).await;
        other.signal("TERM");
        other.wait().await;
    }
    let busy = now();
    for _ in 0..rounds {
        for node in 0..2 {
            fleet.drain(node).await;
            fleet.up(node);
            sleep(APART).await;
        }
    }
    let records = judge(load.stop().await, &store, 0).await;

    let between = |from: Stamp, to: Stamp| {
        let waits = records.iter().filter(|record| (from..to).contains(&record.created)).filter_map(waited);
        waits.max().expect("jobs are accepted all the time")
    };
    let (calm, redeployed) = (between(calm, busy), between(busy, now()));
    println!("the longest that a job waited: {calm:.0?}, and {redeployed:.0?} while nodes were replaced");
    assert!(redeployed < calm + Duration::from_secs(1), "a job waited {redeployed:?}, others {calm:?}");
}

/// How long a job waited for a worker, if it was ready at once and ran once.
fn waited(record: &Record) -> Option<Duration> {
    let once = matches!(&*record.job.flow, "echo" | "sleep" | "data");
    let micros = record.started?.as_micros() - record.created.as_micros();
    once.then(|| Duration::from_micros(micros.try_into().unwrap_or(0)))
}

fn now() -> Stamp {
    Stamp::from_micros(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as i64)
}
