//! Which store jobs live in.

use std::{fmt, path::PathBuf, str::FromStr, sync::Arc};

use asyncflow_core::{MemoryStore, Store, store::StoreError};
use asyncflow_postgres::PostgresStore;
use asyncflow_redis::RedisStore;
use asyncflow_sqlite::SqliteStore;

#[derive(Clone)]
pub(crate) enum StoreChoice {
    Memory,
    Sqlite(PathBuf),
    Redis(String),
    Postgres(String),
}

impl FromStr for StoreChoice {
    type Err = &'static str;

    /// What is behind a scheme is for the store to read, whose errors do not tell passwords.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (scheme, rest) = text.split_once(':').unwrap_or((text, ""));
        match scheme {
            "memory" if text == scheme => Ok(Self::Memory),
            "sqlite" if !rest.is_empty() => Ok(Self::Sqlite(rest.into())),
            "rediss" if !cfg!(feature = "tls") => Err("`rediss://` needs a demo that was built with `--features tls`"),
            "redis" | "rediss" if rest.starts_with("//") => Ok(Self::Redis(text.into())),
            "postgres" | "postgresql" if rest.starts_with("//") => Ok(Self::Postgres(text.into())),
            _ => Err("there are `memory`, `sqlite:PATH`, `redis://HOST` and `postgres://HOST/DATABASE`"),
        }
    }
}

impl StoreChoice {
    pub(crate) async fn open(&self) -> Result<Arc<dyn Store>, StoreError> {
        Ok(match self {
            Self::Memory => Arc::new(MemoryStore::new()),
            Self::Sqlite(path) => Arc::new(SqliteStore::open(path).await?),
            Self::Redis(url) => Arc::new(RedisStore::connect(url).await?),
            Self::Postgres(url) => Arc::new(PostgresStore::connect(url).await?),
        })
    }
}

/// Without URLs, which may hold passwords.
impl fmt::Debug for StoreChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "Memory",
            Self::Sqlite(_) => "Sqlite",
            Self::Redis(_) => "Redis",
            Self::Postgres(_) => "Postgres",
        })
    }
}
