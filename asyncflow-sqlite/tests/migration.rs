//! Files of older schemas, as the versions that worked with them left them.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{path::Path, sync::Arc, time::Duration};

use asyncflow_core::{
    Clock, JobError, JobId, JobKey, Limits, ManualClock, Mark, Record, State,
    state::Event,
    store::{Idempotency, Insert, Inserted, Part, PartName, Pick, Query, Room},
};
use asyncflow_sqlite::SqliteStore;
use asyncflow_testkit::store::{FLOW, START, Subject};
use rusqlite::Connection;

/// Opens what was left of schema 1, some time later.
async fn opened(path: &Path) -> Subject {
    let db = Connection::open(path).unwrap();
    db.execute_batch(include_str!("../migrations/1.sql")).unwrap();
    db.execute_batch(include_str!("schema_1.sql")).unwrap();
    // A large part stands among the others there.
    let large = "UPDATE parts SET bytes = ?1 WHERE id = ?2";
    assert_eq!(db.execute(large, (large_text().as_bytes(), id(0x17).as_u128().to_be_bytes())).unwrap(), 1);
    drop(db);
    let clock = Arc::new(ManualClock::at(START + Duration::from_secs(12)));
    let store = SqliteStore::builder(path).clock(clock.clone() as Arc<dyn Clock>).open().await.unwrap();
    Subject::new(Arc::new(store), clock)
}

fn large_text() -> String {
    format!("\"of c{}\"", " ".repeat(5000))
}

fn id(short: u128) -> JobId {
    JobId::from_u128(short)
}

async fn record(subject: &Subject, short: u128) -> Record {
    subject.get(&JobKey { flow: FLOW.into(), id: id(short) }).await.unwrap()
}

fn next() -> Pick {
    Pick::Next { flow: FLOW.into(), versions: Arc::new([0]), jobs: 9, bytes: usize::MAX }
}

#[tokio::test]
async fn a_file_of_schema_1_keeps_its_jobs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    let subject = opened(&path).await;
    // Three that were held wait again, and the one that was asked to stop has.
    assert_eq!(subject.states().await, [3, 7, 0, 1, 1, 3]);
    assert_eq!(subject.store.counts("other").await.unwrap().states, [0, 1, 0, 0, 0, 0]);
    for (short, state, mark, owner, tally) in [
        (0x00, State::Succeeded, Mark::None, Some("a"), (1, 0, 0, 0)),
        (0x02, State::Failed, Mark::None, None, (1, 1, 0, 0)),
        (0x04, State::Cancelled, Mark::Cancel, Some("a"), (1, 0, 0, 0)),
        (0x06, State::Cancelled, Mark::Forget, None, (1, 0, 0, 0)),
        (0x08, State::Scheduled, Mark::None, Some("a"), (0, 0, 0, 1)),
        (0x0a, State::Enqueued, Mark::None, None, (1, 0, 1, 0)),
        (0x0c, State::Scheduled, Mark::None, Some("b"), (1, 1, 0, 0)),
        (0x0e, State::Cancelled, Mark::Cancel, Some("b"), (1, 0, 1, 0)),
        (0x10, State::Enqueued, Mark::None, Some("a"), (1, 0, 1, 0)),
        (0x17, State::Enqueued, Mark::None, Some("c"), (0, 0, 0, 0)),
    ] {
        let record = record(&subject, short).await;
        let counts = record.tally;
        let found = (counts.attempts, counts.failures, counts.crashes, counts.snoozes);
        assert_eq!(
            (record.state, record.mark, record.owner.as_deref(), found),
            (state, mark, owner, tally),
            "{short:x}"
        );
        assert_eq!((record.token, &record.limit_key, &record.unique_key), (None, &None, &None));
        assert_eq!(record.policy.spacing, None);
    }
    let part = async |short, name| subject.part(&JobKey { flow: FLOW.into(), id: id(short) }, name).await;
    assert_eq!(part(0x00, PartName::Outcome).await, Some(Part::json(r#"{"is":1}"#)));
    let error = JobError::from_part(&part(0x02, PartName::Outcome).await.unwrap()).unwrap();
    assert_eq!((&*error.kind, &*error.message), ("Wrong", "it went wrong"));
    assert_eq!(part(0x17, PartName::Request).await, Some(Part::json(large_text())));
    let progress = record(&subject, 0x10).await.progress.unwrap();
    assert_eq!((progress.text(), progress.done()), ("half", Some(50.0)));
    let page = subject.store.list(&Query::new(FLOW).owner("b")).await.unwrap();
    assert_eq!(page.records.iter().map(|record| record.job.id).collect::<Vec<_>>(), [id(0x0c), id(0x0e)]);
    subject.clock.advance(Duration::from_secs(60));
    let due = subject.due(9).await;
    assert_eq!(due, [id(0x06), id(0x08), id(0x0c)], "the forgotten one, and those that were put off");
    drop(subject);
    let sound: String =
        Connection::open(&path).unwrap().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
}

#[tokio::test]
async fn what_a_file_of_schema_1_counts_is_what_it_holds() {
    let folder = tempfile::tempdir().unwrap();
    let subject = opened(&folder.path().join("jobs.db")).await;
    // What keys mean.
    let named = |fingerprint| Insert {
        owner: Some("a".into()),
        idempotency: Some(Idempotency { key: "key 1".into(), fingerprint, keep: Duration::from_secs(1) }),
        ..subject.job()
    };
    assert!(matches!(subject.insert(&named(1)).await, Inserted::Existing { id: found, .. } if found == id(0x15)));
    assert_eq!(subject.insert(&named(2)).await, Inserted::OtherBody);
    // How many of an owner wait: one that was put off, two that were ready, two that were held.
    let within = |most| Insert {
        owner: Some("a".into()),
        room: Room { waiting: 99, waiting_per_owner: Some(most) },
        ..subject.job()
    };
    assert_eq!(subject.insert(&within(5)).await, Inserted::OverQuota);
    assert!(matches!(subject.insert(&within(6)).await, Inserted::Created { .. }));
    // Who runs: nobody, so that each key has its room.
    let limits = Limits::new().running_per_key(1);
    let take = async || {
        let taken = subject.take_within(&limits, next()).await.jobs;
        taken.into_iter().map(|claimed| claimed.record).collect::<Vec<_>>()
    };
    let taken = take().await;
    let ids: Vec<_> = taken.iter().map(|record| record.job.id).collect();
    assert_eq!(ids, [id(0x17), id(0x0a), id(0x10), id(0x14)], "by rank, one of each key");
    assert!(take().await.is_empty());
    subject.event(&taken[2], Event::Succeeded(Part::json("1"))).await;
    assert_eq!(take().await.first().map(|record| record.job.id), Some(id(0x12)));
}
