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
//! - **Durable**: the file is written ahead (WAL) and synced at each commit, so what was answered survives the loss of power
//!   ([`Synchronous`] says what is given up for speed). Callers that write at the same time share a commit.
//! - **Shared**: several processes of one machine may open the same file, and hear of each other's writes within a quarter of a second.
//!   A file system of a network is no place for it: its locks are not to be trusted.
//! - **Resumed**: who opens a file that nobody else has open (a lock on `….db-lock` beside it proves that) ends the leases that the dead
//!   left, so a lone process that was killed goes on where it was as soon as it is started again.
//! - **Bounded**: the room of purged jobs and keys is used again. The file never shrinks by itself; SQLite's `VACUUM` shrinks it.
//! - **Open**: the tables are described in the schema, for SQLite's own tools; back the file up with those (`VACUUM INTO`, `.backup`), not
//!   by copying it while it is in use.

mod builder;
mod clock;
mod failure;
mod file;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
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
