//! A server, and what it has done so far.

use std::{fs, str::FromStr, sync::Arc, time::Duration};

use asyncflow_core::Store;
use asyncflow_postgres::PostgresStore;
use asyncflow_redis::RedisStore;
use asyncflow_testkit::servers::{Kind, Server, unique_name};

use crate::{Failed, postgres};

/// A server of its own, and who asks it about itself.
pub(crate) struct Measured {
    pub(crate) server: Server,
    asks: Asks,
    process: u32,
}

enum Asks {
    Redis(redis::aio::MultiplexedConnection),
    Postgres(tokio_postgres::Client),
}

impl Measured {
    pub(crate) async fn start(kind: &str) -> Result<Self, Failed> {
        match kind {
            "redis" => {
                // It rewrites nothing on the way: when it would, no turn can know.
                let options = ["--appendfsync", "everysec", "--auto-aof-rewrite-percentage", "0", "--save", ""];
                let server = Server::start_with(Kind::Redis, &options).await?;
                let mut asks = redis::Client::open(server.url())?.get_multiplexed_async_connection().await?;
                let process = info(&mut asks, "server", "process_id:").await?.parse()?;
                Ok(Self { server, asks: Asks::Redis(asks), process })
            }
            "postgres" => {
                let server = postgres::start().await?;
                let asks = postgres::connect(&server.url()).await?;
                let backend: i32 = asks.query_one("SELECT pg_backend_pid()", &[]).await?.get(0);
                let process = parent(backend.cast_unsigned()).ok_or("the server's process is not here")?;
                Ok(Self { server, asks: Asks::Postgres(asks), process })
            }
            _ => Err("name a store: redis or postgres".into()),
        }
    }

    /// A fresh store.
    pub(crate) async fn store(&self, hints: bool) -> Result<Arc<dyn Store>, Failed> {
        let url = self.server.url();
        Ok(match self.asks {
            Asks::Redis(_) => Arc::new(RedisStore::builder(url).prefix(unique_name()).hints(hints).connect().await?),
            Asks::Postgres(_) => {
                Arc::new(PostgresStore::builder(url).schema(unique_name()).listen(hints).connect().await?)
            }
        })
    }

    /// Round trips of batches so far.
    pub(crate) async fn batches(&mut self) -> Result<u64, Failed> {
        match &mut self.asks {
            Asks::Redis(asks) => {
                let calls = info(asks, "commandstats", "cmdstat_evalsha:calls=").await?;
                Ok(calls.split(',').next().unwrap_or_default().parse()?)
            }
            Asks::Postgres(asks) => postgres::batches(asks).await,
        }
    }

    /// What all its processes have used of processors so far, those that have ended included.
    pub(crate) fn used(&self) -> Duration {
        let all = fs::read_dir("/proc").into_iter().flatten().flatten();
        let ids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let its = ids.filter(|id| *id == self.process || parent(*id) == Some(self.process));
        its.map(used).sum::<Duration>() + ended(self.process)
    }
}

/// What this process has used of processors so far.
pub(crate) fn used_here() -> Duration {
    used(std::process::id())
}

fn used(process: u32) -> Duration {
    let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let nanos = threads.filter_map(|thread| {
        let stat = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        stat.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}

/// What the children of a process used that have ended.
fn ended(process: u32) -> Duration {
    let ticks: u64 = [13, 14].into_iter().filter_map(|field| stat::<u64>(process, field)).sum();
    // A tick is a hundredth of a second wherever Linux runs.
    Duration::from_millis(ticks * 10)
}

fn parent(process: u32) -> Option<u32> {
    stat(process, 1)
}

/// A field of what the system says of a process, counted from its state.
fn stat<T: FromStr>(process: u32, field: usize) -> Option<T> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(field)?.parse().ok()
}

async fn info(asks: &mut redis::aio::MultiplexedConnection, section: &str, name: &str) -> Result<String, Failed> {
    let info: String = redis::cmd("INFO").arg(section).query_async(asks).await?;
    let value = info.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("0");
    Ok(value.trim().to_owned())
}
