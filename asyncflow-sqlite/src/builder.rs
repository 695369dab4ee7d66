//! How a file is opened.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use asyncflow_core::{
    Clock, SystemClock,
    store::{Coalesced, Coalescing, StoreError},
};

use crate::{open, store::SqliteStore};

/// When a commit counts as done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Synchronous {
    /// When it is on the disk: what was answered survives the loss of power.
    #[default]
    Full,
    /// When the operating system has it: what was answered survives the death of the process, and the loss of power may take back the
    /// last moments (the file stays sound). Many times faster for callers that come one by one.
    Normal,
}

/// Settings of a [`SqliteStore`]; each has a default.
#[derive(Clone, Debug)]
pub struct SqliteStoreBuilder {
    pub(crate) path: PathBuf,
    pub(crate) synchronous: Synchronous,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) readers: usize,
    pub(crate) patience: Duration,
}

impl SqliteStoreBuilder {
    pub(crate) fn new(path: &Path) -> Self {
        Self {
            path: path.into(),
            synchronous: Synchronous::default(),
            clock: Arc::new(SystemClock),
            readers: std::thread::available_parallelism().map_or(1, usize::from).min(4),
            patience: Duration::from_secs(4),
        }
    }

    /// When a commit counts as done; when it is on the disk unless set.
    pub fn synchronous(mut self, synchronous: Synchronous) -> Self {
        self.synchronous = synchronous;
        self
    }

    /// The clock that stamps jobs, of which the store makes one that never runs backwards; the machine's unless set.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Reads that go on at once, each on a thread and a connection of its own; as many as there are processors, at most 4, unless set.
    pub fn readers(mut self, threads: usize) -> Self {
        self.readers = threads.max(1);
        self
    }

    /// How long a write waits for those of other processes; 4 s unless set, a day at most.
    pub fn busy_timeout(mut self, patience: Duration) -> Self {
        self.patience = patience.min(Duration::from_secs(24 * 3600));
        self
    }

    /// Opens the file, and makes it if there is none (its folder is not made).
    ///
    /// Where nobody else has it open, leases that a dead process left are ended first.
    ///
    /// # Errors
    /// There is no tokio runtime here, or the file cannot be used: it names the file and what to do.
    pub async fn open(self) -> Result<SqliteStore, StoreError> {
        let readers = self.readers;
        // Opening reads and syncs the file: off the async threads.
        let (reply, opened) = tokio::sync::oneshot::channel();
        std::thread::Builder::new()
            .name("asyncflow-sqlite-open".into())
            .spawn(move || {
                let _ = reply.send(open::open(&self));
            })
            .map_err(|error| StoreError::unavailable(format_args!("no thread could be started: {error}")))?;
        let file = opened.await.map_err(|_| StoreError::unavailable("opening the file panicked"))??;
        Ok(SqliteStore::new(Coalesced::new(file, Coalescing::default().reads(readers))?))
    }
}
