//! Fleets in simulated time: none breaks a rule, and a seed repeats its run.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use asyncflow_testkit::simulation::{Counts, Simulation};

fn proving() -> bool {
    std::env::var_os("ASYNCFLOW_PROVE").is_some()
}

/// Simulates seed after seed, on all cores, until so many jobs and faults have been.
fn simulate(clients: usize, jobs: u64, faults: u64) -> Counts {
    let (next, all) = (AtomicU64::new(0), Mutex::new(Counts::default()));
    let enough = || {
        let all = all.lock().unwrap();
        all.jobs >= jobs && all.faults.all() >= faults
    };
    let work = || {
        while !enough() {
            let seed = next.fetch_add(1, Ordering::SeqCst);
            match Simulation::new(seed).clients(clients).run() {
                Ok(counts) => *all.lock().unwrap() += counts,
                Err(failure) => panic!("{failure}\nagain with: cargo xtask simulate --seed {seed} --clients {clients}"),
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    all.into_inner().unwrap()
}

#[test]
fn no_fleet_breaks_a_rule() {
    let (jobs, faults) = if proving() { (10_000_000, 1_000_000) } else { (4_000, 4_000) };
    let counts = simulate(if proving() { 500 } else { 150 }, jobs, faults);
    println!("{counts:?}");
}

#[test]
fn a_seed_repeats_its_run_to_the_word() {
    for seed in [2, 5, 11] {
        let simulation = Simulation::new(seed).clients(80);
        let (one, other) = (simulation.story(), simulation.story());
        let differs = one.lines().zip(other.lines()).find(|(one, other)| one != other);
        assert!(one == other && one.lines().count() > 100, "seed {seed}: {differs:?}");
    }
}
