//! Behind a PgBouncer that pools transactions, where each statement may be another session's.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::sync::Arc;

use asyncflow_core::{
    Clock, ManualClock,
    store::{Batch, StoreError},
};
use asyncflow_postgres::{PostgresStore, PostgresStoreBuilder};
use asyncflow_testkit::{
    servers::{Kind, Server, unique_name},
    store::{START, Subject},
};

/// A Postgres, and a pool before it.
struct Pooled {
    pool: Server,
    _server: Server,
}

impl Pooled {
    async fn new() -> Self {
        let server = Server::start_with(Kind::Postgres, &["-c", "fsync=off"]).await.unwrap();
        let pool = Server::start(Kind::PgBouncer(server.address())).await.unwrap();
        Self { pool, _server: server }
    }

    fn store(&self) -> PostgresStoreBuilder {
        PostgresStore::builder(self.pool.url()).schema(unique_name())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn conforms() {
    let pooled = Pooled::new().await;
    asyncflow_testkit::store::all(async |clock| {
        Arc::new(pooled.store().listen(false).clock(clock as Arc<dyn Clock>).connect().await.unwrap()) as _
    })
    .await;
}

/// What keeps something in a session says how it is told not to.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_listens_all_the_same_is_told_not_to() {
    let pooled = Pooled::new().await;
    let clock = Arc::new(ManualClock::at(START));
    let store = Arc::new(pooled.store().clock(clock.clone() as Arc<dyn Clock>).connect().await.unwrap());
    let subject = Subject::new(store.clone(), clock);
    let refused = subject.at_once(64, |subject| async move {
        let batch = Batch { inserts: vec![subject.job()], ..Batch::default() };
        subject.store.write(&batch).await.err().or(subject.store.check().await.err())
    });
    let refused: Vec<_> = refused.await.into_iter().flatten().collect();
    assert!(!refused.is_empty(), "sessions are kept");
    for error in refused {
        assert!(matches!(&error, StoreError::Unavailable(why) if why.contains("`listen(false)`")), "{error}");
    }
}
