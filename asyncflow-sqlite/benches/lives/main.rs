//! Jobs a second of the store, beside code written by hand for the same rows and the same sync. Compare the ratios: rates are the disk's,
//! and whoever else works with it disturbs both alike, since they take turns of a fraction of a second.
//!
//! `cargo bench -p asyncflow-sqlite [-- ROUNDS]`
#![allow(clippy::unwrap_used, reason = "a benchmark may fail")]

mod by_hand;
mod by_store;

use std::{
    path::PathBuf,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use tokio::runtime::Handle;

/// One turn of one measurement.
const TURN: Duration = Duration::from_millis(150);
/// Jobs that wait for a turn of claims or finishes, more than fit one.
const PREPARED: usize = 2000;
/// Callers that go at once, where they do.
const MANY: usize = 64;

/// Takes one turn.
type Measurement = Box<dyn FnMut() -> Rate>;

/// Jobs a second, and the processor time of each in microseconds.
#[derive(Clone, Copy)]
struct Rate {
    jobs: f64,
    cpu: f64,
}

fn main() {
    let rounds = std::env::args().filter_map(|arg| arg.parse().ok()).next().unwrap_or(25);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let _guard = runtime.enter();
    let mut measurements: Vec<(&str, Measurement)> = vec![
        ("by hand, one caller, submit", Box::new(by_hand::submit())),
        ("store, one caller, submit", Box::new(by_store::submit(1))),
        ("by hand, one caller, claim", Box::new(by_hand::claim())),
        ("store, one caller, claim", Box::new(by_store::claim())),
        ("by hand, one caller, finish", Box::new(by_hand::finish())),
        ("store, one caller, finish", Box::new(by_store::finish())),
        ("store, 64 callers, submit", Box::new(by_store::submit(MANY))),
        ("by hand, 64 callers, whole lives", Box::new(by_hand::lives())),
        ("store, 64 callers, whole lives", Box::new(by_store::lives())),
    ];
    let mut rates: Vec<Vec<Rate>> = vec![Vec::new(); measurements.len()];
    // In the first round the logs grow; later they are written over and over. Each has to bear what another left for the disk to do, so
    // every other round goes the other way.
    for round in 0..=rounds {
        let mut order: Vec<_> = (0..measurements.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for n in order {
            let rate = measurements[n].1();
            rates[n].extend((round > 0).then_some(rate));
        }
    }
    for ((name, _), rates) in measurements.iter().zip(&rates) {
        let of = |part: fn(&Rate) -> f64| median(rates.iter().map(part));
        println!("{name:34} {:8.0} jobs/s {:7.1} µs CPU a job", of(|rate| rate.jobs), of(|rate| rate.cpu));
    }
    let ratio = |a: usize, b: usize| median(rates[a].iter().zip(&rates[b]).map(|(a, b)| a.jobs / b.jobs));
    println!(
        "one caller against by hand: submit {:.2}, claim {:.2}, finish {:.2}",
        ratio(1, 0),
        ratio(3, 2),
        ratio(5, 4)
    );
    println!("64 submitters against one: {:.1}", ratio(6, 1));
    println!("64 whole lives against by hand: {:.2}", ratio(8, 7));
    let cpu = |which: usize| median(rates[which].iter().map(|rate| rate.cpu));
    println!("64 whole lives, µs CPU a job: {:.1}, by hand {:.1}", cpu(8), cpu(7));
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Counts jobs until the turn is over.
struct Turn {
    began: Instant,
    cpu: Duration,
}

impl Turn {
    fn begin() -> Self {
        Self { began: Instant::now(), cpu: cpu_time() }
    }

    fn goes_on(&self) -> bool {
        self.began.elapsed() < TURN
    }

    fn end(self, jobs: usize) -> Rate {
        let cpu = (cpu_time() - self.cpu).as_secs_f64() * 1e6 / jobs as f64;
        Rate { jobs: jobs as f64 / self.began.elapsed().as_secs_f64(), cpu }
    }
}

/// Has so many callers do something until the turn ends.
fn together<S: Clone + Send + 'static, F: Future<Output = ()> + Send>(
    callers: usize,
    subject: S,
    one: impl Fn(S) -> F + Copy + Send + 'static,
) -> Rate {
    let turn = Turn::begin();
    let began = turn.began;
    let caller = |subject: S| async move {
        let mut jobs = 0;
        while began.elapsed() < TURN {
            one(subject.clone()).await;
            jobs += 1;
        }
        jobs
    };
    Handle::current().block_on(async {
        let callers: Vec<_> = (0..callers).map(|_| tokio::spawn(caller(subject.clone()))).collect();
        let mut jobs = 0;
        for caller in callers {
            jobs += caller.await.unwrap();
        }
        turn.end(jobs)
    })
}

/// What this process has used of processors so far.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks = stat.rsplit(')').next().unwrap_or_default().split(' ').skip(12).take(2);
    Duration::from_millis(ticks.filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>() * 10)
}

/// A file of its own for each measurement.
fn fresh() -> (tempfile::TempDir, PathBuf) {
    static MADE: AtomicUsize = AtomicUsize::new(0);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(format!("{}.db", MADE.fetch_add(1, Ordering::SeqCst)));
    (folder, path)
}
