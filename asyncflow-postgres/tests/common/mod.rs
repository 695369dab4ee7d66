//! What several tests need.
#![allow(dead_code, reason = "not each test needs all of it")]

use std::sync::Arc;

use asyncflow_core::{Clock, ManualClock};
use asyncflow_postgres::PostgresStore;
use asyncflow_testkit::{
    servers::{Kind, shared, unique_name},
    store::{START, Subject},
};
use tokio_postgres::{Client, NoTls};

/// A fresh store on a clock that stands, and what looks behind it.
pub struct Behind {
    pub subject: Subject,
    pub schema: String,
    pub client: Client,
}

impl Behind {
    pub async fn new() -> Self {
        let (schema, clock) = (unique_name(), Arc::new(ManualClock::at(START)));
        let store = open(&schema, &clock).await;
        Self { subject: Subject::new(Arc::new(store), clock), schema, client: connect(shared_url().await).await }
    }

    /// What a statement answers, in which `jobs` are those of the schema.
    pub async fn ask<T: for<'a> tokio_postgres::types::FromSql<'a>>(&self, sql: &str) -> T {
        let sql = sql.replace("asyncflow.", &format!("{}.", self.schema));
        self.client.query_one(&sql, &[]).await.unwrap().get(0)
    }

    pub async fn run(&self, sql: &str) {
        self.client.batch_execute(&sql.replace("asyncflow.", &format!("{}.", self.schema))).await.unwrap();
    }
}

pub async fn shared_url() -> &'static str {
    shared(Kind::Postgres).await.unwrap()
}

pub async fn open(schema: &str, clock: &Arc<ManualClock>) -> PostgresStore {
    let store = PostgresStore::builder(shared_url().await).schema(schema).clock(clock.clone() as Arc<dyn Clock>);
    store.connect().await.unwrap()
}

pub async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}
