//! Which store jobs live in.

use std::{path::PathBuf, str::FromStr, sync::Arc};

use asyncflow_core::{MemoryStore, Store, store::StoreError};
use asyncflow_sqlite::SqliteStore;

#[derive(Clone, Debug)]
pub(crate) enum StoreChoice {
    Memory,
    Sqlite(PathBuf),
}

impl FromStr for StoreChoice {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match (text, text.strip_prefix("sqlite:")) {
            ("memory", _) => Ok(Self::Memory),
            (_, Some(path)) if !path.is_empty() => Ok(Self::Sqlite(path.into())),
            _ => Err("there are `memory` and `sqlite:PATH`"),
        }
    }
}

impl StoreChoice {
    pub(crate) async fn open(&self) -> Result<Arc<dyn Store>, StoreError> {
        Ok(match self {
            Self::Memory => Arc::new(MemoryStore::new()),
            Self::Sqlite(path) => Arc::new(SqliteStore::open(path).await?),
        })
    }
}
