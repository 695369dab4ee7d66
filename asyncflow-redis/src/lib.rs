//! Keeps AsyncFlow's jobs in a Redis server (6.2 and later) or in Valkey, which any number of nodes share.
//!
//! ```no_run
//! use asyncflow_core::FlowEngine;
//! use asyncflow_redis::RedisStore;
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = RedisStore::connect("redis://jobs:password@localhost/").await?;
//! let engine = FlowEngine::builder().store(store).start().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What a `202` is worth
//!
//! A job that was accepted is in the server's memory. Whether it outlives the server is the server's setting:
//!
//! | `appendonly` | `appendfsync` | the server is killed | power is lost |
//! |---|---|---|---|
//! | `yes` | `always` | nothing is lost | nothing is lost |
//! | `yes` | `everysec` | what waited for a slow disk | about the last second of answered writes |
//! | `no`, with `save` | | what came after the last snapshot | the same |
//! | `no`, without | | everything | everything |
//!
//! At start the store warns where the server keeps nothing on its disk, and where it may evict keys (`maxmemory-policy` other than
//! `noeviction`): an evicted record is a lost job.
//!
//! **Replication is asynchronous**: at a failover, what the replica has not received is lost, accepted jobs and outcomes among it, and a job may
//! run once more. It does not corrupt anything: each write of a worker carries the token of its claim, and a record that went back in time
//! refuses what does not fit it.
//!
//! # What it asks of the server
//!
//! - **Round trips**: a batch is one pipeline of scripts, one for each flow that it touches; callers that write at the same time share it. A short
//!   job on a node with room is two round trips. Each script checks all before it writes, so that a batch is applied as a whole within a flow,
//!   or not at all. A server that starts anew has forgotten the scripts, and is told them again.
//! - **Memory**: all jobs are in it, ended ones until their retention is over: some 860 bytes each with a result of 100. Where none is left
//!   (`maxmemory`), new jobs are refused with a clear error, and what was accepted stays. Nodes purge what has ended; a day after it should
//!   have been purged, it expires by itself.
//! - **Keys**: they begin with the [prefix](RedisStoreBuilder::prefix). All of one flow have a hash tag, `{prefix:flow}`, and so lie in one slot; beside
//!   them there are `prefix:flows`, `prefix:settings` and `prefix:check`, and the channels `prefix:hints` and `prefix:hints:changes`.
//! - **Cluster**: the keys are made for it, each flow in one slot, but the client that is built in speaks with a single server: name one that is
//!   not part of a cluster.
//! - **Rights**: an ACL user needs `~prefix:*`, `~{prefix:*`, `&prefix:*` and the commands `+@read +@write +@scripting +@pubsub +@connection +time`;
//!   `+info +config|get` let the store see whether the server keeps its jobs.
//! - **TLS**: by `rediss://…`, where the feature `tls` is on; the system's certificates are trusted.
//! - **Backups**: `BGSAVE`, and copy `dump.rdb`; or copy the folder of the append-only file as Redis' manual says. Restored, leases that are
//!   over are taken over, and it goes on.
//!
//! A call waits for the server for [4 seconds](RedisStoreBuilder::response_timeout) at most, a new connection included; a connection that gives no answer
//! is given up and made anew.

mod builder;
mod checks;
mod failure;
mod keys;
mod link;
mod listener;
mod part;
mod policies;
mod raw;
mod read;
mod record;
mod scripts;
mod server;
mod store;
mod write;

pub use builder::RedisStoreBuilder;
pub use store::RedisStore;
