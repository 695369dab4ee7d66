//! The server's memory stays as small as what it has to keep.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::sync::Arc;

use asyncflow_core::{Clock, ManualClock};
use asyncflow_redis::RedisStore;
use asyncflow_testkit::{
    servers::{Kind, Server},
    store::{START, Subject},
};
use redis::cmd;

#[tokio::test]
async fn stays_small() {
    let server = Server::start_with(Kind::Redis, &["--appendfsync", "no"]).await.unwrap();
    let clock = Arc::new(ManualClock::at(START));
    let store = RedisStore::builder(server.url()).clock(clock.clone()).connect().await.unwrap();
    let connection = redis::Client::open(server.url()).unwrap().get_multiplexed_async_connection().await.unwrap();
    let size = async || {
        let mut connection = connection.clone();
        // The server's own time stands still here: what would have gone by itself goes by hand.
        let sweep = "for _, key in ipairs(redis.call('KEYS', ARGV[1])) do
            local from, keep = struct.unpack('>i8i8', redis.call('GET', key), 42)
            if from + keep <= tonumber(ARGV[2]) then redis.call('DEL', key) end
        end";
        let mut sweep = cmd("EVAL").arg(sweep).arg(0).arg("{asyncflow:flow}i*").to_owned();
        sweep.arg(clock.now().as_micros()).exec_async(&mut connection).await.unwrap();
        let info: String = cmd("INFO").arg("memory").query_async(&mut connection).await.unwrap();
        let used = info.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap();
        used.trim().parse().unwrap()
    };
    let sizes = asyncflow_testkit::growth::check(&Subject::new(Arc::new(store), clock.clone()), size).await;
    println!("after each retention period: {sizes:?} bytes");
}
