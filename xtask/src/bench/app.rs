//! What the smallest app costs to build, beside one on bare hyper.

use std::{fs, time::Duration};

use super::{Extent, Gate, Line, figures::median, server::folder};
use crate::{
    cargo::cargo,
    group,
    steps::{Failed, shown},
};

const LIMIT: Duration = Duration::from_secs(900);

pub(super) fn build(extent: Extent) -> Result<Vec<Line>, Failed> {
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    // They take long, and processor time is not as noisy as rates.
    for _ in 0..extent.rounds.div_ceil(3) {
        ours.push(cold("app-asyncflow")?);
        bare.push(cold("app-bare")?);
    }
    Ok(vec![
        Line::bounded("crates", crates("app-asyncflow")?, "crates", Gate::AtMost(55.0)),
        Line::beside("crates of bare hyper with serde_json", format!("{}", crates("app-bare")?)),
        Line::against("processor time of a cold debug build", median(ours), median(bare), "s", Gate::AtMost(1.5)),
    ])
}

/// Crates that an app is built of, itself aside.
fn crates(app: &str) -> Result<f64, Failed> {
    let mut tree =
        cargo("tree --locked --manifest-path benches/Cargo.toml --edges normal,build --prefix none --package");
    let output = tree.arg(app).output().ok().filter(|output| output.status.success());
    let output = output.ok_or_else(|| Failed::new(format!("failed: {}", shown(&tree))))?.stdout;
    let text = String::from_utf8_lossy(&output);
    let mut crates: Vec<_> = text.lines().map(|line| line.trim_end_matches(" (*)")).collect();
    crates.sort_unstable();
    crates.dedup();
    Ok(crates.len().saturating_sub(1) as f64)
}

/// Seconds of processor time that a build takes without anything built before.
fn cold(app: &str) -> Result<f64, Failed> {
    let folder = folder()?.join("cold");
    let forget = || if folder.exists() { fs::remove_dir_all(&folder) } else { Ok(()) };
    let failed = |error: std::io::Error| Failed::new(format!("{}: {error}", folder.display()));
    forget().map_err(failed)?;
    let mut build = cargo("build --quiet --locked --manifest-path benches/Cargo.toml --package");
    build.arg(app).arg("--target-dir").arg(&folder);
    let before = children()?;
    let end = group::run(&mut build, std::time::Instant::now() + LIMIT).map_err(failed)?;
    let took = children()? - before;
    forget().map_err(failed)?;
    match end {
        group::End::Exited(status) if status.success() => Ok(took),
        end => Err(Failed::new(format!("{end:?}: {}", shown(&build)))),
    }
}

/// Seconds of processor time of all children that have ended so far, and of theirs.
fn children() -> Result<f64, Failed> {
    let stat = fs::read_to_string("/proc/self/stat").map_err(|error| Failed::new(error.to_string()))?;
    let ticks = stat.rsplit(')').next().unwrap_or_default().split(' ').skip(14).take(2);
    // A tick is a hundredth of a second wherever Linux runs.
    Ok(ticks.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0)
}
