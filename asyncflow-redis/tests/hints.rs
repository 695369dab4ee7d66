//! What nodes tell each other through the server, and what they don't.

use std::{sync::Arc, time::Duration};

use asyncflow_core::{ManualClock, state::Event};
use asyncflow_redis::RedisStore;
use asyncflow_testkit::{
    servers::{Kind, shared, unique_name},
    store::{START, Subject},
};

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_told_where_readers_wait() {
    let url = shared(Kind::Redis).await.unwrap();
    let (prefix, clock) = (unique_name(), Arc::new(ManualClock::at(START)));
    let open = async || {
        let store = RedisStore::builder(url).prefix(prefix.clone()).clock(clock.clone()).connect().await.unwrap();
        Subject::new(Arc::new(store), clock.clone())
    };
    let (one, other) = (open().await, open().await);
    let mut asks = redis::Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap();
    let mut heard_by = async |channel: &str| {
        // Between two looks: that somebody has subscribed, nothing tells.
        tokio::time::sleep(Duration::from_millis(5)).await;
        let mut ask = redis::cmd("PUBSUB");
        ask.arg("NUMSUB").arg(format!("{prefix}:{channel}"));
        ask.query_async::<(String, usize)>(&mut asks).await.unwrap().1
    };
    let hints = one.store.hints();
    while heard_by("hints").await < 2 {}
    assert_eq!(heard_by("hints:changes").await, 0, "nobody waits");
    let waiting = other.add(other.job()).await;
    hints.want_changes(1);
    while heard_by("hints:changes").await == 0 {}
    // It may have missed something until then, and knows.
    while !hints.next().await.anything {}
    other.event(&waiting, Event::Cancel).await;
    let news = hints.next().await;
    assert!(news.changed.contains(&waiting.job), "{news:?}");
}
