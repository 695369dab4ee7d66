//! The store in memory answers as a plain one does.

use std::sync::Arc;

use asyncflow_core::MemoryStore;

#[tokio::test]
async fn answers_as_a_plain_store() {
    let histories = if std::env::var_os("ASYNCFLOW_PROVE").is_some() { 100_000 } else { 300 };
    asyncflow_testkit::model::check(0..histories, async |clock| Arc::new(MemoryStore::with_clock(clock)) as _).await;
}
