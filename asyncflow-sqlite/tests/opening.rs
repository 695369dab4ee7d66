//! What is found when a file is opened, and what becomes of it.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{path::Path, sync::Arc, time::Duration};

use asyncflow_core::{
    Clock, JobError, Limits, ManualClock, Stamp, State,
    store::{Guard, Insert, Inserted, Part, PartName, Parts, Patch, Pick, Store, StoreError, Taken},
};
use asyncflow_sqlite::SqliteStore;
use asyncflow_testkit::store::{FLOW, START, Subject};
use rusqlite::Connection;

async fn open(path: &Path) -> Subject {
    open_at(path, START).await
}

async fn open_at(path: &Path, now: Stamp) -> Subject {
    let clock = Arc::new(ManualClock::at(now));
    let store = SqliteStore::builder(path).clock(clock.clone() as Arc<dyn Clock>).open().await.unwrap();
    Subject::new(Arc::new(store), clock)
}

/// The error of opening the file: it must be mended, and is told which it is.
async fn refused(path: &Path) -> String {
    match SqliteStore::open(path).await {
        Err(error @ StoreError::Unusable(_)) => {
            let error = error.to_string();
            let name = path.file_name().unwrap().to_str().unwrap();
            assert!(error.contains(name), "{error}");
            error
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_cannot_be_a_store_is_named_with_a_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    let error = refused(&folder.path().join("missing/jobs.db")).await;
    assert!(error.contains("has no folder to lie in: make that first"), "{error}");
    let error = refused(folder.path()).await;
    assert!(error.contains("is a folder: name a file"), "{error}");

    std::fs::write(&path, "no database, but long enough to be one. ".repeat(500)).unwrap();
    let error = refused(&path).await;
    assert!(error.contains("is no SQLite database: name another file"), "{error}");

    let foreign = folder.path().join("foreign.db");
    Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE mine (a)").unwrap();
    let error = refused(&foreign).await;
    assert!(error.contains("the database of another application: name another file"), "{error}");
    let left = Connection::open(&foreign).unwrap();
    let tables: i64 = left.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).unwrap();
    let journal: String = left.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
    assert_eq!((tables, &*journal), (1, "delete"), "it was left alone");
    assert!(!folder.path().join("foreign.db-lock").exists());
}

#[tokio::test]
async fn a_newer_schema_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    let record = open(&path).await.running().await;
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let error = refused(&path).await;
    assert!(error.contains("is of schema 99, and this version works with schema 3"), "{error}");
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 3).unwrap();
    assert_eq!(open(&path).await.get(&record.job).await.unwrap().tally.crashes, 1);
}

#[tokio::test]
async fn a_damaged_file_says_so() {
    let folder = tempfile::tempdir().unwrap();
    for truncated in [true, false] {
        let path = folder.path().join(format!("{truncated}.db"));
        let mut records = Vec::new();
        let subject = open(&path).await;
        for _ in 0..50 {
            let held = subject.running().await;
            let parts = Parts::Error(Part::json(vec![b' '; 5000]));
            records.push(subject.change(&held, Patch { to: Some(State::Failed), parts, ..Patch::default() }).await);
        }
        drop(subject);
        // The last to have it open has folded the log into it.
        while path.with_extension("db-wal").exists() {
            tokio::task::yield_now().await;
        }
        let mut bytes = std::fs::read(&path).unwrap();
        let half = bytes.len() / 2;
        match truncated {
            true => bytes.truncate(half),
            false => bytes[half..].fill(0xaa),
        }
        std::fs::write(&path, bytes).unwrap();
        let mut errors = Vec::new();
        match SqliteStore::open(&path).await {
            Err(error) => errors.push(error),
            Ok(store) => {
                for record in &records {
                    errors.extend(store.get(std::slice::from_ref(&record.job)).await.err());
                    errors.extend(store.part(&record.job, PartName::Outcome).await.err());
                }
            }
        }
        assert!(!errors.is_empty());
        for error in errors {
            let text = error.to_string();
            assert!(matches!(error, StoreError::Unusable(_)) && text.contains("is damaged: put a backup"), "{text}");
        }
    }
}

#[tokio::test]
async fn all_is_there_when_the_file_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    let subject = open(&path).await;
    let (waiting, created) = (subject.job(), subject.now());
    let waiting = subject.add(waiting).await;
    let held = subject.running().await;
    let parts = Parts::Result(Part::json("1"));
    let ended = subject.change(&held, Patch { to: Some(State::Succeeded), parts, ..Patch::default() }).await;
    let counts = subject.states().await;
    drop(subject);
    // A clock that was set back meanwhile does not set back the store's.
    let subject = open_at(&path, Stamp::from_micros(0)).await;
    assert_eq!(subject.get(&waiting.job).await, Some(waiting));
    assert_eq!(subject.get(&ended.job).await, Some(ended.clone()));
    assert_eq!(subject.part(&ended.job, PartName::Outcome).await, Some(Part::json("1")));
    assert_eq!(subject.states().await, counts);
    subject.clock.advance(Duration::from_micros(5));
    let Inserted::Created { created: later } = subject.insert(&subject.job()).await else { panic!("it is new") };
    assert!(later >= created && later <= created + Duration::from_micros(5));
}

