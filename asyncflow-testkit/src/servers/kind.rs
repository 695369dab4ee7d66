//! What differs between servers.

use std::{
    env,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use super::{ServerError, pgbouncer, postgres, redis};

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// Redis, or Valkey where there is no Redis.
    Redis,
    /// Postgres: the newest that is installed. As it refuses to run as root, it runs as the user `postgres` then.
    Postgres,
    /// A PgBouncer that pools transactions, before the Postgres at this address; runs as the same user.
    PgBouncer(SocketAddr),
}

impl Kind {
    /// The environment variable that names a server which is there already.
    pub fn variable(self) -> &'static str {
        match self {
            Self::Redis => "ASYNCFLOW_REDIS",
            Self::Postgres => "ASYNCFLOW_POSTGRES",
            Self::PgBouncer(_) => "ASYNCFLOW_PGBOUNCER",
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Postgres => "postgres",
            Self::PgBouncer(_) => "pgbouncer",
        }
    }

    /// Debian's package.
    fn package(self) -> &'static str {
        match self {
            Self::Redis => "redis-server",
            Self::Postgres => "postgresql",
            Self::PgBouncer(_) => "pgbouncer",
        }
    }

    pub(super) fn url(self, address: SocketAddr) -> String {
        match self {
            Self::Redis => format!("redis://{address}/"),
            Self::Postgres | Self::PgBouncer(_) => format!("postgres://postgres@{address}/postgres"),
        }
    }

    /// Makes ready a folder that is empty.
    pub(super) fn prepare(self, folder: &Path) -> Result<(), ServerError> {
        match self {
            Self::Redis | Self::PgBouncer(_) => Ok(()),
            Self::Postgres => postgres::prepare(folder),
        }
    }

    pub(super) fn command(self, folder: &Path, port: u16) -> Result<Command, ServerError> {
        match self {
            Self::Redis => redis::command(folder, port),
            Self::Postgres => postgres::command(folder, port),
            Self::PgBouncer(before) => pgbouncer::command(folder, port, before),
        }
    }

    /// Whether it answers.
    pub(super) fn is_ready(self, address: SocketAddr) -> bool {
        match self {
            Self::Redis => redis::is_ready(address),
            Self::Postgres | Self::PgBouncer(_) => postgres::is_ready(address),
        }
        .unwrap_or(false)
    }
}

/// The first of these programs that is in one of the folders of `PATH`, or in these.
pub(super) fn program(kind: Kind, names: &[&str], folders: &[PathBuf]) -> Result<PathBuf, ServerError> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders: Vec<_> = env::split_paths(&path).chain(folders.iter().cloned()).collect();
    let mut candidates = names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    candidates.find(|candidate| candidate.is_file()).ok_or_else(|| {
        ServerError(format!(
            "{} is not installed: Debian's package is {}, which `cargo xtask servers` installs where it may; or let {} name a \
             server that runs",
            names[0],
            kind.package(),
            kind.variable()
        ))
    })
}
