//! `cargo xtask simulate [--seeds N] [--seed S] [--clients C] [--story]`: fleets in simulated time, seed after seed, until one breaks a rule.

use std::time::Duration;

use crate::{
    cargo::cargo,
    steps::{Failed, Steps},
};

/// Ten thousand seeds take a quarter of an hour or so.
const LIMIT: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) fn run(args: &[String]) -> Result<(), Failed> {
    let mut command = cargo("run --locked --profile prove --package asyncflow-testkit --example simulate --");
    command.args(args);
    let mut steps = Steps::new(LIMIT);
    steps.run("simulate", command)
}
