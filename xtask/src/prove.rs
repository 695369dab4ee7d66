//! `cargo xtask prove`: what takes longer than a change should wait for. Tests that read `ASYNCFLOW_PROVE` go further
//! when it is set.

use std::time::Duration;

use crate::{
    cargo::{doc_tests, tests},
    schedules,
    servers::{self, Servers},
    steps::{Failed, Steps},
};

const LIMIT: Duration = Duration::from_secs(12 * 60 * 60);

pub(crate) fn run() -> Result<(), Failed> {
    let mut steps = Steps::new(LIMIT);
    servers::install(&mut steps)?;
    let servers = Servers::start(&mut steps, "prove")?;
    for (name, mut command) in [("tests", tests("prove")), ("doc tests", doc_tests("prove"))] {
        command.env("ASYNCFLOW_PROVE", "1");
        steps.run(name, command)?;
    }
    drop(servers);
    schedules::run(&mut steps, "prove", true)?;
    steps.finish();
    Ok(())
}
