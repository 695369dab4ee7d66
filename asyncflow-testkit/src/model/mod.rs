//! A store and a plain one, asked the same side by side: for whoever writes a store.
//!
//! Thousands of random histories (inserts with keys, owners and little room, changes under each guard, purges, claims with limits and
//! turns, asked again, time) are asked of the store and of one that is written as plainly as can be, and every answer is compared. What
//! differs is shown with the shortest history that was found for it. A store's own tests run it by one line:
//!
//! ```
//! use std::sync::Arc;
//! use asyncflow_core::MemoryStore;
//!
//! # #[tokio::main]
//! # async fn main() {
//! asyncflow_testkit::model::check(0..20, async |clock| Arc::new(MemoryStore::with_clock(clock)) as _).await;
//! # }
//! ```
//!
//! What only many callers at once can show is left to the behaviours of [`store`](crate::store).

mod history;
mod plain;
mod run;

use std::{ops::Range, sync::Arc};

use asyncflow_core::{ManualClock, Store};

use self::{
    history::{Dice, Step},
    run::Run,
};
use crate::store::START;

/// Steps of one history.
const STEPS: usize = 60;

/// Asks the history of each of these seeds of a fresh store, which `make` makes on the clock that it is given. A seed gives the same
/// history each time.
///
/// # Panics
/// An answer is wrong: it is shown with the seed, and with as few steps of its history as still bring it about.
pub async fn check(seeds: Range<u64>, make: impl AsyncFn(Arc<ManualClock>) -> Arc<dyn Store>) {
    for seed in seeds {
        let history = Dice::new(seed).history(STEPS);
        if let Some((step, _)) = first_wrong(seed, &history, &make).await {
            let (shortest, wrong) = shorten(seed, history[..=step].to_vec(), &make).await;
            let story: String = shortest.iter().map(|step| format!("  {step:?}\n")).collect();
            panic!("seed {seed}: after\n{story}{wrong}");
        }
    }
}

/// The first step whose answer is wrong, and how.
async fn first_wrong(
    seed: u64,
    history: &[Step],
    make: &impl AsyncFn(Arc<ManualClock>) -> Arc<dyn Store>,
) -> Option<(usize, String)> {
    let clock = Arc::new(ManualClock::at(START));
    let mut run = Run::new(make(clock.clone()).await, clock, seed);
    for (nth, step) in history.iter().enumerate() {
        if let Err(wrong) = run.step(step).await {
            return Some((nth, wrong));
        }
    }
    None
}

/// Leaves out what is not needed for an answer to be wrong: steps, then entries of what is written.
async fn shorten(
    seed: u64,
    mut history: Vec<Step>,
    make: &impl AsyncFn(Arc<ManualClock>) -> Arc<dyn Store>,
) -> (Vec<Step>, String) {
    let mut nth = history.len();
    let mut wrong = String::new();
    while nth > 0 {
        nth -= 1;
        for shorter in shorter(&history, nth) {
            if let Some((last, what)) = first_wrong(seed, &shorter, make).await {
                (history, wrong) = (shorter[..=last].to_vec(), what);
                nth = history.len().min(nth + 1);
                break;
            }
        }
    }
    if wrong.is_empty() {
        wrong = first_wrong(seed, &history, make).await.map_or_else(String::new, |(_, what)| what);
    }
    (history, wrong)
}

/// The history without this step, and without each entry of it.
fn shorter(history: &[Step], nth: usize) -> Vec<Vec<Step>> {
    let without = |step: Option<Step>| {
        let (before, after) = (history[..nth].iter(), history[nth + 1..].iter());
        before.cloned().chain(step).chain(after.cloned()).collect::<Vec<_>>()
    };
    let mut all = vec![without(None)];
    if let Step::Write { inserts, changes, claims } = &history[nth] {
        let entries = [inserts.len(), changes.len(), claims.len()];
        for (kind, entry) in (0..3).flat_map(|kind| (0..entries[kind]).map(move |entry| (kind, entry))) {
            let (mut inserts, mut changes, mut claims) = (inserts.clone(), changes.clone(), claims.clone());
            match kind {
                0 => drop(inserts.remove(entry)),
                1 => drop(changes.remove(entry)),
                _ => drop(claims.remove(entry)),
            }
            all.push(without(Some(Step::Write { inserts, changes, claims })));
        }
    }
    all
}
