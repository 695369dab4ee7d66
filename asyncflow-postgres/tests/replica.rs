//! A server that takes no writes any more, as one does that became a replica, is left by all connections.

mod common;

use std::time::{Duration, Instant};

use asyncflow_core::store::{Batch, StoreError};
use asyncflow_postgres::PostgresStore;
use asyncflow_testkit::{
    servers::{Kind, Server},
    store::Subject,
};

use tokio_postgres::{Client, Error};

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

/// A session of a server that takes no writes from others any more.
async fn demoted(server: &Server) -> Result<Client, Error> {
    let admin = connect(&server.url()).await;
    for statement in [
        "SET default_transaction_read_only = off",
        "ALTER SYSTEM SET default_transaction_read_only = on",
        "SELECT pg_reload_conf()",
    ] {
        admin.batch_execute(statement).await?;
    }
    // The server hears of it a little later.
    loop {
        let new = connect(&server.url()).await;
        let shown = new.query_one("SHOW default_transaction_read_only", &[]).await?;
        if shown.get::<_, &str>(0) == "on" {
            return Ok(admin);
        }
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
    let admin = demoted(&server).await.unwrap();
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

#[tokio::test(flavor = "multi_thread")]
async fn of_several_servers_the_one_that_takes_writes_is_used() {
    let (replica, primary) =
        (Server::start(Kind::Postgres).await.unwrap(), Server::start(Kind::Postgres).await.unwrap());
    let _admin = demoted(&replica).await.unwrap();
    let url =
        primary.url().replace(&primary.address().to_string(), &format!("{},{}", replica.address(), primary.address()));
    let behind = Behind::at_any_of(&url, &primary.url()).await;
    let kept = behind.subject.add(behind.subject.job()).await;
    assert_eq!(behind.ask::<i64>("SELECT count(*) FROM asyncflow.jobs").await, 1);
    assert_eq!(behind.subject.get(&kept.job).await, Some(kept));
}
