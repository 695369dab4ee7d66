//! The protocol, explored exhaustively: every order of everything that nodes, clients and bad luck can do within a bound, by stateright, with
//! the real rules (`asyncflow_core::state`, `Guard::admits`, `Patch::apply`).
//!
//! What must hold is that nothing goes wrong ([`Flaw`](world::Flaw) lists what could), and that from every state that can be reached the
//! fleet brings each job to its end if nothing goes wrong any more, whether handlers succeed, fail or put themselves off. `switches` turns
//! each rule of the design off, and finds what it is there for.
//!
//! A step is one round trip or less: a request is lost, or its answer, or it lands after its asker gave up; a lost lease is written some
//! time after it was seen. Cancelling and deleting read and write in one step, since their guard refuses what changed in between.
//!
//! With `ASYNCFLOW_PROVE` the bounds are larger.

#![allow(clippy::unwrap_used, reason = "a test may fail")]
#![allow(unreachable_pub, reason = "a test's modules are its own")]

mod checked;
mod faults;
mod node;
mod rules;
mod store;
mod switches;
mod world;

use std::time::{Duration, Instant};

use stateright::{Checker, Model};

use crate::{rules::Protocol, world::Budget};

/// A kind of fault, and how to allow so many of it.
type Kind = (&'static str, fn(&mut Budget, u8));

const KINDS: [Kind; 10] = [
    ("lost", |budget, times| budget.lost = times),
    ("late", |budget, times| budget.late = times),
    ("kill", |budget, times| budget.kills = times),
    ("freeze", |budget, times| budget.freezes = times),
    ("jump", |budget, times| budget.jumps = times),
    ("outage", |budget, times| budget.outages = times),
    ("cut off", |budget, times| budget.cuts = times),
    ("drain", |budget, times| budget.drains = times),
    ("stubborn body", |budget, times| budget.stubborn = times),
    ("message copied or lost", |budget, times| (budget.copies, budget.drops) = (times, times)),
];

/// Kinds of faults that need no broker.
const WITHOUT_BROKER: &[Kind] = KINDS.split_at(9).0;

fn proving() -> bool {
    std::env::var_os("ASYNCFLOW_PROVE").is_some()
}

/// One cancel, one delete, and so many faults of these kinds.
fn budget(faults: &[(Kind, u8)]) -> Budget {
    let mut budget = Budget { cancels: 1, deletes: 1, ..Budget::default() };
    for ((_, allow), times) in faults {
        allow(&mut budget, *times);
    }
    budget
}

/// Explores all that a fleet may do; says how many states there are.
fn explore(what: &str, protocol: Protocol) -> usize {
    let begin = Instant::now();
    let checker = protocol.checker().spawn_bfs().join();
    assert!(checker.is_done(), "{what}: not explored to the end");
    if let Some((name, path)) = checker.discoveries().into_iter().next() {
        let flaw = path.last_state().flaw;
        panic!("{what}: broken: {name} {flaw:?}\n{}", story(path.into_actions()));
    }
    let states = checker.unique_state_count();
    if begin.elapsed() > Duration::from_secs(5) {
        println!("  {what}: {states} states");
    }
    states
}

fn story(steps: Vec<checked::Step>) -> String {
    steps.iter().enumerate().map(|(step, taken)| format!("  {:2}. {taken:?}\n", step + 1)).collect()
}

/// Faults of each kind alone, so many, and of each two kinds, so many of each.
fn explore_faults(what: &str, kinds: &[Kind], alone: u8, paired: u8, fleet: impl Fn(Budget) -> Protocol) {
    let mut runs = 0;
    let mut states = 0;
    for (nth, kind) in kinds.iter().enumerate() {
        let mut also = |name: String, budget| {
            states += explore(&name, fleet(budget));
            runs += 1;
        };
        also(format!("{what}, {} × {alone}", kind.0), budget(&[(*kind, alone)]));
        for other in kinds[nth + 1..].iter().filter(|_| paired > 0) {
            also(
                format!("{what}, {} and {} × {paired}", kind.0, other.0),
                budget(&[(*kind, paired), (*other, paired)]),
            );
        }
    }
    println!("{what}: {runs} bounds, {states} states, all of them");
}

#[test]
fn a_pulling_fleet_keeps_its_promises() {
    let (alone, paired) = if proving() { (2, 1) } else { (1, 0) };
    explore_faults("a pulling fleet", WITHOUT_BROKER, alone, paired, Protocol::pulling);
}

#[test]
fn a_carrying_fleet_keeps_its_promises() {
    explore_faults("a carrying fleet", &KINDS, 1, u8::from(proving()), Protocol::carrying);
}

#[test]
fn a_fleet_with_a_limit_keeps_its_promises() {
    let fleet = |budget| Protocol {
        jobs: 2,
        limit: Some(1),
        ..Protocol::pulling(Budget { deletes: u8::from(proving()), ..budget }).policy(|policy| {
            policy.max_snoozes = 0;
            policy.retry = asyncflow_core::Retry::Never;
        })
    };
    explore_faults("a fleet with a limit", WITHOUT_BROKER, 1, 0, fleet);
}

#[test]
fn a_key_gives_one_job() {
    let fleet = |budget| Protocol { jobs: 2, keyed: true, ..Protocol::pulling(budget) };
    explore_faults("a key", &KINDS[..2], 1, u8::from(proving()), fleet);
}

#[test]
fn a_lone_process_goes_on_where_it_was() {
    let fleet = |budget| {
        let restarts = Budget { kills: 2, restarts: 2, ..budget };
        Protocol { nodes: 1, lone: true, ..Protocol::pulling(restarts) }.policy(|policy| policy.max_crashes = 3)
    };
    explore_faults("a lone process", &KINDS[..2], 1, u8::from(proving()), fleet);
}
