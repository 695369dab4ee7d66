//! `cargo xtask test`: all that a change must pass. Steps share one target folder and one set of flags, so that nothing
//! is built twice; but for the schedules, which need a flag of their own.

use std::time::Duration;

use crate::{
    cargo::{WHOLE, cargo, doc_tests, tests},
    deny, schedules,
    servers::{self, Servers},
    steps::{Failed, Steps},
};

/// Twice what a cold cache may take on two cores: whatever is still running by then hangs.
const LIMIT: Duration = Duration::from_secs(60 * 60);

/// Checked one by one too, without default features: together, they lend each other the features of their dependencies
/// that one of them forgot to ask for.
const LIBRARIES: &[&str] = &[
    "asyncflow-core",
    "asyncflow-tower",
    "asyncflow-warp",
    "asyncflow-poem",
    "asyncflow-sqlite",
    "asyncflow-redis",
    "asyncflow-postgres",
    "asyncflow-testkit",
];

pub(crate) fn run() -> Result<(), Failed> {
    let mut steps = Steps::new(LIMIT);
    servers::install(&mut steps)?;
    steps.run("format", cargo("fmt --all --check"))?;
    steps.run("clippy", cargo(&format!("clippy {WHOLE} --all-targets -- -D warnings")))?;
    for library in LIBRARIES {
        let alone = format!("clippy --locked --no-default-features --package {library} -- -D warnings");
        steps.run(library, cargo(&alone))?;
    }
    let mut docs = cargo(&format!("doc {WHOLE} --no-deps"));
    docs.env("RUSTDOCFLAGS", "-D warnings");
    steps.run("docs", docs)?;
    deny::run(&mut steps)?;
    let servers = Servers::start(&mut steps, "dev")?;
    steps.run("tests", tests("dev"))?;
    steps.run("doc tests", doc_tests("dev"))?;
    drop(servers);
    schedules::run(&mut steps, "dev", false)?;
    steps.run("examples", cargo(&format!("build {WHOLE} --bins --examples")))?;
    steps.finish();
    Ok(())
}
