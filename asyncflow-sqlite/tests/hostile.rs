//! Rows that this version never writes: they block nothing, and are refused by name.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{sync::Arc, time::Duration};

use asyncflow_core::{
    Clock, JobKey, Limits, ManualClock,
    store::{Batch, Change, Guard, Insert, Part, PartName, Patch, Pick, StoreError},
};
use asyncflow_sqlite::{SqliteStore, Synchronous};
use asyncflow_testkit::store::{FLOW, START, Subject};
use rusqlite::Connection;

/// What may stand in a column of each type though it makes no sense there.
const NUMBERS: &[&str] = &["-1", "7", "300", "70000", "4294967296", "9223372036854775807", "-9223372036854775808"];
const TEXTS: &[&str] = &["CAST(X'ff' AS TEXT)", "''", "'{'", "'{\"text\":1}'"];
const BLOBS: &[&str] = &["X''", "X'00'", "zeroblob(17)"];

#[tokio::test]
async fn a_row_that_makes_no_sense_blocks_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    let clock = Arc::new(ManualClock::at(START));
    let open = || async {
        let builder = SqliteStore::builder(&path).synchronous(Synchronous::Normal);
        let store = builder.clock(clock.clone() as Arc<dyn Clock>).open().await.unwrap();
        Subject::new(Arc::new(store), clock.clone())
    };
    let subject = open().await;
    let alter = Connection::open(&path).unwrap();
    alter.busy_timeout(Duration::from_secs(5)).unwrap();
    let spoil = |job: &JobKey, what: &str| {
        let (table, set) = what.split_once('.').unwrap();
        // What a unique column has already cannot be put there.
        let update = format!("UPDATE OR IGNORE {table} SET {set} WHERE id = ?1");
        alter.execute(&update, [job.id.as_u128().to_be_bytes()]).unwrap();
    };
    let spoilt = spoilt(&alter);
    for what in &spoilt {
        let (waiting, held) = (subject.add(subject.job()).await, subject.running().await);
        spoil(&waiting.job, what);
        spoil(&held.job, what);
        untroubled(&subject, what).await;
        refused_by_name(&subject, &waiting.job, what).await;
        refused_by_name(&subject, &held.job, what).await;
        // Away with it, so that the next one stands alone.
        alter.execute_batch("DELETE FROM jobs; DELETE FROM parts").unwrap();
    }
    // Nor does any of them keep the file from being opened, where held jobs are taken back.
    for what in &spoilt {
        spoil(&subject.running().await.job, what);
    }
    drop(subject);
    untroubled(&open().await, "all of them").await;
}

/// Each column of a job and of its parts, set to what makes no sense there.
fn spoilt(db: &Connection) -> Vec<String> {
    let mut spoilt = Vec::new();
    for table in ["jobs", "parts"] {
        let mut info = db.prepare(&format!("SELECT name, type FROM pragma_table_info('{table}')")).unwrap();
        let mut rows = info.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let (column, kind): (String, String) = (row.get(0).unwrap(), row.get(1).unwrap());
            let values = match kind.as_str() {
                "INTEGER" => NUMBERS,
                "TEXT" => TEXTS,
                _ => BLOBS,
            };
            spoilt.extend(values.iter().map(|value| format!("{table}.{column} = {value}")));
        }
    }
    spoilt
}

/// Other jobs go on: they are found when they are due, taken, and end.
async fn untroubled(subject: &Subject, what: &str) {
    let other = subject.running().await;
    subject.change(&other, Patch { to: Some(asyncflow_core::State::Cancelled), ..Patch::default() }).await;
    subject.store.due(100).await.unwrap_or_else(|error| panic!("{what}: due: {error}"));
    // Within limits too, which look at keys first.
    let job = subject.add(Insert { owner: Some("other".into()), ..subject.job() }).await;
    let pick = Pick::Next { flow: FLOW.into(), versions: Arc::new([0]), jobs: 100, bytes: usize::MAX };
    let taken = subject.take_within(&Limits::new().running_per_key(1), pick).await.jobs;
    let taken = taken.into_iter().find(|taken| taken.record.job == job.job);
    let taken = taken.unwrap_or_else(|| panic!("{what}: not taken within limits"));
    let end = Patch { to: Some(asyncflow_core::State::Cancelled), ..Patch::default() };
    subject.change(&taken.record, end).await;
    let job = subject.add(subject.job()).await;
    let taken = subject.take(100).await;
    assert!(taken.iter().any(|taken| taken.job == job.job), "{what}: not taken");
    subject.store.check().await.unwrap_or_else(|error| panic!("{what}: check: {error}"));
    subject.store.counts(FLOW).await.unwrap_or_else(|error| panic!("{what}: counts: {error}"));
}

/// Who means the row is told which one it is, or finds it as it stands.
async fn refused_by_name(subject: &Subject, job: &JobKey, what: &str) {
    let named = |error: StoreError| {
        assert!(matches!(error, StoreError::Rejected(_)), "{what}: {error}");
        assert!(error.to_string().contains(&job.id.to_string()), "{what}: {error}");
    };
    let store = &subject.store;
    let record = store.get(std::slice::from_ref(job)).await.unwrap_or_else(|error| {
        named(error);
        vec![None]
    });
    let _: Option<Option<Part>> = store.part(job, PartName::Request).await.map_err(named).ok();
    if let Some(record) = record.into_iter().flatten().next() {
        let change = Change { job: job.clone(), guard: Guard::Version(record.version), patch: Patch::default() };
        let _ = store.write(&Batch { changes: vec![change], ..Batch::default() }).await.map_err(named);
    }
}
