//! Chance, from a seed.

use std::time::Duration;

use rand::{
    RngExt, SeedableRng,
    rngs::{StdRng, SysRng},
};

#[derive(Debug)]
pub(crate) struct Dice(StdRng);

impl Dice {
    /// Draws from the seed that is set, or from any; prints which.
    pub(crate) fn new(what: &str) -> Self {
        let seed = match std::env::var("ASYNCFLOW_SEED") {
            Ok(seed) => seed.parse().expect("a seed is a number"),
            Err(_) => u64::from(rand::rand_core::UnwrapErr(SysRng).random_range(0..u32::MAX)),
        };
        println!("{what}: ASYNCFLOW_SEED={seed}");
        Self::of(seed)
    }

    pub(crate) fn of(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// Any of so many.
    pub(crate) fn one_of(&mut self, many: usize) -> usize {
        self.0.random_range(0..many)
    }

    pub(crate) fn seed(&mut self) -> u64 {
        self.0.random_range(0..u64::MAX)
    }

    /// Up to so many milliseconds.
    pub(crate) fn millis(&mut self, most: u64) -> Duration {
        Duration::from_millis(self.0.random_range(0..=most))
    }

    pub(crate) async fn sleep(&mut self, most_millis: u64) {
        tokio::time::sleep(self.millis(most_millis)).await;
    }
}
