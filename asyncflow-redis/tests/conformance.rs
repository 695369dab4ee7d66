//! The store in a Redis server keeps what every store promises.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::sync::Arc;

use asyncflow_core::Clock;
use asyncflow_redis::RedisStore;
use asyncflow_testkit::servers::{self, Kind};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn conforms() {
    let url = servers::shared(Kind::Redis).await.unwrap();
    asyncflow_testkit::store::all(async |clock| {
        let store = RedisStore::builder(url).prefix(servers::unique_name());
        Arc::new(store.clock(clock as Arc<dyn Clock>).connect().await.unwrap()) as _
    })
    .await;
}
