//! What the dependencies are allowed to be (`deny.toml`), by cargo-deny, which is installed where it is missing.

use std::{
    env, fs,
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use crate::{
    cargo::{cargo, target},
    steps::{Failed, Steps},
};

/// Another version may judge otherwise, so everybody uses this one.
const VERSION: &str = "0.20.2";

/// How long the advisory database may take to arrive.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn run(steps: &mut Steps) -> Result<(), Failed> {
    let program = provide(steps)?;
    let deny = |args: &str| {
        let mut command = Command::new(&program);
        command.args(args.split_whitespace());
        command
    };
    let check = "--locked check -D unmatched-skip -D unnecessary-skip bans licenses sources";
    steps.run("licences and sources", deny(check))?;
    if steps.attempt("advisory database", deny("fetch db"), PATIENCE) {
        steps.run("advisories", deny("--locked check advisories"))
    } else if database_exists() {
        steps.run("advisories, as last fetched", deny("--locked --offline check advisories"))
    } else {
        steps.skip("advisories", "as their database cannot be reached and was never fetched");
        Ok(())
    }
}

/// The installed cargo-deny if it is the right one, else our own, built once into the target folder: without
/// optimisation, as that takes a third of the time and a check runs for a second either way.
fn provide(steps: &mut Steps) -> Result<PathBuf, Failed> {
    let installed = PathBuf::from("cargo-deny");
    if is_right(&installed) {
        return Ok(installed);
    }
    let tools = target()?.join("tools");
    let ours = tools.join("bin/cargo-deny").with_extension(env::consts::EXE_EXTENSION);
    if !is_right(&ours) {
        let build = tools.join("build");
        let mut install = cargo("install cargo-deny --locked --debug --force --version");
        install
            .arg(VERSION)
            .arg("--root")
            .arg(&tools)
            .arg("--target-dir")
            .arg(&build)
            .env("CARGO_PROFILE_DEV_DEBUG", "0");
        steps.run("install cargo-deny", install)?;
        // Only the program is needed again; what could not be removed does no harm.
        let _ = fs::remove_dir_all(build);
    }
    Ok(ours)
}

fn is_right(program: &PathBuf) -> bool {
    let version = Command::new(program).arg("--version").stderr(Stdio::null()).output();
    version.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).trim() == format!("cargo-deny {VERSION}"))
}

fn database_exists() -> bool {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| Some(env::home_dir()?.join(".cargo")));
    let databases = home.and_then(|home| fs::read_dir(home.join("advisory-dbs")).ok());
    databases.is_some_and(|databases| databases.flatten().any(|database| database.path().join(".git").exists()))
}
