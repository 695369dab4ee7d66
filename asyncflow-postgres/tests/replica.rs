//! A server that takes no writes any more, as one does that became a replica, is left by all connections.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use std::time::{Duration, Instant};

use asyncflow_core::store::{Batch, StoreError};
use asyncflow_postgres::PostgresStore;
use asyncflow_testkit::{
    servers::{Kind, Server},
    store::Subject,
};

use self::common::{Behind, connect};

/// The sessions of pools: not the one that listens.
const POOLED: &str = "SELECT coalesce(array_agg(pid), '{}') FROM pg_stat_activity
    WHERE application_name = 'asyncflow' AND query NOT LIKE 'LISTEN%' AND query NOT LIKE '%pg_notify%'";

/// Writes and reads until that goes, or does not: sessions hear of a setting a little later.
async fn until(subject: &Subject, goes: bool) {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        let batch = Batch { inserts: vec![subject.job()], ..Batch::default() };
        let asked = [subject.store.write(&batch).await.map(drop), subject.store.check().await];
        if asked.iter().all(|asked| asked.is_ok() == goes) {
            return;
        }
        for error in asked.iter().filter_map(|asked| asked.as_ref().err()) {
            assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
        }
        assert!(Instant::now() < end, "{asked:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_connection_to_it_is_kept_or_made() {
    let server = Server::start(Kind::Postgres).await.unwrap();
    let behind = Behind::at(&server.url()).await;
    let subject = &behind.subject;
    let kept = subject.add(subject.job()).await;
    subject.at_once(16, |subject| async move { subject.store.check().await.unwrap() }).await;
    let before: Vec<i32> = behind.ask(POOLED).await;
    assert!(before.len() > 1, "{before:?}");
    let admin = connect(&server.url()).await;
    admin.batch_execute("SET default_transaction_read_only = off").await.unwrap();
    admin.batch_execute("ALTER SYSTEM SET default_transaction_read_only = on").await.unwrap();
    admin.batch_execute("SELECT pg_reload_conf()").await.unwrap();
    until(subject, false).await;
    let late = PostgresStore::builder(server.url()).patience(Duration::ZERO).connect().await.unwrap_err();
    assert!(matches!(late, StoreError::Unavailable(_)), "{late}");
    let read = subject.store.get(std::slice::from_ref(&kept.job)).await;
    assert!(matches!(read, Err(StoreError::Unavailable(_))), "what is read there may be old: {read:?}");
    admin.batch_execute("ALTER SYSTEM RESET default_transaction_read_only").await.unwrap();
    admin.batch_execute("SELECT pg_reload_conf()").await.unwrap();
    until(subject, true).await;
    let after: Vec<i32> = behind.ask(POOLED).await;
    assert!(!after.is_empty() && after.iter().all(|pid| !before.contains(pid)), "{before:?}, {after:?}");
    assert_eq!(subject.get(&kept.job).await, Some(kept));
}
