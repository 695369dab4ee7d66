//! What programs of `benches/` measure, and the bench of the SQLite store.

use std::{fs, process::Command, time::Duration};

use super::{
    Extent, Figures, Gate, Line,
    server::{self, Kind, Server, program},
};
use crate::{cargo::cargo, steps::Failed};

const MILLION: usize = 1_000_000;
const LIMIT: Duration = Duration::from_secs(1800);

fn measured(name: &str, args: &[String]) -> Result<Figures, Failed> {
    server::build()?;
    let mut command = Command::new(program(name)?);
    // Or what a program has given back would be with its allocator still.
    command.args(args).env("MIMALLOC_PURGE_DELAY", "0");
    Figures::of(&mut command, LIMIT)
}

pub(super) fn memory(extent: Extent) -> Result<Vec<Line>, Failed> {
    let mut lines = Vec::new();
    for state in ["finished", "waiting"] {
        let memory = measured("memory", &[state.into(), (MILLION / extent.fewer).to_string()])?;
        let each = memory.number("bytes_each ")?;
        lines.push(Line::bounded(format!("each {state} job"), each, "bytes", Gate::AtMost(700.0)));
        let back = memory.number("given_back ")? * 100.0;
        lines.push(Line::bounded("  given back after its retention", back, "%", Gate::AtLeast(95.0)));
    }
    Ok(lines)
}

pub(super) fn growth(extent: Extent) -> Result<Vec<Line>, Failed> {
    let mut lines = Vec::new();
    for jobs in [MILLION / extent.fewer, 10 * MILLION / extent.fewer] {
        if available() < jobs * 1000 {
            lines.push(Line::beside(format!("among {jobs} jobs"), "skipped: less than a kilobyte of memory for each"));
            continue;
        }
        let growth = measured("growth", &[jobs.to_string(), extent.rounds.to_string()])?;
        for what in ["enqueue", "status"] {
            let ours = growth.number(&format!("{what}_growth "))?;
            let bare = growth.number(&format!("bare_{what}_growth "))?;
            let what = format!("{what} among {jobs} against 1000");
            lines.push(Line::against(what, ours, bare, "times", Gate::AtMost(1.1)));
        }
    }
    Ok(lines)
}

pub(super) fn latency(extent: Extent) -> Result<Vec<Line>, Failed> {
    let latency = measured("latency", &[(MILLION / 10 / extent.fewer).to_string()])?;
    let line = |part: &str, gate| {
        let submit = latency.number(&format!("submit_{part}_ns "))?;
        let spawn = latency.number(&format!("spawn_{part}_ns "))?;
        let what = format!("submit to first line, {part}, and spawn");
        Ok(Line::against(what, submit, spawn, "ns", Gate::AtMost(gate)))
    };
    Ok(vec![line("p50", 20.0)?, line("p99", 40.0)?])
}

pub(super) fn idle(extent: Extent) -> Result<Vec<Line>, Failed> {
    let mut lines = Vec::new();
    for state in ["finished", "waiting"] {
        let idle = measured("idle", &[state.into(), (MILLION / extent.fewer).to_string()])?;
        let wakeups = idle.number("wakeups_per_second ")?;
        lines.push(Line::bounded(format!("wake-ups with {state} jobs"), wakeups, "a second", Gate::AtMost(2.0)));
        let cpu = idle.number("cpu_percent ")?;
        lines.push(Line::bounded("  processor", cpu, "% of a core", Gate::AtMost(0.1)));
    }
    Ok(lines)
}

pub(super) fn readers(extent: Extent) -> Result<Vec<Line>, Failed> {
    server::build()?;
    let mut server = Server::start(Kind::Demo, &["--role", "serve"], None)?;
    let readers = server.ask("readers", &[("--conns", (10_000 / extent.fewer).to_string())])?;
    let each = readers.number("bytes_each ")?;
    Ok(vec![
        Line::bounded("a waiting reader, beyond its connection", each, "bytes", Gate::AtMost(8192.0)),
        Line::beside("its connection", format!("{} bytes", readers.text("connection_bytes_each ")?)),
        Line::beside("all of them while nothing changes", format!("{} % of a core", readers.text("cpu_percent ")?)),
        Line::beside("wake-ups", format!("{} a second", readers.text("wakeups_per_second ")?)),
    ])
}

pub(super) fn sqlite(extent: Extent) -> Result<Vec<Line>, Failed> {
    let mut bench = cargo("bench --quiet --locked --package asyncflow-sqlite --bench lives --");
    let lives = Figures::of(bench.arg((extent.rounds).to_string()), LIMIT)?;
    let ratio = lives.number("64 whole lives against by hand: ")?;
    let cpu = lives.number("64 whole lives, µs CPU a job: ")?;
    Ok(vec![
        Line::bounded("64 whole lives, against by hand", ratio, "times as many", Gate::AtLeast(0.8)),
        Line::bounded("processor time of each", cpu, "µs", Gate::AtMost(60.0)),
    ])
}

pub(super) fn nodes(extent: Extent) -> Result<Vec<Line>, Failed> {
    let mut bench = cargo("bench --quiet --locked --package asyncflow-examples --bench nodes --");
    let nodes = Figures::of(bench.arg(extent.rounds.to_string()), LIMIT)?;
    let line = |store: &str| {
        let ratio = nodes.number(&format!("{store}, two nodes against one: "))?;
        Ok(Line::bounded(format!("two nodes against one, on {store}"), ratio, "times as much", Gate::AtLeast(1.7)))
    };
    ["sqlite", "redis", "postgres"].into_iter().map(line).collect()
}

/// The memory that is free, in bytes.
fn available() -> usize {
    let facts = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = facts.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<usize>().ok()).unwrap_or(0) * 1024
}
