//! The store that nodes share.

use std::{net::SocketAddr, sync::Arc};

use asyncflow_core::Store;
use asyncflow_postgres::PostgresStore;
use asyncflow_redis::RedisStore;
use asyncflow_sqlite::SqliteStore;
use asyncflow_testkit::{
    faults::{Faults, Faulty},
    servers::{self, Server},
};
use tempfile::TempDir;

/// Which store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqlite,
    Redis,
    Postgres,
}

/// A store of its own, gone with the test.
#[derive(Debug)]
pub(crate) struct Backing {
    kind: Kind,
    place: Place,
}

#[derive(Debug)]
enum Place {
    File(TempDir),
    Server(Server),
}

impl Backing {
    pub(crate) async fn start(kind: Kind) -> Self {
        let place = match kind {
            Kind::Sqlite => Place::File(tempfile::tempdir().unwrap()),
            Kind::Redis => Place::Server(Server::start(servers::Kind::Redis).await.unwrap()),
            Kind::Postgres => Place::Server(Server::start(servers::Kind::Postgres).await.unwrap()),
        };
        Self { kind, place }
    }

    /// What `--store` is given.
    pub(crate) fn url(&self) -> String {
        match &self.place {
            Place::File(folder) => format!("sqlite:{}", folder.path().join("jobs.db").display()),
            Place::Server(server) => server.url(),
        }
    }

    /// … by way of a proxy.
    pub(crate) fn url_by(&self, proxy: SocketAddr) -> String {
        self.url().replace(&self.server().address().to_string(), &proxy.to_string())
    }

    pub(crate) fn server(&self) -> &Server {
        match &self.place {
            Place::File(_) => panic!("a file has no server"),
            Place::Server(server) => server,
        }
    }

    pub(crate) fn server_mut(&mut self) -> &mut Server {
        match &mut self.place {
            Place::File(_) => panic!("a file has no server"),
            Place::Server(server) => server,
        }
    }

    /// The store as none of the nodes has it.
    pub(crate) async fn open(&self) -> Arc<dyn Store> {
        self.wrapped(&Faults::new()).await
    }

    /// The store for a node that hears nothing of what others do.
    pub(crate) async fn deaf(&self) -> Arc<dyn Store> {
        let faults = Faults::new();
        faults.deaf(true);
        self.wrapped(&faults).await
    }

    async fn wrapped(&self, faults: &Faults) -> Arc<dyn Store> {
        let url = self.url();
        match self.kind {
            Kind::Sqlite => Arc::new(Faulty::new(SqliteStore::open(&url["sqlite:".len()..]).await.unwrap(), faults)),
            Kind::Redis => Arc::new(Faulty::new(RedisStore::connect(url).await.unwrap(), faults)),
            Kind::Postgres => Arc::new(Faulty::new(PostgresStore::connect(url).await.unwrap(), faults)),
        }
    }
}
