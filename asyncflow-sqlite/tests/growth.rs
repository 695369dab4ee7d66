//! The file stays as small as what it has to keep.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::sync::Arc;

use asyncflow_core::ManualClock;
use asyncflow_sqlite::{SqliteStore, Synchronous};
use asyncflow_testkit::store::{START, Subject};

#[tokio::test]
async fn stays_small() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(START));
    let store = SqliteStore::builder(folder.path().join("jobs.db"));
    let store = store.synchronous(Synchronous::Normal).clock(clock.clone()).open().await.unwrap();
    // The log beside the file counts too.
    let size = async || {
        let files = std::fs::read_dir(folder.path()).unwrap();
        files.map(|file| file.unwrap().metadata().unwrap().len()).sum()
    };
    let sizes = asyncflow_testkit::growth::check(&Subject::new(Arc::new(store), clock), size).await;
    println!("after each retention period: {sizes:?} bytes");
}
