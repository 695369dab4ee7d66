//! What two nodes on one store do against one: a backlog of documents whose words are counted, one at a time on each node. Nobody brings
//! jobs to the nodes: they share what is in the store.
//!
//! `cargo bench -p asyncflow-examples --bench nodes [-- ROUNDS]`
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark may fail")]

#[path = "../tests/common/mod.rs"]
mod common;

use std::collections::HashSet;

use asyncflow_core::{State, Store, store::Query};
use common::{
    backing::{Backing, Kind},
    process::{Demo, pause},
};

/// Documents of a backlog.
const JOBS: usize = 300;
/// Bytes of each: what a node does for the job is little beside counting its words.
const DOCUMENT: usize = 512 * 1024;

#[tokio::main]
async fn main() {
    let rounds = std::env::args().filter_map(|arg| arg.parse().ok()).next().unwrap_or(5);
    for (name, kind) in [("sqlite", Kind::Sqlite), ("redis", Kind::Redis), ("postgres", Kind::Postgres)] {
        let backing = Backing::start(kind).await;
        let mut ratios = Vec::new();
        let mut rates = [Vec::new(), Vec::new()];
        for round in 0..rounds {
            // In turns, as whoever else works on the machine disturbs both alike then.
            let (mut one, mut two) = (0.0, 0.0);
            for nodes in if round % 2 == 0 { [1, 2] } else { [2, 1] } {
                *[&mut one, &mut two][nodes - 1] = rate(&backing, nodes).await;
            }
            rates[0].push(one);
            rates[1].push(two);
            ratios.push(two / one);
        }
        let [one, two] = rates.map(median);
        println!("{name}, jobs a second: {one:.1} by one node, {two:.1} by two");
        println!("{name}, two nodes against one: {:.2}", median(ratios));
    }
}

/// Jobs a second of so many nodes, once all of them are at work.
async fn rate(backing: &Backing, nodes: usize) -> f64 {
    let url = backing.url();
    let serving = Demo::start(&["--store", &url, "--role", "serve"]);
    let mut client = serving.client().await;
    let mut backlog = HashSet::new();
    for number in 0..JOBS {
        let posted = client.send("POST", "/textstats", &[("content-type", "text/plain")], document(number)).await;
        assert_eq!(posted.status, 202, "{posted:?}");
        backlog.insert(posted.json()["RequestId"].as_str().unwrap().to_owned());
    }
    let store = backing.open().await;
    let done = || async { store.counts("textstats").await.unwrap().of(State::Succeeded) };
    let enough = done().await + JOBS as u64;
    let node = || Demo::start(&["--store", &url, "--role", "work", "--concurrency", "1"]);
    let _working: Vec<_> = (0..nodes).map(|_| node()).collect();
    while done().await < enough {
        pause().await;
    }
    rate_of(ends(&*store, &backlog).await)
}

/// When the jobs of a backlog ended, in microseconds.
async fn ends(store: &dyn Store, backlog: &HashSet<String>) -> Vec<i64> {
    let mut ends = Vec::new();
    let mut query = Query::new("textstats").limit(1000);
    loop {
        let page = store.list(&query).await.unwrap();
        let ours = page.records.iter().filter(|record| backlog.contains(&record.job.id.to_string()));
        ends.extend(ours.map(|record| record.ended.unwrap().as_micros()));
        match page.next {
            Some(next) => query = query.after(next),
            None => return ends,
        }
    }
}

/// Of the last two thirds, as nodes start one after the other.
fn rate_of(mut ends: Vec<i64>) -> f64 {
    ends.sort_unstable();
    let (first, last) = (ends.len() / 3, ends.len() - 1);
    (last - first) as f64 * 1e6 / (ends[last] - ends[first]) as f64
}

/// Some ten thousand different words.
fn document(number: usize) -> String {
    let mut text = String::with_capacity(DOCUMENT + 16);
    for word in number.. {
        if text.len() >= DOCUMENT {
            break;
        }
        text.push_str(&format!("word{} ", word * 7919 % 10_007));
    }
    text
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}
