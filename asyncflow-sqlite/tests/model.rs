//! The store in a file answers as a plain one does.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{cell::Cell, sync::Arc};

use asyncflow_core::Clock;
use asyncflow_sqlite::{SqliteStore, Synchronous};

#[tokio::test]
async fn answers_as_a_plain_store() {
    let histories = if std::env::var_os("ASYNCFLOW_PROVE").is_some() { 5_000 } else { 40 };
    let folder = tempfile::tempdir().unwrap();
    let made = Cell::new(0);
    asyncflow_testkit::model::check(0..histories, async |clock| {
        made.set(made.get() + 1);
        let store = SqliteStore::builder(folder.path().join(format!("{}.db", made.get())));
        let store = store.synchronous(Synchronous::Normal).readers(1).clock(clock as Arc<dyn Clock>);
        Arc::new(store.open().await.unwrap()) as _
    })
    .await;
}
