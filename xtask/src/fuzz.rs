//! `cargo xtask fuzz [target] [--minutes M]`: the fuzz targets of the crates, guided by coverage, on the stable toolchain. What was found
//! of interest stays in `target/fuzz/corpus`, and an input that breaks something is named and kept.

use std::{fs, process::Command, time::Duration};

use crate::{
    cargo::cargo,
    steps::{Failed, Steps},
};

const TARGETS: &[&str] = &["json", "values", "route", "headers", "row", "exchange"];

/// How a compiler lets libFuzzer see which code an input reaches, and what it is compared with.
const SEEN: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

pub(crate) fn run(args: &[String]) -> Result<(), Failed> {
    let (mut targets, mut minutes, mut rest) = (Vec::new(), 10_u64, args.iter());
    while let Some(arg) = rest.next() {
        if arg == "--minutes" {
            let said = rest.next().and_then(|minutes| minutes.parse().ok()).filter(|minutes| *minutes > 0);
            minutes = said.ok_or_else(|| Failed::new("--minutes is followed by how many for each target".into()))?;
        } else if let Some(target) = TARGETS.iter().find(|target| *target == arg) {
            targets.push(*target);
        } else {
            return Err(Failed::new(format!("`{arg}` is no target; there are {}", TARGETS.join(", "))));
        }
    }
    if targets.is_empty() {
        targets = TARGETS.to_vec();
    }
    let host = host()?;
    let mut steps = Steps::new(Duration::from_secs(60 * (30 + (minutes + 1) * targets.len() as u64)));
    for target in targets {
        let corpus = format!("target/fuzz/corpus/{target}");
        fs::create_dir_all(&corpus).map_err(|e| Failed::new(format!("cannot make the folder {corpus}: {e}")))?;
        // For another target than the host, as what builds runs on the host, and is not looked into.
        let mut fuzz =
            cargo("run --locked --release --manifest-path fuzz/Cargo.toml --target-dir target/fuzz --target");
        fuzz.args([&host, "--", &corpus]).arg(format!("-max_total_time={}", minutes * 60));
        fuzz.args(["-max_len=4096", "-print_final_stats=1", "-artifact_prefix=target/fuzz/"]);
        fuzz.env("RUSTFLAGS", SEEN).env("ASYNCFLOW_FUZZ", target);
        steps.run(target, fuzz)?;
    }
    steps.finish();
    Ok(())
}

fn host() -> Result<String, Failed> {
    let version =
        Command::new("rustc").arg("-vV").output().map_err(|e| Failed::new(format!("cannot ask rustc: {e}")))?;
    let version = String::from_utf8_lossy(&version.stdout);
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| Failed::new("rustc does not say what it runs on".into()))
}
