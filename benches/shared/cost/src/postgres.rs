//! What is asked of Postgres besides.

use asyncflow_testkit::servers::{Kind, Server};
use tokio_postgres::{Client, NoTls};

use crate::Failed;

/// One that counts statements.
pub(crate) async fn start() -> Result<Server, Failed> {
    let server = Server::start_with(Kind::Postgres, &["-c", "shared_preload_libraries=pg_stat_statements"]).await?;
    connect(&server.url()).await?.batch_execute("CREATE EXTENSION pg_stat_statements").await?;
    Ok(server)
}

pub(crate) async fn connect(url: &str) -> Result<Client, Failed> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

pub(crate) async fn batches(client: &Client) -> Result<u64, Failed> {
    let calls = "SELECT coalesce(sum(calls), 0)::bigint FROM pg_stat_statements WHERE toplevel AND query LIKE '%write!_1(%' ESCAPE '!'";
    Ok(client.query_one(calls, &[]).await?.get::<_, i64>(0).unsigned_abs())
}
