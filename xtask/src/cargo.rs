//! Calls of cargo that more than one command makes.

use std::{
    env,
    path::PathBuf,
    process::{Command, Stdio},
};

use crate::steps::Failed;

/// The cargo that runs us, with these arguments, separated by spaces.
pub(crate) fn cargo(args: &str) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args.split_whitespace());
    command
}

/// Cargo's target folder, two levels above this program.
pub(crate) fn target() -> Result<PathBuf, Failed> {
    let program = env::current_exe().map_err(|e| Failed::new(format!("cannot tell the target folder: {e}")))?;
    Ok(program.ancestors().nth(2).unwrap_or(&program).to_owned())
}

/// What is built of the whole repository: all of it, with TLS, in every step, so that nothing is built twice.
pub(crate) const WHOLE: &str = "--locked --workspace --features asyncflow-examples/tls";

/// All tests but the doc tests, built by this profile, by nextest where it is installed.
pub(crate) fn tests(profile: &str) -> Command {
    let mut command = match nextest_is_installed() {
        true => cargo(&format!("nextest run {WHOLE} --no-fail-fast --cargo-profile")),
        false => cargo(&format!("test {WHOLE} --no-fail-fast --lib --bins --tests --examples --profile")),
    };
    command.arg(profile);
    command
}

/// The doc tests, which nextest cannot run.
pub(crate) fn doc_tests(profile: &str) -> Command {
    let mut command = cargo(&format!("test {WHOLE} --no-fail-fast --doc --profile"));
    command.arg(profile);
    command
}

fn nextest_is_installed() -> bool {
    let version = cargo("nextest --version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    version.is_ok_and(|status| status.success())
}
