//! The servers that are compared, and who asks them.

use std::{
    fs::{self, File},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use super::Figures;
use crate::{
    cargo::{cargo, target},
    group::Group,
    steps::Failed,
};

/// How long a server may take to start.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a turn of requests may take.
const TURN: Duration = Duration::from_secs(600);

/// A server, by hand or ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Ours, on bare hyper.
    Demo,
    /// Bare hyper with a sharded map, which sends the same headers.
    Hyper,
    /// axum with a `DashMap`.
    Axum,
}

impl Kind {
    pub(super) const ALL: [Self; 3] = [Self::Demo, Self::Hyper, Self::Axum];

    fn command(self, port: u16) -> Result<Command, Failed> {
        let mut command = Command::new(match self {
            Self::Demo => target()?.join("release/demo"),
            Self::Hyper => program("bench-hyper")?,
            Self::Axum => program("bench-axum")?,
        });
        match self {
            Self::Demo => command.args(["--framework", "hyper", "--addr", &format!("127.0.0.1:{port}")]),
            Self::Hyper | Self::Axum => command.arg(port.to_string()).env("BENCH_HEADERS", "1"),
        };
        Ok(command)
    }
}

/// Builds all that is measured but the smallest apps.
pub(super) fn build() -> Result<(), Failed> {
    let mut demo = cargo("build --release --quiet --locked --package asyncflow-examples --bin demo");
    let mut others = cargo("build --release --quiet --locked --manifest-path benches/Cargo.toml --target-dir");
    others.arg(folder()?).args(["--workspace", "--exclude", "app-asyncflow", "--exclude", "app-bare"]);
    for build in [&mut demo, &mut others] {
        Figures::of(build, 3 * TURN)?;
    }
    Ok(())
}

/// A program of `benches/`.
pub(super) fn program(name: &str) -> Result<PathBuf, Failed> {
    Ok(folder()?.join("release").join(name))
}

/// Where programs of `benches/` are built, and leave what they write.
pub(super) fn folder() -> Result<PathBuf, Failed> {
    Ok(target()?.join("benches"))
}

/// A server that runs; dropped, it is ended.
#[derive(Debug)]
pub(super) struct Server {
    group: Group,
    port: u16,
}

impl Server {
    /// Starts one, with these arguments beside its own, by way of another program where `by` names one with its arguments.
    pub(super) fn start(kind: Kind, args: &[&str], by: Option<Command>) -> Result<Self, Failed> {
        let failed = |error: std::io::Error| Failed::new(format!("{kind:?} could not be started: {error}"));
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).map_err(failed)?.port();
        let own = kind.command(port)?;
        let mut command = match by {
            Some(mut by) => {
                by.arg(own.get_program()).args(own.get_args());
                own.get_envs().filter_map(|(name, value)| Some((name, value?))).for_each(|(name, value)| {
                    by.env(name, value);
                });
                by
            }
            None => own,
        };
        let said = File::create(folder()?.join("server.log")).map_err(failed)?;
        command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(said);
        let mut server = Self { group: Group::spawn(&mut command).map_err(failed)?, port };
        let end = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if let Ok(crate::group::End::Exited(status)) = server.group.wait(Instant::now()) {
                let said = fs::read_to_string(folder()?.join("server.log")).unwrap_or_default();
                return Err(Failed::new(format!("{kind:?} ended with {status}: {said}")));
            }
            if Instant::now() > end {
                return Err(Failed::new(format!("{kind:?} did not listen within {} s", PATIENCE.as_secs())));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(server)
    }

    /// Has the load generator ask it.
    pub(super) fn ask(&mut self, what: &str, args: &[(&str, String)]) -> Result<Figures, Failed> {
        let mut load = Command::new(program("bench-load")?);
        load.args([what, "--addr", &format!("127.0.0.1:{}", self.port)]);
        load.args(["--pid", &self.group.child().id().to_string()]);
        args.iter().for_each(|(name, value)| _ = load.args([name, value.as_str()]));
        Figures::of(&mut load, TURN)
    }

    /// The path of the status of a job that has ended.
    pub(super) fn ended(&mut self) -> Result<String, Failed> {
        let posted = self.ask("life", &[("--count", "1".into())])?;
        Ok(format!("/echo/{}/status", posted.text("id")?))
    }
}

/// Whether there is such a program.
pub(super) fn exists(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| Path::new(&folder).join(program).is_file())
}