#[tokio::test]
async fn who_is_alone_ends_all_leases() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    let job = open(&path).await.running().await.job;
    for crashes in 1..=3 {
        let subject = open(&path).await;
        let record = subject.get(&job).await.unwrap();
        assert_eq!((record.tally.crashes, record.token), (crashes, None));
        if crashes < 3 {
            assert_eq!(record.state, State::Enqueued);
            assert_eq!(subject.take(1).await.len(), 1);
        } else {
            assert_eq!(record.state, State::Failed);
            let error = subject.part(&job, PartName::Outcome).await.unwrap();
            assert_eq!(JobError::from_part(&error).unwrap().kind, JobError::WORKER_LOST);
        }
        assert_eq!(subject.states().await.iter().sum::<u64>(), 1);
    }
}

#[tokio::test]
async fn what_a_lapse_ends_counts_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    let limits = Limits::new().running(3).running_per_key(2);
    let next = || Pick::Next { flow: FLOW.into(), versions: Arc::new([0]), jobs: 9, bytes: usize::MAX };
    let subject = open(&path).await;
    for owner in ["a", "a", "a", "b", "b", "c"] {
        subject.add(Insert { owner: Some(owner.into()), ..subject.job() }).await;
    }
    drop(subject);
    let of = |taken: Taken| -> Vec<_> { taken.jobs.into_iter().map(|claimed| claimed.record.owner.unwrap()).collect() };
    for _ in 0..2 {
        let subject = open(&path).await;
        assert_eq!(of(subject.take_within(&limits, next()).await), ["a", "a", "b"].map(Arc::from));
        assert!(of(subject.take_within(&limits, next()).await).is_empty());
    }
}

#[cfg(unix)]
#[tokio::test]
async fn who_is_not_alone_leaves_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    let first = open(&path).await;
    let held = first.running().await;
    let link = folder.path().join("link.db");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    for path in [&path, &link] {
        let second = open(path).await;
        assert_eq!(second.get(&held.job).await, Some(held.clone()));
        second.add(second.job()).await;
    }
    assert_eq!(first.states().await, [0, 2, 1, 0, 0, 0]);
}

#[tokio::test]
async fn a_store_needs_a_runtime() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    let outside = std::thread::spawn(|| {
        let mut open = Box::pin(SqliteStore::open(path));
        loop {
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            if let std::task::Poll::Ready(opened) = open.as_mut().poll(&mut context) {
                return opened.unwrap_err();
            }
            std::thread::yield_now();
        }
    });
    let error = outside.join().unwrap().to_string();
    assert!(error.contains("no tokio runtime"), "{error}");
}

#[tokio::test]
async fn dropped_it_folds_its_log_into_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    let subject = open(&path).await;
    subject.add(subject.job()).await;
    let log = folder.path().join("jobs.db-wal");
    assert!(log.exists());
    drop(subject);
    while log.exists() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn who_joins_waits_for_no_writer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    let _first = SqliteStore::open(&path).await.unwrap();
    let writing = Connection::open(&path).unwrap();
    writing.execute_batch("BEGIN IMMEDIATE").unwrap();
    SqliteStore::builder(&path).busy_timeout(Duration::ZERO).open().await.unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_to_a_file_that_is_not_there_yet_is_that_file() {
    let folder = tempfile::tempdir().unwrap();
    let (link, path) = (folder.path().join("link.db"), folder.path().join("jobs.db"));
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let first = open(&link).await;
    let held = first.running().await;
    // Alone, it would end the lease.
    let second = open(&link).await;
    assert_eq!(second.get(&held.job).await, Some(held));
    assert!(path.exists() && !folder.path().join("link.db-lock").exists());
}

#[tokio::test]
async fn large_parts_go_with_what_they_belong_to() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    let subject = open(&path).await;
    let beside = Connection::open(&path).unwrap();
    let large = || beside.query_row("SELECT count(*) FROM large", [], |row| row.get::<_, i64>(0)).unwrap();
    let part = |size: usize| Part::json(vec![b'1'; size]);
    let job = subject.add(Insert { request: part(5000), ..subject.job() }).await.job;
    assert_eq!((subject.part(&job, PartName::Request).await, large()), (Some(part(5000)), 1));
    for (parts, request, outcome, left) in [
        (Parts::Error(part(6000)), Some(part(5000)), Some(part(6000)), 2),
        (Parts::Error(part(7000)), Some(part(5000)), Some(part(7000)), 2),
        (Parts::Error(part(10)), Some(part(5000)), Some(part(10)), 1),
        (Parts::Result(part(8000)), None, Some(part(8000)), 1),
        (Parts::Result(part(880)), None, Some(part(880)), 0),
        (Parts::Result(part(9000)), None, Some(part(9000)), 1),
        (Parts::Drop, None, None, 0),
    ] {
        let record = subject.get(&job).await.unwrap();
        subject.change(&record, Patch { parts, ..Patch::default() }).await;
        assert_eq!((subject.parts(&job).await, large()), ((request, outcome), left));
    }
    let ended = subject.add(Insert { request: part(5000), ..subject.job() }).await;
    subject.ask(&ended.job, Guard::Version(ended.version), Patch { purge: true, ..Patch::default() }).await;
    assert_eq!((subject.get(&ended.job).await, large()), (None, 0));
}
