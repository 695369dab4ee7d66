//! The stores that nodes share: their own benches, and the programs of `benches/shared/`, each on servers of its own.

use std::{process::Command, time::Duration};

use super::{Extent, Figures, Gate, Line, server::folder};
use crate::{
    cargo::cargo,
    servers,
    steps::{Failed, Steps},
};

const LIMIT: Duration = Duration::from_secs(3600);

pub(super) fn redis(extent: Extent) -> Result<Vec<Line>, Failed> {
    let lives = lives("asyncflow-redis", extent)?;
    let ratio = lives.number("64 callers against by hand: ")?;
    let cpu = lives.number("64 callers, server CPU a job against by hand: ")?;
    let mut lines = vec![
        Line::bounded("64 whole lives, against scripts by hand", ratio, "times as many", Gate::AtLeast(0.8)),
        Line::bounded("the server's processor time of each", cpu, "times theirs", Gate::AtMost(1.15)),
    ];
    lines.extend(cost("redis", extent)?);
    Ok(lines)
}

pub(super) fn postgres(extent: Extent) -> Result<Vec<Line>, Failed> {
    let lives = lives("asyncflow-postgres", extent)?;
    let ratio = lives.number("64 whole lives against by hand: ")?;
    let cpu = lives.number("64 whole lives, µs CPU a job: ")?;
    let mut lines = vec![
        Line::bounded("64 whole lives, against a loop by hand", ratio, "times as many", Gate::AtLeast(0.7)),
        Line::bounded("processor time of each, client and server", cpu, "µs", Gate::AtMost(120.0)),
    ];
    lines.extend(cost("postgres", extent)?);
    Ok(lines)
}

/// Round trips of a life, and what hints cost. What a node looks for once a second comes on top.
fn cost(store: &str, extent: Extent) -> Result<Vec<Line>, Failed> {
    let cost = program("bench-cost", &["cost", store, &extent.rounds.to_string()])?;
    let trips = |what: &str, name: &str, most| {
        Ok::<_, Failed>(Line::bounded(what, cost.number(name)?, "a job", Gate::AtMost(most)))
    };
    Ok(vec![
        trips("round trips, a node with room", "trips_with_room ", 2.05)?,
        trips("  without", "trips_without_room ", 3.05)?,
        trips("  256 in flight", "trips_256 ", if store == "postgres" { 0.2 } else { 2.0 })?,
        Line::bounded("hints, of the processor time without", cost.number("hints_cost ")?, "times", Gate::AtMost(1.05)),
    ])
}

/// Postgres among many jobs, and beside a transaction that is held open.
pub(super) fn age(extent: Extent) -> Result<Vec<Line>, Failed> {
    let ended = 5_000_000 / extent.fewer;
    let age = program("bench-cost", &["age", &ended.to_string(), "100000", &extent.rounds.to_string()])?;
    let mut lines = Vec::new();
    for (place, what) in [("aged", format!("among {ended} ended")), ("fresh", "never analysed".into())] {
        for call in ["claim", "due", "status", "counts"] {
            let here = age.number(&format!("{call}_{place}_us "))?;
            let empty = age.number(&format!("{call}_empty_us "))?;
            lines.push(Line::against(format!("{call} {what}, and empty"), here, empty, "µs", Gate::AtMost(1.25)));
        }
    }
    let open = program("bench-cost", &["open", &(180 / extent.fewer.min(4)).to_string()])?;
    let share = open.number("throughput_last_third ")?;
    lines.push(Line::bounded("beside a transaction held open", share, "times as many", Gate::AtLeast(0.8)));
    Ok(lines)
}

pub(super) fn peers(extent: Extent) -> Result<Vec<Line>, Failed> {
    let peers = program("bench-peers", &[&extent.rounds.to_string()])?;
    let against = |ours: &str, other: &str, least| {
        let ratio = peers.number(&format!("{ours}, against {other}: "))?;
        Ok::<_, Failed>(Line::bounded(format!("{ours}, against {other}"), ratio, "times as many", Gate::AtLeast(least)))
    };
    let mut lines = vec![
        against("asyncflow, 64 callers", "apalis-postgres, 64 callers", 6.0)?,
        against("asyncflow, bulk", "graphile_worker, tuned, bulk", 1.0)?,
    ];
    let each = peers.lines().filter_map(|line| line.split_once(": ")).filter(|(_, value)| value.contains("lives/s"));
    lines.extend(each.map(|(name, value)| Line::beside(name, value)));
    Ok(lines)
}

/// A store beside code by hand.
fn lives(package: &str, extent: Extent) -> Result<Figures, Failed> {
    servers::install(&mut Steps::new(LIMIT))?;
    let mut bench = cargo("bench --quiet --locked --bench lives --package");
    Figures::of(bench.args([package, "--", &extent.rounds.to_string()]), LIMIT)
}

/// What a program of `benches/shared/` says.
fn program(name: &str, args: &[&str]) -> Result<Figures, Failed> {
    servers::install(&mut Steps::new(LIMIT))?;
    let folder = folder()?.join("shared");
    let mut build = cargo("build --release --quiet --locked --manifest-path benches/shared/Cargo.toml --package");
    Figures::of(build.arg(name).arg("--target-dir").arg(&folder), LIMIT)?;
    Figures::of(Command::new(folder.join("release").join(name)).args(args), LIMIT)
}
