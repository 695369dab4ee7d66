//! How a server is connected to.

use std::{fmt, sync::Arc, time::Duration};

use asyncflow_core::{
    Clock,
    store::{Coalesced, Coalescing, Hints, StoreError, once_available},
};
use redis::Client;
use tokio::runtime::Handle;

use crate::{
    checks, failure, keys, link::Link, listener::Listener, policies::Policies, scripts::Scripts, server::Server,
    store::RedisStore,
};

/// Settings of a [`RedisStore`]; each has a default.
#[derive(Clone)]
pub struct RedisStoreBuilder {
    url: String,
    prefix: Arc<str>,
    clock: Option<Arc<dyn Clock>>,
    response_timeout: Duration,
    hints: bool,
    patience: Duration,
}

impl RedisStoreBuilder {
    pub(crate) fn new(url: String) -> Self {
        Self {
            url,
            prefix: "asyncflow".into(),
            clock: None,
            response_timeout: Duration::from_secs(4),
            hints: true,
            patience: Duration::from_secs(30),
        }
    }

    /// What all keys begin with, so that several applications may share a server; `asyncflow` unless set.
    pub fn prefix(mut self, prefix: impl Into<Arc<str>>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// The clock that stamps jobs; the server's unless set, which is one for all nodes. For tests: nodes whose clocks differ disagree on
    /// leases.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// How long a call waits for the server, a new connection included; 4 s unless set, a little less than an engine waits.
    pub fn response_timeout(mut self, patience: Duration) -> Self {
        self.response_timeout = patience;
        self
    }

    /// Whether nodes tell each other of changes at once; they do unless set. Otherwise each looks for itself, as often as it ticks.
    pub fn hints(mut self, told: bool) -> Self {
        self.hints = told;
        self
    }

    /// How long connecting is tried again where the server cannot be reached; 30 s unless set, with zero once.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Connects to the server, and sees whether it can be used.
    ///
    /// # Errors
    /// There is no tokio runtime here, the URL or the prefix cannot be used, the server is older than 6.2, or could not be reached
    /// [for so long](Self::patience).
    pub async fn connect(self) -> Result<RedisStore, StoreError> {
        once_available(self.patience, || self.clone().connect_now()).await
    }

    async fn connect_now(self) -> Result<RedisStore, StoreError> {
        let runtime = Handle::try_current()
            .map_err(|_| StoreError::unusable("there is no tokio runtime here: connect within one"))?;
        if self.prefix.is_empty() || self.prefix.contains(['{', '}']) {
            return Err(StoreError::unusable("the prefix of the keys must not be empty or have braces in it"));
        }
        // Where the application has chosen one, it stays.
        #[cfg(feature = "tls")]
        let _ = rustls::crypto::ring::default_provider().install_default();
        // What is wrong with it is not told with it: it may hold a password.
        let client = Client::open(&*self.url).map_err(|error| failure::of_url(&error))?;
        let server: Arc<str> = format!("redis at {}", client.get_connection_info().addr()).into();
        let writes = Link::new(client.clone(), server, self.response_timeout);
        let (reads, scripts, hints) = (writes.beside(), Scripts::default(), Hints::new());
        checks::look_at(&writes).await?;
        scripts.load(&writes).await?;
        let channel: Arc<str> = if self.hints { keys::common(&self.prefix, "hints").into() } else { "".into() };
        let listen = || Listener::start(client.clone(), channel.clone(), hints.clone(), &runtime);
        let listener = self.hints.then(listen);
        let server = Server {
            writes,
            reads,
            scripts,
            policies: Policies::default(),
            prefix: self.prefix,
            channel,
            clock: self.clock,
            runtime,
            flows: Default::default(),
            settings: Default::default(),
            hints,
            _listener: listener,
        };
        Ok(RedisStore::new(Coalesced::new(server, Coalescing::default())?))
    }
}

impl fmt::Debug for RedisStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the URL: it may hold a password.
        f.debug_struct("RedisStoreBuilder")
            .field("prefix", &self.prefix)
            .field("response_timeout", &self.response_timeout)
            .field("hints", &self.hints)
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}
