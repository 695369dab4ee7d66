//! The store in Postgres keeps what every store promises.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::sync::Arc;

use asyncflow_core::Clock;
use asyncflow_postgres::PostgresStore;
use asyncflow_testkit::servers::{Kind, shared, unique_name};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn conforms() {
    let url = shared(Kind::Postgres).await.unwrap();
    asyncflow_testkit::store::all(async |clock| {
        let store = PostgresStore::builder(url).schema(unique_name());
        Arc::new(store.clock(clock as Arc<dyn Clock>).connect().await.unwrap()) as _
    })
    .await;
}
