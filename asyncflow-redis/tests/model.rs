//! The store in a Redis server answers as a plain one does.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::sync::Arc;

use asyncflow_core::Clock;
use asyncflow_redis::RedisStore;
use asyncflow_testkit::servers::{self, Kind};

#[tokio::test]
async fn answers_as_a_plain_store() {
    let histories = if std::env::var_os("ASYNCFLOW_PROVE").is_some() { 5_000 } else { 40 };
    let url = servers::shared(Kind::Redis).await.unwrap();
    asyncflow_testkit::model::check(0..histories, async |clock| {
        let store = RedisStore::builder(url).prefix(servers::unique_name()).hints(false);
        Arc::new(store.clock(clock as Arc<dyn Clock>).connect().await.unwrap()) as _
    })
    .await;
}
