//! `cargo xtask servers`: a Redis and a Postgres for hand use. The tests get a pair of them too, which they share.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::Duration,
};

use crate::{
    cargo::{WHOLE, cargo, target},
    group::Group,
    steps::{Failed, Steps},
};

/// A working day, and the night after it.
const LIMIT: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) fn run() -> Result<(), Failed> {
    let mut steps = Steps::new(LIMIT);
    install(&mut steps)?;
    eprintln!("\nctrl-c stops the servers; where the lines below are in its environment, a test takes these");
    steps.run("servers", cargo("run --quiet --locked --package asyncflow-testkit --example servers"))
}

/// Installs the servers that are missing, by Debian's packages.
pub(crate) fn install(steps: &mut Steps) -> Result<(), Failed> {
    let there = [("redis-server", has_redis()), ("postgresql", has_postgres()), ("pgbouncer", has_pgbouncer())];
    let missing: Vec<_> = there.into_iter().filter_map(|(package, is_there)| (!is_there).then_some(package)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages = missing.join(" ");
    if !is_root() || !runs("apt-get --version") {
        return Err(Failed::new(format!(
            "the tests need servers that are not installed, and only root on Debian or Ubuntu can have them installed here: \
             sudo apt-get install {packages} (elsewhere: Redis 6.2 or newer, or Valkey; Postgres 13 or newer; PgBouncer)"
        )));
    }
    let apt_get = |args: &str| {
        let mut command = Command::new("apt-get");
        command.args(args.split_whitespace()).env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    steps.run("packages", apt_get("update"))?;
    steps.run("servers' packages", apt_get(&format!("install --yes --no-install-recommends {packages}")))
}

/// Servers that run. Dropped, they are stopped.
#[derive(Debug)]
pub(crate) struct Servers(#[expect(dead_code, reason = "held for its end")] Group);

impl Servers {
    /// Starts them, and tells all later steps of them.
    pub(crate) fn start(steps: &mut Steps, profile: &str) -> Result<Self, Failed> {
        let mut build = cargo(&format!("build {WHOLE} --example servers --profile"));
        build.arg(profile);
        steps.run("servers", build)?;
        let folder = if profile == "dev" { "debug" } else { profile };
        let mut program = Command::new(target()?.join(folder).join("examples/servers"));
        let failed = |error| Failed::new(format!("the servers cannot be started: {error}"));
        let mut group = Group::spawn(program.stdin(Stdio::null()).stdout(Stdio::piped())).map_err(failed)?;
        let lines = group.child().stdout.take().into_iter().flat_map(|stdout| BufReader::new(stdout).lines());
        let mut told = 0;
        for line in lines.map_while(Result::ok).take(2) {
            if let Some((name, url)) = line.strip_prefix("export ").and_then(|line| line.split_once('=')) {
                steps.set(name, url);
                told += 1;
            }
        }
        match told {
            2 => Ok(Self(group)),
            _ => Err(Failed::new("the servers did not start, for the reason above".into())),
        }
    }
}

fn has_redis() -> bool {
    runs("redis-server --version") || runs("valkey-server --version")
}

/// Debian keeps it where no `PATH` leads.
fn has_postgres() -> bool {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    runs("postgres --version") || versions.into_iter().any(|version| version.path().join("bin/postgres").exists())
}

/// Debian keeps it where the `PATH` of many a user does not lead.
fn has_pgbouncer() -> bool {
    runs("pgbouncer --version") || runs("/usr/sbin/pgbouncer --version")
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn runs(command: &str) -> bool {
    let mut words = command.split(' ');
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}
