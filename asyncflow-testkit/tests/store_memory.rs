//! The store in memory keeps what every store promises.

use std::sync::Arc;

use asyncflow_core::MemoryStore;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn conforms() {
    asyncflow_testkit::store::all(async |clock| Arc::new(MemoryStore::with_clock(clock)) as _).await;
}
