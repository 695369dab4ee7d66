//! Rows that this version never writes: they block nothing, and are refused by name.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use asyncflow_core::{
    State,
    state::Event,
    store::{Batch, Change, Guard, Part, Patch, StoreError},
};
use asyncflow_testkit::store::Subject;

use self::common::Behind;

/// What may stand in a column though it makes no sense there.
const SPOILT: [&str; 14] = [
    "format = 2",
    "state = 77",
    "state = -1",
    "mark = 9",
    "version = -5",
    "flow_version = 70000",
    "flow_version = -1",
    "priority = 300",
    "attempts = -1",
    "crashes = 999",
    "snoozes = 100000",
    "progress = '{'",
    "policy = 12345",
    "lease = NULL, due = -9223372036854775808",
];

#[tokio::test]
async fn a_row_that_makes_no_sense_blocks_nothing() {
    let behind = Behind::new().await;
    let subject = &behind.subject;
    for what in SPOILT {
        let (waiting, held) = (subject.add(subject.job()).await, subject.running().await);
        let ended = subject.running().await;
        let ended = subject.event(&ended, Event::Succeeded(Part::json("1"))).await;
        for job in [&waiting.job, &held.job, &ended.job] {
            behind.run(&format!("UPDATE asyncflow.jobs SET {what} WHERE id = '{}'", job.id)).await;
            behind.run(&format!("UPDATE asyncflow.ended SET {what} WHERE id = '{}'", job.id)).await;
        }
        untroubled(subject, what).await;
        for job in [&waiting.job, &held.job, &ended.job] {
            let named = |error: StoreError| {
                assert!(matches!(error, StoreError::Rejected(_)), "{what}: {error}");
                assert!(error.to_string().contains(&job.id.to_string()), "{what}: {error}");
            };
            let read = subject.store.get(std::slice::from_ref(job)).await;
            if what.starts_with("format") {
                assert!(read.as_ref().unwrap_err().to_string().contains("format 2"), "{read:?}");
            }
            read.map_err(named).ok();
            let change = Change { job: job.clone(), guard: Guard::Version(1), patch: Patch::default() };
            subject.store.write(&Batch { changes: vec![change], ..Batch::default() }).await.map_err(named).ok();
        }
        behind.run("TRUNCATE asyncflow.jobs, asyncflow.ended").await;
    }
}

/// Other jobs go on: they are found when they are due, taken, and end.
async fn untroubled(subject: &Subject, what: &str) {
    let other = subject.running().await;
    subject.change(&other, Patch { to: Some(State::Cancelled), ..Patch::default() }).await;
    subject.store.due(100).await.unwrap_or_else(|error| panic!("{what}: due: {error}"));
    let job = subject.add(subject.job()).await;
    let ask = Batch {
        claims: vec![asyncflow_core::store::Claim {
            pick: asyncflow_core::store::Pick::Job(job.job.clone()),
            limits: None,
            token: subject.token(),
            patch: asyncflow_core::state::claim(asyncflow_testkit::store::LEASE),
        }],
        ..Batch::default()
    };
    assert_eq!(subject.store.write(&ask).await.unwrap().claims[0].jobs.len(), 1, "{what}: not taken");
    subject.store.check().await.unwrap_or_else(|error| panic!("{what}: check: {error}"));
    subject
        .store
        .counts(asyncflow_testkit::store::FLOW)
        .await
        .unwrap_or_else(|error| panic!("{what}: counts: {error}"));
}
