//! Tests that try schedules of what threads share: the core on shuttle's locks, which are switched on by a flag for all that is built.

use crate::{
    cargo::cargo,
    steps::{Failed, Steps},
};

/// A folder of its own: other flags would have everything built anew, each time in turn.
pub(crate) fn run(steps: &mut Steps, profile: &str, further: bool) -> Result<(), Failed> {
    let mut tests = cargo("test --locked --package asyncflow-core --lib --target-dir target/shuttle --profile");
    tests.args([profile, "schedules::"]).env("RUSTFLAGS", "--cfg asyncflow_shuttle");
    if further {
        tests.env("ASYNCFLOW_PROVE", "1");
    }
    steps.run("schedules", tests)
}
