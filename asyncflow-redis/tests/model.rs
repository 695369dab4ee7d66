//! The store in a Redis server answers as a plain one does.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{cell::Cell, sync::Arc};

use asyncflow_core::Clock;
use asyncflow_redis::RedisStore;

#[tokio::test]
async fn answers_as_a_plain_store() {
    let histories = if std::env::var_os("ASYNCFLOW_PROVE").is_some() { 5_000 } else { 40 };
    let url = std::env::var("ASYNCFLOW_REDIS").unwrap();
    let made = Cell::new(0);
    asyncflow_testkit::model::check(0..histories, async |clock| {
        made.set(made.get() + 1);
        let store = RedisStore::builder(&url).prefix(format!("m{}-{}", std::process::id(), made.get())).hints(false);
        Arc::new(store.clock(clock as Arc<dyn Clock>).connect().await.unwrap()) as _
    })
    .await;
}
