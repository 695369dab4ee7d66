//! A node that is killed under load, again and again, and started again: every accepted job ends once, and right.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::Value;
use tokio::task::JoinSet;

use crate::{
    client::Client,
    jobs::{Expected, ended_right, job},
    process::{Demo, prove},
};

/// Jobs that a connection submits at most between two kills.
const EACH: usize = 25;

#[tokio::test(flavor = "multi_thread")]
async fn every_accepted_job_ends_once_and_right() {
    let (kills, connections) = if prove() { (20, 64) } else { (3, 16) };
    let folder = tempfile::tempdir().unwrap();
    let store = format!("sqlite:{}", folder.path().join("jobs.db").display());
    // Within it no lease ends by itself: what was interrupted runs again at once, or the test does not end.
    let start = || Demo::start(&["--store", &store, "--lease", "3600"]);
    let mut jobs: Vec<(String, Expected)> = Vec::new();
    for kill in 0..kills {
        let mut demo = start();
        // Somewhere in the middle, each time elsewhere.
        let enough = connections * EACH * (20 + kill * 37 % 60) / 100;
        jobs.extend(submit_until_killed(&mut demo, connections, kill, enough).await);
    }

    let demo = start();
    let mut client = demo.client().await;
    let mut ends = Vec::new();
    for (job, expected) in &jobs {
        ends.push(ended_right(&mut client, job, expected).await);
    }
    let interrupted = |((job, _), end): (&(String, _), &Value)| job.starts_with("/sleep") && end["Attempt"] != 1;
    assert!(jobs.iter().zip(&ends).any(interrupted), "no job was interrupted");
    drop(demo);

    let demo = start();
    let mut client = demo.client().await;
    for ((job, _), end) in jobs.iter().zip(&ends) {
        assert_eq!(client.get(&format!("{job}/status")).await.json(), *end, "an ended job changed");
    }
}

/// Gives what was accepted.
async fn submit_until_killed(
    demo: &mut Demo,
    connections: usize,
    round: usize,
    enough: usize,
) -> Vec<(String, Expected)> {
    let accepted = Arc::new(AtomicUsize::new(0));
    let mut submitters = JoinSet::new();
    for connection in 0..connections {
        let first = (round * connections + connection) * EACH;
        submitters.spawn(submit(demo.address, first, accepted.clone()));
    }
    while accepted.load(Ordering::SeqCst) < enough {
        // Short, so that the kill hits as many as can be in flight.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    demo.kill();
    let mut jobs = Vec::new();
    while let Some(some) = submitters.join_next().await {
        jobs.extend(some.unwrap());
    }
    jobs
}

/// Submits jobs for as long as they are accepted.
async fn submit(address: SocketAddr, first: usize, accepted: Arc<AtomicUsize>) -> Vec<(String, Expected)> {
    let mut jobs = Vec::new();
    let Ok(mut client) = Client::open(address).await else { return jobs };
    for number in first..first + EACH {
        let (flow, request, expected) = job(number);
        let Ok(answer) = client.try_send("POST", flow, &[], request.to_string()).await else { break };
        assert_eq!(answer.status, 202, "{answer:?}");
        jobs.push((format!("{flow}/{}", answer.json()["RequestId"].as_str().unwrap()), expected));
        accepted.fetch_add(1, Ordering::SeqCst);
    }
    jobs
}
