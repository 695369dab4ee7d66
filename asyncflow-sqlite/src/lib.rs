//! Keeps AsyncFlow's jobs in an SQLite file: they outlive the process.
//!
//! ```
//! use asyncflow_core::FlowEngine;
//! use asyncflow_sqlite::SqliteStore;
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("jobs.db");
//! let engine = FlowEngine::builder().store(SqliteStore::open(path).await?).start().await?;
//! # Ok(())
//! # }
//! ```
//!
//! What was answered is on the disk: the file is written ahead (WAL) and synced at each commit, and callers that write at the same time
//! share a commit. Several processes on one machine may open the same file; a file system of a network is no place for it. A lone
//! process that was killed goes on where it was as soon as it is started again.

mod builder;
mod clock;
mod failure;
mod file;
mod names;
mod open;
mod presence;
mod read;
mod row;
mod schema;
mod store;
mod threads;
mod write;

pub use builder::{SqliteStoreBuilder, Synchronous};
pub use store::SqliteStore;
