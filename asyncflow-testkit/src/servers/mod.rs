//! Private servers for the tests of stores that live behind one.
//!
//! A test that only needs some server takes the [`shared`] one, and keeps apart from others by a [`unique_name`] in its keys or schema. A
//! test that kills its server starts a [`Server`] of its own:
//!
//! ```no_run
//! # async fn test() -> Result<(), asyncflow_testkit::servers::ServerError> {
//! use asyncflow_testkit::servers::{Kind, Server, shared, unique_name};
//!
//! let url = shared(Kind::Postgres).await?; // of ASYNCFLOW_POSTGRES where that is set
//! let schema = unique_name();
//!
//! let mut server = Server::start(Kind::Redis).await?;
//! let store = server.url(); // stays the same
//! server.kill().await; // as a loss of power would, but for what is on its way to the disk
//! server.restart().await?; // with all that it had stored
//! # Ok(())
//! # }
//! ```
//!
//! Each server listens on loopback alone, on a free port below 32768 (outgoing connections have those above, so that nobody takes the port
//! of one that is away), and keeps its files in a folder of its own below [`std::env::temp_dir`]. It syncs what it stores: Redis with
//! `appendfsync always`, Postgres with `fsync=on`. Dropped, or when the process that started it ends in whatever way, the server is
//! ended and its folder removed.

mod kind;
mod pgbouncer;
mod place;
mod postgres;
mod process;
mod redis;

use std::{
    fmt,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use rand::{RngExt, rngs::SysRng};
use tokio::{sync::OnceCell, task::spawn_blocking};

pub use self::kind::Kind;
use self::{place::Place, process::Process};

/// A private server. Dropped, it is killed, and what it stored is gone.
#[derive(Debug)]
pub struct Server {
    kind: Kind,
    // In this order: a server ends before its folder does.
    process: Option<Process>,
    place: Arc<Place>,
    options: Vec<String>,
}

impl Server {
    /// Starts a server, and waits until it answers.
    ///
    /// # Errors
    ///
    /// Where its program is not installed, or the server does not answer within a minute.
    ///
    /// # Cancel safety
    ///
    /// A server that nobody waits for is ended.
    pub async fn start(kind: Kind) -> Result<Self, ServerError> {
        Self::start_with(kind, &[]).await
    }

    /// Starts a server with further options on its command line, such as `&["--maxmemory", "1mb"]`; see [`start`](Self::start).
    pub async fn start_with(kind: Kind, options: &[&str]) -> Result<Self, ServerError> {
        let place = blocking(move || Place::new(kind)).await?;
        let options = options.iter().map(|&option| option.to_owned()).collect();
        let mut server = Self { kind, process: None, place: Arc::new(place), options };
        server.restart().await?;
        Ok(server)
    }

    /// Where it is, as a store takes it.
    pub fn url(&self) -> String {
        self.kind.url(self.address())
    }

    /// Where it listens, whether it runs or not.
    pub fn address(&self) -> SocketAddr {
        self.place.address
    }

    /// Ends the server and all its processes at once, as `kill -9` does, and waits until they are gone. What it stored stays.
    pub async fn kill(&mut self) {
        if let Some(process) = self.process.take() {
            let _ = spawn_blocking(move || drop(process)).await;
        }
    }

    /// Starts the server again, where it was and with what it had stored; ends it before, if it runs.
    ///
    /// # Errors
    ///
    /// Where the server does not answer within a minute.
    pub async fn restart(&mut self) -> Result<(), ServerError> {
        self.kill().await;
        let (kind, place, options) = (self.kind, self.place.clone(), self.options.clone());
        self.process = Some(blocking(move || place.start(kind, &options)).await?);
        Ok(())
    }
}

/// The URL of a server that tests share: the one that `ASYNCFLOW_REDIS` or `ASYNCFLOW_POSTGRES` names, or where that is not set, one which
/// is started for this process and ends with it.
///
/// # Errors
///
/// As for [`Server::start`], for all who ask; always for a PgBouncer, which is before one server.
pub async fn shared(kind: Kind) -> Result<&'static str, ServerError> {
    struct Shared {
        url: String,
        _own: Option<Server>,
    }
    static SHARED: [OnceCell<Result<Shared, ServerError>>; 2] = [OnceCell::const_new(), OnceCell::const_new()];
    let start = async || match std::env::var(kind.variable()) {
        Ok(url) => Ok(Shared { url, _own: None }),
        Err(_) => Server::start(kind).await.map(|server| Shared { url: server.url(), _own: Some(server) }),
    };
    let shared = match kind {
        Kind::Redis => &SHARED[0],
        Kind::Postgres => &SHARED[1],
        Kind::PgBouncer(_) => return Err(ServerError("a PgBouncer is not shared: start one of your own".into())),
    };
    match shared.get_or_init(start).await {
        Ok(shared) => Ok(&shared.url),
        Err(error) => Err(error.clone()),
    }
}

/// A name that no other test has, nor any earlier one: for a key's prefix, a schema or a database. Small letters, digits and `_`.
pub fn unique_name() -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("test_{:08x}_{}_{count}", random(u32::MAX), std::process::id())
}

/// A number below this one, other than that of any process which starts at the same time.
fn random(below: u32) -> u32 {
    use rand::rand_core::UnwrapErr;
    UnwrapErr(SysRng).random_range(0..below)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ServerError> + Send + 'static,
) -> Result<T, ServerError> {
    spawn_blocking(work).await.unwrap_or_else(|error| Err(ServerError(error.to_string())))
}

/// Why there is no server, and what to do.
#[derive(Clone, Debug)]
pub struct ServerError(String);

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ServerError {}
