//! The store that nodes share.

use std::sync::Arc;

use asyncflow_core::Store;
use asyncflow_sqlite::SqliteStore;
use asyncflow_testkit::faults::{Faults, Faulty};
use tempfile::TempDir;

/// Which store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqlite,
}

/// A store of its own, gone with the test.
#[derive(Debug)]
pub(crate) enum Backing {
    Sqlite(TempDir),
}

impl Backing {
    pub(crate) async fn start(kind: Kind) -> Self {
        match kind {
            Kind::Sqlite => Self::Sqlite(tempfile::tempdir().unwrap()),
        }
    }

    /// What `--store` is given.
    pub(crate) fn url(&self) -> String {
        match self {
            Self::Sqlite(folder) => format!("sqlite:{}", folder.path().join("jobs.db").display()),
        }
    }

    /// The store as none of the nodes has it.
    pub(crate) async fn open(&self) -> Arc<dyn Store> {
        self.wrapped(Faults::new()).await
    }

    /// The store for a node that hears nothing of what others do.
    pub(crate) async fn deaf(&self) -> Arc<dyn Store> {
        let faults = Faults::new();
        faults.deaf(true);
        self.wrapped(faults).await
    }

    async fn wrapped(&self, faults: Faults) -> Arc<dyn Store> {
        match self {
            Self::Sqlite(folder) => {
                Arc::new(Faulty::new(SqliteStore::open(folder.path().join("jobs.db")).await.unwrap(), &faults))
            }
        }
    }
}
