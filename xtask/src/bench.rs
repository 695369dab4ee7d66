//! `cargo xtask bench [--quick] [ROW]...`: what a job costs, beside code written by hand (`benches/`) and the gates that are set. Servers
//! listen on loopback, one at a time or in turns, and are ended whatever happens.

mod app;
mod counted;
mod figures;
mod machine;
mod programs;
mod requests;
mod server;
mod stores;

use crate::steps::Failed;

use figures::Figures;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
struct Extent {
    /// Turns, of which the median counts.
    rounds: usize,
    /// What numbers of jobs and requests are divided by.
    fewer: usize,
}

type Measure = fn(Extent) -> Result<Vec<Line>, Failed>;

/// What can be measured, by name.
const ROWS: &[(&str, Measure)] = &[
    ("enqueue", requests::enqueue),
    ("status", requests::status),
    ("life", requests::life),
    ("memory", programs::memory),
    ("growth", programs::growth),
    ("latency", programs::latency),
    ("idle", programs::idle),
    ("readers", programs::readers),
    ("app", app::build),
    ("sqlite", programs::sqlite),
    ("nodes", programs::nodes),
    ("redis", stores::redis),
    ("postgres", stores::postgres),
    ("age", stores::age),
    ("peers", stores::peers),
];

pub(crate) fn run(args: &[String]) -> Result<(), Failed> {
    let (options, names): (Vec<_>, Vec<_>) = args.iter().partition(|arg| arg.starts_with("--"));
    let extent = match options[..] {
        [] => Extent { rounds: 9, fewer: 1 },
        [option] if option == "--quick" => Extent { rounds: 3, fewer: 10 },
        _ => return Err(Failed::new("there is no option but --quick".into())),
    };
    if let Some(name) = names.iter().find(|name| ROWS.iter().all(|(row, _)| row != **name)) {
        let rows: Vec<_> = ROWS.iter().map(|(row, _)| *row).collect();
        return Err(Failed::new(format!("there is no row {name}: there are {}", rows.join(", "))));
    }
    println!("{}", machine::facts());
    let mut failed = Vec::new();
    for (row, measure) in ROWS.iter().filter(|(row, _)| names.is_empty() || names.iter().any(|name| name == row)) {
        println!(
            "\n{row}: cargo xtask bench {}",
            [options.iter().map(|o| o.as_str()).collect(), vec![*row]].concat().join(" ")
        );
        match measure(extent) {
            Ok(lines) => lines.iter().for_each(|line| println!("{line}")),
            Err(why) => {
                println!("  not measured: {why}");
                failed.push(*row);
            }
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(Failed::new(format!("not measured: {}", failed.join(", ")))) }
}

/// One line of a row.
#[derive(Debug)]
struct Line {
    what: String,
    value: String,
    baseline: Option<String>,
    /// What is held against the gate, and the gate; above it is better where the second says so.
    gate: Option<(f64, Gate)>,
}

#[derive(Clone, Copy, Debug)]
enum Gate {
    AtMost(f64),
    AtLeast(f64),
}

impl Line {
    /// What has no gate.
    fn beside(what: impl Into<String>, value: impl Into<String>) -> Self {
        Self { what: what.into(), value: value.into(), baseline: None, gate: None }
    }

    /// A value that has a gate.
    fn bounded(what: impl Into<String>, value: f64, unit: &str, gate: Gate) -> Self {
        let decimals = if value.abs() < 100.0 { 2 } else { 0 };
        Self { gate: Some((value, gate)), ..Self::beside(what, format!("{value:.decimals$} {unit}")) }
    }

    /// A value whose ratio to another one has a gate.
    fn against(what: impl Into<String>, value: f64, baseline: f64, unit: &str, gate: Gate) -> Self {
        let line = Self::bounded(what, value, unit, gate);
        let other = Self::bounded("", baseline, unit, gate).value;
        Self { baseline: Some(other), gate: Some((value / baseline, gate)), ..line }
    }
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "  {:<44} {:>20}", self.what, self.value)?;
        if let Some(baseline) = &self.baseline {
            write!(f, " against {baseline:>20}")?;
        }
        let Some((measure, gate)) = self.gate else { return Ok(()) };
        let (met, sign, gate) = match gate {
            Gate::AtMost(gate) => (measure <= gate, '≤', gate),
            Gate::AtLeast(gate) => (measure >= gate, '≥', gate),
        };
        if self.baseline.is_some() {
            write!(f, " = {measure:.2}")?;
        }
        write!(f, ", {sign} {gate} {}", if met { "met" } else { "NOT MET" })
    }
}
