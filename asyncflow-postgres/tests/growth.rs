//! The schema stays as small as what it has to keep.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::sync::Arc;

use asyncflow_core::ManualClock;
use asyncflow_postgres::PostgresStore;
use asyncflow_testkit::{
    servers::{self, Kind},
    store::{START, Subject},
};
use tokio_postgres::NoTls;

const TABLES: &str = "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname = $1";
const SIZE: &str =
    "SELECT sum(pg_total_relation_size(c.oid))::bigint FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = $1 AND c.relkind = 'r'";

#[tokio::test]
async fn stays_small() {
    let url = servers::shared(Kind::Postgres).await.unwrap();
    let schema = servers::unique_name();
    let clock = Arc::new(ManualClock::at(START));
    let store = PostgresStore::builder(url).schema(&schema).clock(clock.clone()).connect().await.unwrap();
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    let size = async || {
        // Where the server's own vacuum would have come.
        for table in client.query(TABLES, &[&schema]).await.unwrap() {
            client.batch_execute(&format!("VACUUM {}", table.get::<_, String>(0))).await.unwrap();
        }
        client.query_one(SIZE, &[&schema]).await.unwrap().get::<_, i64>(0).unsigned_abs()
    };
    let sizes = asyncflow_testkit::growth::check(&Subject::new(Arc::new(store), clock), size).await;
    println!("after each retention period: {sizes:?} bytes");
}
