//! A server that takes no writes any more, as one does that became a replica, is left by all connections.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use asyncflow_core::store::{Batch, StoreError};
use asyncflow_redis::RedisStore;
use asyncflow_testkit::{
    servers::{Kind, Server},
    store::{START, Subject},
};
use redis::{RedisResult, aio::MultiplexedConnection, cmd};

/// Whoever sends commands, but who asks.
async fn clients(admin: &mut MultiplexedConnection) -> RedisResult<BTreeSet<u64>> {
    let own: u64 = cmd("CLIENT").arg("ID").query_async(admin).await?;
    let list: String = cmd("CLIENT").arg("LIST").arg("TYPE").arg("normal").query_async(admin).await?;
    let ids = list.lines().filter_map(|line| line.strip_prefix("id=")?.split(' ').next()?.parse().ok());
    Ok(ids.filter(|id| *id != own).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_connection_to_it_is_kept() {
    let server = Server::start(Kind::Redis).await.unwrap();
    let store = RedisStore::builder(server.url()).hints(false).connect().await.unwrap();
    let subject = Subject::new(Arc::new(store), Arc::new(asyncflow_core::ManualClock::at(START)));
    let job = subject.job();
    let insert = |job| Batch { inserts: vec![job], ..Batch::default() };
    subject.store.write(&insert(job.clone())).await.unwrap();
    assert!(subject.get(&job.job).await.is_some());
    let client = redis::Client::open(server.url()).unwrap();
    let mut admin = client.get_multiplexed_async_connection().await.unwrap();
    let before = clients(&mut admin).await.unwrap();
    assert_eq!(before.len(), 2);
    // Of a server that is not there, so that it keeps what it has.
    cmd("REPLICAOF").arg("127.0.0.1").arg(1).exec_async(&mut admin).await.unwrap();
    let refused = subject.store.write(&insert(subject.job())).await.unwrap_err();
    assert!(matches!(refused, StoreError::Unavailable(_)), "{refused}");
    cmd("REPLICAOF").arg("NO").arg("ONE").exec_async(&mut admin).await.unwrap();
    assert!(subject.get(&job.job).await.is_some());
    subject.store.write(&insert(subject.job())).await.unwrap();
    // The server sees the end of a connection a moment later.
    let gone = async {
        while !clients(&mut admin).await.unwrap().is_disjoint(&before) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), gone).await.expect("both are left");
}
