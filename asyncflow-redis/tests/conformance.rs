//! The store in a Redis server keeps what every store promises.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::sync::Arc;

use asyncflow_core::Clock;
use asyncflow_redis::RedisStore;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn conforms() {
    let url = std::env::var("ASYNCFLOW_REDIS").unwrap();
    let made = std::cell::Cell::new(0);
    asyncflow_testkit::store::all(async |clock| {
        made.set(made.get() + 1);
        let store = RedisStore::builder(&url).prefix(format!("c{}-{}", std::process::id(), made.get()));
        Arc::new(store.clock(clock as Arc<dyn Clock>).connect().await.unwrap()) as _
    })
    .await;
}
