//! Nodes that share a store hear of each other.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use std::{sync::Arc, time::Duration};

use asyncflow_core::{
    Clock, JobKey,
    state::Event,
    store::{Hint, HintStream, Insert},
};
use asyncflow_postgres::PostgresStore;
use asyncflow_testkit::{
    proxy::Proxy,
    store::{FLOW, Subject},
};

use self::common::{Behind, shared_url};

/// Whether news comes that satisfies, of whatever else comes.
async fn heard(stream: &HintStream, satisfies: impl Fn(&Hint) -> bool) -> bool {
    let wait = async { while !satisfies(&stream.next().await) {} };
    tokio::time::timeout(Duration::from_secs(2), wait).await.is_ok()
}

/// Another node of the same store, whose connections go by this URL.
async fn beside(behind: &Behind, url: &str) -> Subject {
    let clock = behind.subject.clock.clone();
    let store = PostgresStore::builder(url).schema(&behind.schema).clock(clock.clone() as Arc<dyn Clock>);
    Subject::new(Arc::new(store.connect().await.unwrap()), clock)
}

#[tokio::test]
async fn one_hears_what_another_did() {
    let behind = Behind::new().await;
    let (here, there) = (&behind.subject, beside(&behind, shared_url().await).await);
    let stream = there.store.hints();
    stream.want_jobs(true);
    stream.want_changes(1);
    let held = here.running().await;
    assert!(there.get(&held.job).await.is_some(), "it knows the flow");
    let mut told = [false; 3];
    for _ in 0..20 {
        let new = here.add(here.job()).await;
        told[0] |= heard(&stream, |news| news.ready.contains(FLOW)).await;
        here.event(&new, Event::Cancel).await;
        told[1] |= heard(&stream, |news| news.changed.contains(&new.job)).await;
        let held = here.running().await;
        here.event(&held, Event::Cancel).await;
        told[2] |= heard(&stream, |news| news.marked.contains(&held.job)).await;
        if told == [true; 3] {
            return;
        }
    }
    panic!("of ready, changed and marked jobs, {told:?} came");
}

#[tokio::test]
async fn news_of_a_flow_that_a_node_has_not_met_is_of_that_flow_alone() {
    let behind = Behind::new().await;
    let (here, there) = (&behind.subject, beside(&behind, shared_url().await).await);
    let stream = there.store.hints();
    stream.want_jobs(true);
    let of = |flow: &str| {
        let job = here.job();
        Insert { job: JobKey { flow: flow.into(), ..job.job }, ..job }
    };
    let mut told = false;
    for _ in 0..20 {
        here.add(of("first")).await;
        told |= heard(&stream, |news| news.ready.contains("first")).await;
        if told {
            break;
        }
    }
    assert!(told, "a worker that waits for the first job hears of it");
    for flow in ["other", "first", "other", "first"] {
        here.add(of(flow)).await;
        let alone = |news: &Hint| {
            assert!(!news.anything, "nothing else is looked at");
            news.ready.contains(flow)
        };
        assert!(heard(&stream, alone).await);
    }
}

#[tokio::test]
async fn a_node_that_was_cut_off_looks_at_all_and_listens_again() {
    let behind = Behind::new().await;
    let (before, after) = shared_url().await.rsplit_once('@').unwrap();
    let (address, database) = after.split_once('/').unwrap();
    let proxy = Proxy::start(address.parse().unwrap()).await.unwrap();
    let there = beside(&behind, &format!("{before}@{}/{database}", proxy.address())).await;
    let stream = there.store.hints();
    stream.want_jobs(true);
    for _ in 0..3 {
        proxy.cut();
        assert!(heard(&stream, |news| news.anything).await, "it may have missed anything");
        let mut told = false;
        for _ in 0..5 {
            let new = behind.subject.add(behind.subject.job()).await;
            told |= heard(&stream, |news| news.ready.contains(FLOW) || news.anything).await;
            behind.subject.event(&new, Event::Cancel).await;
        }
        assert!(told, "it listens again");
    }
}
