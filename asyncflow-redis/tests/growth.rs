//! The store stays as small as what it has to keep.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::sync::Arc;

use asyncflow_core::ManualClock;
use asyncflow_redis::RedisStore;
use asyncflow_testkit::{
    servers::{self, Kind},
    store::{START, Subject},
};

/// The bytes of all keys with a prefix, in braces or not.
const SIZE: &str = r#"
    local bytes, cursor = 0, "0"
    repeat
        local page = redis.call("SCAN", cursor, "MATCH", "*" .. ARGV[1] .. ":*", "COUNT", 10000)
        cursor = page[1]
        for _, key in ipairs(page[2]) do
            bytes = bytes + redis.call("MEMORY", "USAGE", key, "SAMPLES", 0)
        end
    until cursor == "0"
    return bytes
"#;

#[tokio::test]
async fn stays_small() {
    let url = servers::shared(Kind::Redis).await.unwrap();
    let prefix = servers::unique_name();
    let clock = Arc::new(ManualClock::at(START));
    let store = RedisStore::builder(url).prefix(&*prefix).clock(clock.clone()).connect().await.unwrap();
    let client = redis::Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap();
    let size =
        async || redis::cmd("EVAL").arg(SIZE).arg(0).arg(&prefix).query_async(&mut client.clone()).await.unwrap();
    let sizes = asyncflow_testkit::growth::check(&Subject::new(Arc::new(store), clock), size).await;
    println!("after each retention period: {sizes:?} bytes");
}
