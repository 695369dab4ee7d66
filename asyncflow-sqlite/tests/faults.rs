//! A file that goes wrong while it is used: a clear error, and nothing that was accepted is lost.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{path::Path, sync::Arc, time::Duration};

use asyncflow_core::{
    Clock, JobKey, Limits, ManualClock, Rate, State,
    state::Event,
    store::{Batch, Changed, Guard, Idempotency, Insert, Inserted, Part, PartName, Patch, Pick, Store, StoreError},
};
use asyncflow_sqlite::{SqliteStore, Synchronous};
use asyncflow_testkit::store::{FLOW, START, Subject};
use rusqlite::Connection;

async fn open(path: &Path) -> Subject {
    let clock = Arc::new(ManualClock::at(START));
    let store = SqliteStore::builder(path).clock(clock.clone() as Arc<dyn Clock>).open().await.unwrap();
    Subject::new(Arc::new(store), clock)
}

fn inserting(insert: &Insert) -> Batch {
    Batch { inserts: vec![insert.clone()], ..Batch::default() }
}

/// A small disk, where this user may make one.
#[cfg(target_os = "linux")]
struct SmallDisk(tempfile::TempDir);

#[cfg(target_os = "linux")]
impl SmallDisk {
    fn new() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mount = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"])
            .arg(folder.path())
            .stderr(std::process::Stdio::null())
            .status();
        mount.is_ok_and(|status| status.success()).then(|| Self(folder))
    }
}

#[cfg(target_os = "linux")]
impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_says_so_and_loses_nothing() {
    let Some(disk) = SmallDisk::new() else {
        eprintln!("skipped: this user may not mount a small disk");
        return;
    };
    let path = disk.0.path().join("jobs.db");
    let ballast = disk.0.path().join("ballast");
    std::fs::write(&ballast, vec![1; 200_000]).unwrap();
    let subject = open(&path).await;
    let mut accepted = Vec::new();
    let error = loop {
        let job = Insert { request: Part::json(vec![b' '; 10_000]), ..subject.job() };
        match subject.store.write(&inserting(&job)).await {
            Ok(_) => accepted.push(job),
            Err(error) => break error,
        }
        assert!(accepted.len() < 1000, "the disk does not fill");
    };
    assert!(matches!(error, StoreError::Unusable(_)), "{error}");
    assert!(error.to_string().contains("has no room left: free some on its disk"), "{error}");
    assert!(accepted.len() > 10);
    std::fs::remove_file(&ballast).unwrap();
    subject.store.check().await.unwrap();
    subject.add(subject.job()).await;
    for again in [subject.clone(), {
        drop(subject);
        open(&path).await
    }] {
        for job in &accepted {
            assert_eq!(again.part(&job.job, PartName::Request).await.as_ref(), Some(&job.request));
        }
        assert_eq!(again.states().await[State::Enqueued as usize], accepted.len() as u64 + 1);
    }
}

#[cfg(unix)]
mod read_only {
    use std::{os::unix::process::CommandExt, process::Command};

    use super::*;

    /// What a user is told who may not write, which the administrator (who runs tests in containers) always may.
    #[tokio::test]
    async fn a_file_or_folder_that_may_not_be_written_says_so() {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path, mode| std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jobs.db");
        drop(open(&path).await);
        for (folder_mode, file_mode, says) in [
            (0o555, 0o666, "jobs.db` is read-only: let this process"),
            (0o777, 0o444, "jobs.db` is read-only: let this process"),
        ] {
            while path.with_extension("db-wal").exists() {
                tokio::task::yield_now().await;
            }
            let _ = std::fs::remove_file(path.with_extension("db-lock"));
            mode(&path, file_mode);
            mode(folder.path(), folder_mode);
            let mut child = Command::new(std::env::current_exe().unwrap());
            child.args(["--exact", "read_only::child", "--ignored", "--nocapture"]).env("CHILD_PATH", &path);
            if std::fs::OpenOptions::new().append(true).open(&path).is_ok() || folder_mode == 0o555 {
                child.uid(65534).gid(65534);
            }
            let Ok(output) = child.output() else {
                eprintln!("skipped: no child can be run as another user");
                return;
            };
            mode(folder.path(), 0o777);
            let told = String::from_utf8_lossy(&output.stdout);
            assert!(told.contains("must be mended") && told.contains(says), "{told}");
        }
    }

