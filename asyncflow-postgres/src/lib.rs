//! Keeps AsyncFlow's jobs in Postgres (13 and later), shared by many nodes.
//!
//! ```no_run
//! use asyncflow_core::FlowEngine;
//! use asyncflow_postgres::PostgresStore;
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = PostgresStore::connect("postgres://jobs:secret@db.example.com/app").await?;
//! let engine = FlowEngine::builder().store(store).start().await?;
//! # Ok(())
//! # }
//! ```
//!
//! - **One round trip**: what a node asks goes out in batches, each one statement and so one transaction. A node that is frozen
//!   holds no lock, unless a large answer was on its way to it.
//! - **No decay**: jobs that have not ended are in a small table; those that have are in tables by when they go, which are dropped whole.
//! - **Hints** travel by `LISTEN` and `NOTIFY`, apart from the commits; behind a PgBouncer that pools transactions they are switched off by
//!   [`listen(false)`](PostgresStoreBuilder::listen), and nodes look for themselves.
//! - **Its own schema** (`asyncflow` unless [set](PostgresStoreBuilder::schema)) is made at the first connection and brought up to date at later
//!   ones; the role needs the right to create it, or to create tables in it.
//! - **TLS** is the feature `tls`: with it, `sslmode=require` in the URL refuses a server that has none. The server's certificate is always
//!   checked, by those that the system trusts or that `SSL_CERT_FILE` names.
//! - **What was answered is as durable as Postgres' commit**: with `synchronous_commit = on` (the default) it survives the loss of power. A
//!   failover to a replica that is not synchronous loses the last moments.

mod builder;
mod database;
mod failure;
mod floors;
mod listen;
mod names;
mod params;
mod pool;
mod read;
mod row;
mod schema;
mod shelves;
#[cfg(test)]
mod silent;
mod store;
mod tls;
mod write;

pub use builder::PostgresStoreBuilder;
pub use store::PostgresStore;
