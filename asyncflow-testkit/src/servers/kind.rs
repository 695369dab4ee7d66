//! What differs between servers.

use std::{
    env,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use super::{ServerError, postgres, redis};

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// Redis, or Valkey where there is no Redis.
    Redis,
    /// Postgres: the newest that is installed. As it refuses to run as root, it runs as the user `postgres` then.
    Postgres,
}

impl Kind {
    /// The environment variable that names a server which is there already.
    pub fn variable(self) -> &'static str {
        match self {
            Self::Redis => "ASYNCFLOW_REDIS",
            Self::Postgres => "ASYNCFLOW_POSTGRES",
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Postgres => "postgres",
        }
    }

    /// Debian's package.
    fn package(self) -> &'static str {
        match self {
            Self::Redis => "redis-server",
            Self::Postgres => "postgresql",
        }
    }

    pub(super) fn url(self, address: SocketAddr) -> String {
        match self {
            Self::Redis => format!("redis://{address}/"),
            Self::Postgres => format!("postgres://postgres@{address}/postgres"),
        }
    }

    /// Makes ready a folder that is empty.
    pub(super) fn prepare(self, folder: &Path) -> Result<(), ServerError> {
        match self {
            Self::Redis => Ok(()),
            Self::Postgres => postgres::prepare(folder),
        }
    }

    pub(super) fn command(self, folder: &Path, port: u16) -> Result<Command, ServerError> {
        match self {
            Self::Redis => redis::command(folder, port),
            Self::Postgres => postgres::command(folder, port),
        }
    }

    /// Whether it answers.
    pub(super) fn is_ready(self, address: SocketAddr) -> bool {
        match self {
            Self::Redis => redis::is_ready(address),
            Self::Postgres => postgres::is_ready(address),
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
