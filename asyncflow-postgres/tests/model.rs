//! The store in Postgres answers as a plain one does.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::sync::Arc;

use asyncflow_core::Clock;
use asyncflow_postgres::PostgresStore;
use asyncflow_testkit::servers::{Kind, shared, unique_name};

#[tokio::test]
async fn answers_as_a_plain_store() {
    let url = shared(Kind::Postgres).await.unwrap();
    let histories = if std::env::var_os("ASYNCFLOW_PROVE").is_some() { 1_000 } else { 40 };
    asyncflow_testkit::model::check(0..histories, async |clock| {
        let store = PostgresStore::builder(url).schema(unique_name());
        Arc::new(store.listen(false).clock(clock as Arc<dyn Clock>).connect().await.unwrap()) as _
    })
    .await;
}
