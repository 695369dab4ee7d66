//! How a database is connected to.

use std::{fmt, sync::Arc, time::Duration};

use asyncflow_core::{
    Clock,
    store::{Coalesced, Coalescing, StoreError, once_available},
};

use crate::{database::Database, store::PostgresStore};

/// Settings of a [`PostgresStore`]; each has a default.
#[derive(Clone)]
pub struct PostgresStoreBuilder {
    pub(crate) url: String,
    pub(crate) schema: String,
    pub(crate) connections: usize,
    pub(crate) listen: bool,
    pub(crate) clock: Option<Arc<dyn Clock>>,
    patience: Duration,
}

impl PostgresStoreBuilder {
    pub(crate) fn new(url: &str) -> Self {
        Self {
            url: url.into(),
            schema: "asyncflow".into(),
            connections: 4,
            listen: true,
            clock: None,
            patience: Duration::from_secs(30),
        }
    }

    /// The schema that the tables are in, which is this store's alone; `asyncflow` unless set. Stores of other names share nothing.
    pub fn schema(mut self, name: impl Into<String>) -> Self {
        self.schema = name.into();
        self
    }

    /// Connections of this node at most, beside one that listens: half of them for batches, the others for reads; 4 unless set, at least 2.
    /// Fewer make larger batches, of which each job costs less; more help where the server is far away.
    pub fn connections(mut self, connections: usize) -> Self {
        self.connections = connections.max(2);
        self
    }

    /// Whether hints come and go by `LISTEN` and `NOTIFY`, on a connection of its own, and statements are prepared; both unless set. Set it to
    /// `false` behind a PgBouncer that pools transactions: nodes then hear of what others wrote when they look, once a second.
    pub fn listen(mut self, listen: bool) -> Self {
        self.listen = listen;
        self
    }

    /// The clock that stamps jobs; the server's unless set. All who share the store need the same: it is for tests.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// How long connecting is tried again where the server cannot be reached; 30 s unless set, with zero once.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Connects, and makes the schema or brings it up to date.
    ///
    /// # Errors
    /// There is no tokio runtime here, the URL cannot be read, the schema is of a newer version, or the server could not be reached
    /// [for so long](Self::patience): it says what to do.
    pub async fn connect(self) -> Result<PostgresStore, StoreError> {
        once_available(self.patience, || self.clone().connect_now()).await
    }

    async fn connect_now(self) -> Result<PostgresStore, StoreError> {
        let coalescing = Coalescing::default().in_flight(self.connections.div_ceil(2)).reads(self.connections / 2);
        Ok(PostgresStore::new(Coalesced::new(Database::connect(self).await?, coalescing)?))
    }
}

/// Without the URL, which may hold a password.
impl fmt::Debug for PostgresStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStoreBuilder")
            .field("schema", &self.schema)
            .field("connections", &self.connections)
            .field("listen", &self.listen)
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}
