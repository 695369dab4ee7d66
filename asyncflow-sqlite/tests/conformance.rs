//! The store in a file keeps what every store promises.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::sync::Arc;

use asyncflow_core::Clock;
use asyncflow_sqlite::{SqliteStore, SqliteStoreBuilder, Synchronous};

async fn conforms(settings: impl Fn(SqliteStoreBuilder) -> SqliteStoreBuilder) {
    let folder = tempfile::tempdir().unwrap();
    let made = std::cell::Cell::new(0);
    asyncflow_testkit::store::all(async |clock| {
        made.set(made.get() + 1);
        let store = SqliteStore::builder(folder.path().join(format!("{}.db", made.get())));
        Arc::new(settings(store).clock(clock as Arc<dyn Clock>).open().await.unwrap()) as _
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn synced() {
    conforms(|store| store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn unsynced_with_one_reader() {
    conforms(|store| store.synchronous(Synchronous::Normal).readers(1)).await;
}
