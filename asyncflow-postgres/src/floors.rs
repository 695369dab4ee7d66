//! Where claims begin to look: below a flow's floor a node knows of no ready job.
//!
//! While any session of the database holds an old snapshot, what was taken stays at the head of the queue's index, and who looks from the
//! very beginning steps over all of it each time. So claims look from where the last one found something, and from the beginning so
//! rarely that it takes a small part of the time. What becomes ready below lowers the floor: this node's own jobs at once, those of others by
//! their hints or at the next look from the beginning, which is never long in coming.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// A look from the beginning is followed by others that take so many times as long together before the next one.
const SELDOM: u32 = 20;
/// The longest time between looks from the beginning, where hints tell of others' jobs.
const LONGEST: Duration = Duration::from_secs(10);
/// The same where none come.
const LONGEST_UNHEARD: Duration = Duration::from_secs(1);
/// Jobs may become ready so many microseconds later than their ranks say: their transactions take their time.
const LATE: i64 = 100_000;
/// From the beginning.
pub(crate) const BEGINNING: i64 = i64::MIN;

pub(crate) struct Floors {
    longest: Duration,
    of_lines: Mutex<HashMap<(i32, u16), Floor>>,
}

struct Floor {
    rank: i64,
    lowered: Instant,
    /// When a look from the beginning ended, and how long it took.
    looked: Instant,
    took: Duration,
}

impl Floors {
    pub(crate) fn new(hears_of_others: bool) -> Self {
        let longest = if hears_of_others { LONGEST } else { LONGEST_UNHEARD };
        Self { longest, of_lines: Mutex::default() }
    }

    /// From which rank on a claim of these versions of a flow looks.
    pub(crate) fn of(&self, flow: i32, versions: &[u16]) -> i64 {
        let floors = self.of_lines.lock().unwrap_or_else(PoisonError::into_inner);
        let floor = |version: &u16| match floors.get(&(flow, *version)) {
            Some(floor) if floor.looked.elapsed() < self.longest.min(SELDOM * floor.took) => floor.rank,
            _ => BEGINNING,
        };
        versions.iter().map(floor).min().unwrap_or(BEGINNING)
    }

    /// A claim that began at this time looked from this rank on, and what it took last had that one.
    pub(crate) fn looked(&self, flow: i32, versions: &[u16], from: i64, last: Option<i64>, began: Instant) {
        let mut floors = self.of_lines.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        for version in versions {
            let floor = floors.entry((flow, *version)).or_insert(Floor {
                rank: BEGINNING,
                lowered: began,
                looked: began,
                took: Duration::ZERO,
            });
            if from == BEGINNING {
                (floor.looked, floor.took) = (now, now - began);
            }
            // What became ready meanwhile may not have been seen.
            if floor.lowered <= began {
                match last {
                    Some(rank) => floor.rank = rank.saturating_sub(LATE),
                    None if from == BEGINNING => floor.rank = i64::MAX,
                    None => {}
                }
            }
        }
    }

    /// A job of this rank is ready.
    pub(crate) fn lower(&self, flow: i32, rank: i64) {
        let mut floors = self.of_lines.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, floor) in floors.iter_mut().filter(|((of, _), _)| *of == flow) {
            floor.rank = floor.rank.min(rank);
            floor.lowered = Instant::now();
        }
    }

    /// Anything may be ready anywhere.
    pub(crate) fn forget(&self) {
        self.of_lines.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn claims_look_from_where_the_last_one_found_something() {
        let floors = Floors::new(true);
        assert_eq!(floors.of(1, &[0]), BEGINNING);
        let began = Instant::now().checked_sub(HOUR).unwrap();
        floors.looked(1, &[0], BEGINNING, Some(1_000_000), began);
        assert_eq!([floors.of(1, &[0]), floors.of(1, &[0, 1]), floors.of(2, &[0])], [900_000, BEGINNING, BEGINNING]);
        floors.lower(1, 500);
        assert_eq!(floors.of(1, &[0]), 500);
        // It began before that one was ready.
        floors.looked(1, &[0], 900_000, Some(2_000_000), began);
        assert_eq!(floors.of(1, &[0]), 500);
        floors.looked(1, &[0], 500, Some(3_000_000), Instant::now());
        assert_eq!(floors.of(1, &[0]), 2_900_000);
        floors.forget();
        assert_eq!(floors.of(1, &[0]), BEGINNING);
    }

    #[test]
    fn looks_from_the_beginning_come_again_soon_where_they_are_quick() {
        let floors = Floors::new(true);
        let looked = Instant::now().checked_sub(SECOND).unwrap();
        for (took, floor) in [(SECOND / SELDOM / 2, BEGINNING), (SECOND, 7)] {
            floors.of_lines.lock().unwrap().insert((1, 0), Floor { rank: 7, lowered: looked, looked, took });
            assert_eq!(floors.of(1, &[0]), floor);
        }
    }

    #[test]
    fn looks_from_the_beginning_come_again_however_slow_they_are() {
        let slow = |ago| {
            let looked = Instant::now().checked_sub(ago).unwrap();
            Floor { rank: 7, lowered: looked, looked, took: HOUR }
        };
        for (floors, longest) in [(Floors::new(true), LONGEST), (Floors::new(false), LONGEST_UNHEARD)] {
            for (ago, floor) in [(longest / 2, 7), (longest, BEGINNING)] {
                floors.of_lines.lock().unwrap().insert((1, 0), slow(ago));
                assert_eq!(floors.of(1, &[0]), floor);
            }
        }
    }
}