    #[tokio::test]
    #[ignore = "the test above runs it, as a process of another user: by itself it has nothing to open"]
    async fn child() {
        let Ok(path) = std::env::var("CHILD_PATH") else { return };
        let store = match SqliteStore::open(&path).await {
            Ok(store) => store.check().await,
            Err(error) => Err(error),
        };
        match store {
            Err(error @ StoreError::Unusable(_)) => println!("must be mended: {error}"),
            other => println!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_record_of_a_newer_format_blocks_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    let subject = open(&path).await;
    let newer = subject.add(subject.job()).await;
    let held = subject.running().await;
    let (known, lease) = (subject.add(subject.job()).await, subject.running().await);
    let mut alter = Connection::open(&path).unwrap();
    let alteration = alter.transaction().unwrap();
    for job in [&newer.job, &held.job] {
        let id = job.id.as_u128().to_be_bytes();
        alteration
            .execute("UPDATE jobs SET format = 7, state = CASE state WHEN 1 THEN 1 ELSE 2 END WHERE id = ?1", [id])
            .unwrap();
    }
    alteration.commit().unwrap();
    // Passed over where others stand behind it.
    subject.clock.advance(Duration::from_secs(31 * 24 * 3600));
    assert_eq!(subject.due(9).await, [lease.job.id, known.job.id]);
    assert_eq!(subject.take(9).await.len(), 1);
    // Refused by name where it is meant.
    let named = |error: StoreError, job: &JobKey| {
        assert!(matches!(error, StoreError::Rejected(_)), "{error}");
        let text = error.to_string();
        assert!(text.contains(&job.id.to_string()) && text.contains("format 7"), "{text}");
    };
    named(subject.store.get(std::slice::from_ref(&newer.job)).await.unwrap_err(), &newer.job);
    let change = |job: &JobKey, version| {
        let change =
            asyncflow_core::store::Change { job: job.clone(), guard: Guard::Version(version), patch: Patch::default() };
        Batch { changes: vec![change], ..Batch::default() }
    };
    // Its neighbours in a batch are not concerned.
    let (one, other) = (change(&held.job, 2), inserting(&subject.job()));
    let (refused, inserted) = tokio::join!(subject.store.write(&one), subject.store.write(&other));
    named(refused.unwrap_err(), &held.job);
    assert!(matches!(inserted.unwrap().inserts[..], [Inserted::Created { .. }]));
    // Who wrote it finds it as it was, even after this version has found itself alone.
    drop(subject);
    drop(open(&path).await);
    let id = held.job.id.as_u128().to_be_bytes();
    let state: (i64, i64) = alter
        .query_row("SELECT state, crashes FROM jobs WHERE id = ?1", [id], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    assert_eq!(state, (2, 0));
}

#[tokio::test]
async fn an_entry_that_is_too_large_fails_alone() {
    let folder = tempfile::tempdir().unwrap();
    let subject = open(&folder.path().join("jobs.db")).await;
    let huge = Part::json(bytes::Bytes::from(vec![0; subject.store.largest_part() + 1]));
    let (huge, other) = (Insert { request: huge, ..subject.job() }, subject.job());
    let (huge, other) = (inserting(&huge), inserting(&other));
    let (refused, inserted) = tokio::join!(subject.store.write(&huge), subject.store.write(&other));
    assert!(matches!(refused, Err(StoreError::Rejected(_))));
    assert!(matches!(inserted.unwrap().inserts[..], [Inserted::Created { .. }]));
    assert_eq!(subject.states().await, [0, 1, 0, 0, 0, 0]);
}

/// Whole lives, keys among them, over and over, all of it kept for an hour: the file stays as large as an hour's work.
#[tokio::test]
async fn the_file_stays_bounded_under_retention() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    let clock = Arc::new(ManualClock::at(START));
    let store = SqliteStore::builder(&path).synchronous(Synchronous::Normal).clock(clock.clone() as Arc<dyn Clock>);
    let subject = Subject::new(Arc::new(store.open().await.unwrap()), clock);
    let hour = Duration::from_secs(3600);
    let limits = Limits::new().running_per_key(1).rate_per_key(Rate::new(1, hour));
    let mut sizes = Vec::new();
    for _ in 0..12 {
        let inserts: Vec<_> = (0..400)
            .map(|n| Insert {
                idempotency: Some(Idempotency { key: subject.id().to_string().into(), fingerprint: n, keep: hour }),
                owner: Some(format!("owner {}", subject.id()).into()),
                ..subject.job()
            })
            .collect();
        subject.write(Batch { inserts, ..Batch::default() }).await;
        for claimed in subject.take_within(&limits, all()).await.jobs {
            let result = Event::Succeeded(Part::json(vec![b' '; 500]));
            let record = subject.event(&claimed.record, result).await;
            subject
                .change(&record, Patch { due: Some(asyncflow_core::store::Due::In(hour)), ..Patch::default() })
                .await;
        }
        subject.clock.advance(hour + Duration::from_secs(1));
        for record in subject.store.due(usize::MAX).await.unwrap().records {
            let purge = Patch { purge: true, ..Patch::default() };
            let purged = subject.ask(&record.job, Guard::Version(record.version), purge).await;
            assert!(matches!(purged, Changed::Applied(_)));
        }
        let pages: i64 = Connection::open(&path).unwrap().query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
        sizes.push(pages);
    }
    assert!(sizes[11] <= sizes[3] * 11 / 10, "{sizes:?}");
    let rows = |table| -> i64 {
        Connection::open(&path)
            .unwrap()
            .query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))
            .unwrap()
    };
    assert_eq!((rows("jobs"), rows("parts"), rows("owners"), rows("running")), (0, 0, 0, 0));
    for kept in ["keys", "started"] {
        assert!((1..=800).contains(&rows(kept)), "{kept}: {}", rows(kept));
    }
}

fn all() -> Pick {
    Pick::Next { flow: FLOW.into(), versions: Arc::new([0]), jobs: usize::MAX, bytes: usize::MAX }
}
