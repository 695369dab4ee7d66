//! What several tests need.
#![allow(dead_code, reason = "not each test needs all of it")]
#![allow(clippy::unwrap_used, reason = "a test whose server cannot be asked has to fail, there and then")]

use std::sync::Arc;

use asyncflow_core::{Clock, ManualClock};
use asyncflow_postgres::PostgresStore;
use asyncflow_testkit::{
    servers::{Kind, shared, unique_name},
    store::{START, Subject},
};
use tokio_postgres::{Client, NoTls};

/// A fresh store on a clock that stands, and what looks behind it.
pub(crate) struct Behind {
    pub(crate) subject: Subject,
    pub(crate) schema: String,
    pub(crate) client: Client,
}

impl Behind {
    pub(crate) async fn new() -> Self {
        Self::at(shared_url().await).await
    }

    pub(crate) async fn at(url: &str) -> Self {
        Self::at_any_of(url, url).await
    }

    /// A store that is connected by one URL, and asked behind its back by another.
    pub(crate) async fn at_any_of(url: &str, behind: &str) -> Self {
        let (schema, clock) = (unique_name(), Arc::new(ManualClock::at(START)));
        let store = PostgresStore::builder(url).schema(&schema).clock(clock.clone() as Arc<dyn Clock>);
        let store = store.connect().await.unwrap();
        Self { subject: Subject::new(Arc::new(store), clock), schema, client: connect(behind).await }
    }

    /// What a statement answers, in which `jobs` are those of the schema.
    pub(crate) async fn ask<T: for<'a> tokio_postgres::types::FromSql<'a>>(&self, sql: &str) -> T {
        let sql = sql.replace("asyncflow.", &format!("{}.", self.schema));
        self.client.query_one(&sql, &[]).await.unwrap().get(0)
    }

    pub(crate) async fn run(&self, sql: &str) {
        self.client.batch_execute(&sql.replace("asyncflow.", &format!("{}.", self.schema))).await.unwrap();
    }
}

pub(crate) async fn shared_url() -> &'static str {
    shared(Kind::Postgres).await.unwrap()
}

pub(crate) async fn open(schema: &str, clock: &Arc<ManualClock>) -> PostgresStore {
    let store = PostgresStore::builder(shared_url().await).schema(schema).clock(clock.clone() as Arc<dyn Clock>);
    store.connect().await.unwrap()
}

pub(crate) async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}
