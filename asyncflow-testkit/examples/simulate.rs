//! Simulates fleets, seed after seed, until one breaks a rule: then its story is told.
//!
//! `simulate [--seeds N] [--seed S] [--clients C] [--story]`

use std::{
    env,
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};

use asyncflow_testkit::simulation::{Counts, Simulation};

struct Args {
    seeds: u64,
    seed: u64,
    clients: usize,
    story: bool,
}

fn args() -> Result<Args, String> {
    let mut args = Args { seeds: 100, seed: 0, clients: 500, story: false };
    let mut words = env::args().skip(1);
    let mut one = false;
    let mut many = false;
    while let Some(word) = words.next() {
        let mut number = || {
            let value = words.next().ok_or(format!("{word}: say a number"))?;
            value.parse::<u64>().map_err(|error| format!("{word} {value}: {error}"))
        };
        match word.as_str() {
            "--seeds" => (args.seeds, many) = (number()?, true),
            "--seed" => (args.seed, one) = (number()?, true),
            "--clients" => args.clients = usize::try_from(number()?).unwrap_or(usize::MAX),
            "--story" => args.story = true,
            _ => return Err(format!("{word}: known are --seeds N, --seed S, --clients C and --story")),
        }
    }
    if one && !many {
        args.seeds = 1;
    }
    Ok(args)
}

fn main() -> ExitCode {
    let Args { seeds, seed, clients, story } = match args() {
        Ok(args) => args,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    if story {
        print!("{}", Simulation::new(seed).clients(clients).story());
        return ExitCode::SUCCESS;
    }
    let began = Instant::now();
    let (next, failed, all) = (AtomicU64::new(seed), AtomicBool::new(false), Mutex::new(Counts::default()));
    let end = seed.saturating_add(seeds);
    let work = || {
        while !failed.load(Ordering::SeqCst) {
            let seed = next.fetch_add(1, Ordering::SeqCst);
            if seed >= end {
                return;
            }
            match Simulation::new(seed).clients(clients).run() {
                Ok(counts) => *all.lock().unwrap_or_else(PoisonError::into_inner) += counts,
                Err(failure) => {
                    failed.store(true, Ordering::SeqCst);
                    eprintln!("{failure}");
                }
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    let counts = *all.lock().unwrap_or_else(PoisonError::into_inner);
    let (seconds, ran) = (began.elapsed().as_secs_f64(), next.into_inner().min(end).saturating_sub(seed));
    println!(
        "{ran} seeds from {seed}: {} jobs, {} runs, {} writes, {} answers, {} lost leases, {} faults \
         ({} calls, {} delays, {} hints, {} nodes), {} virtual hours, in {seconds:.1} s: {:.0} jobs a second",
        counts.jobs,
        counts.runs,
        counts.writes,
        counts.answers,
        counts.lost,
        counts.faults.all(),
        counts.faults.calls,
        counts.faults.delays,
        counts.faults.hints,
        counts.faults.nodes,
        counts.millis / 3_600_000,
        counts.jobs as f64 / seconds
    );
    if failed.load(Ordering::SeqCst) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
