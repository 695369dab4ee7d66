//! What requests cost: instructions, which are the gate, and beside them processor time and rates.

use super::{
    Extent, Gate, Line,
    counted::instructions,
    figures::median,
    server::{self, Kind, Server},
};
use crate::steps::Failed;

/// Requests that are counted.
const REQUESTS: usize = 3000;

pub(super) fn enqueue(extent: Extent) -> Result<Vec<Line>, Failed> {
    measure(extent, "enqueue", 1.30, 0.95)
}

pub(super) fn status(extent: Extent) -> Result<Vec<Line>, Failed> {
    measure(extent, "get", 1.20, 0.70)
}

pub(super) fn life(extent: Extent) -> Result<Vec<Line>, Failed> {
    measure(extent, "life", 1.30, 0.80)
}

fn measure(extent: Extent, what: &str, of_hyper: f64, of_axum: f64) -> Result<Vec<Line>, Failed> {
    server::build()?;
    let mut lines = Vec::new();
    if ["valgrind", "taskset"].into_iter().all(server::exists) {
        let [ours, hyper, axum] = Kind::ALL.map(|kind| instructions(kind, what, REQUESTS / extent.fewer));
        let (ours, unit) = (ours?, "instr.");
        lines.push(Line::against("instructions, against bare hyper", ours, hyper?, unit, Gate::AtMost(of_hyper)));
        lines.push(Line::against("instructions, against axum + DashMap", ours, axum?, unit, Gate::AtMost(of_axum)));
    } else {
        lines.push(Line::beside("instructions", "skipped: valgrind or taskset is missing"));
    }
    for (kind, (cpu, rate)) in Kind::ALL.into_iter().zip(rates(extent, what)?) {
        lines.push(Line::beside(format!("{kind:?}, processor time and rate"), format!("{cpu:.1} µs, {rate:.0}/s")));
    }
    Ok(lines)
}

/// Processor time of one in microseconds, and how many a second, of each server: they take turns.
fn rates(extent: Extent, what: &str) -> Result<Vec<(f64, f64)>, Failed> {
    let mut servers = Vec::new();
    for kind in Kind::ALL {
        let mut server = Server::start(kind, &[], None)?;
        let path = server.ended()?;
        servers.push((server, path, Vec::new(), Vec::new()));
    }
    // The first round warms up.
    for round in 0..=extent.rounds {
        for (server, path, cpu, rate) in &mut servers {
            let took = server.ask(what, &[("--secs", "0.7".into()), ("--path", path.clone())])?;
            if round > 0 {
                cpu.push(took.number("cpu_us ")?);
                rate.push(took.number("per_second ")?);
            }
        }
    }
    Ok(servers.into_iter().map(|(_, _, cpu, rate)| (median(cpu), median(rate))).collect())
}
