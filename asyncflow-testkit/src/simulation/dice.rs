//! Chance, from a seed alone.

use std::{ops::RangeInclusive, time::Duration};

use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};

/// One source of chance; each part of a simulation has its own, so that one more throw here changes nothing there.
#[derive(Debug)]
pub(super) struct Dice(StdRng);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    pub(super) fn fork(&mut self) -> Self {
        Self::new(self.seed())
    }

    pub(super) fn seed(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Whether what happens so many times in a thousand happens now.
    pub(super) fn chance(&mut self, permille: u32) -> bool {
        permille > 0 && self.0.random_range(0..1000) < permille
    }

    pub(super) fn within(&mut self, range: RangeInclusive<u64>) -> u64 {
        self.0.random_range(range)
    }

    pub(super) fn millis(&mut self, range: RangeInclusive<u64>) -> Duration {
        Duration::from_millis(self.within(range))
    }

    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0.random_range(0..end.max(1))
    }

    /// One of these; there must be one.
    pub(super) fn pick<T: Copy>(&mut self, among: &[T]) -> T {
        among[self.below(among.len())]
    }

    pub(super) fn shuffle<T>(&mut self, all: &mut [T]) {
        for last in (1..all.len()).rev() {
            all.swap(last, self.below(last + 1));
        }
    }
}
