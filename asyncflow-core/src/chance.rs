//! The one source of ids, tokens and jitter: a cryptographic generator, since ids are capabilities.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

use chacha20::{
    ChaCha12Rng,
    rand_core::{Rng, SeedableRng},
};

use crate::job::{JobId, Stamp, Token};

/// One generator for a node.
pub(crate) struct Chance(Mutex<Source>);

struct Source {
    random: ChaCha12Rng,
    /// The last id's time: milliseconds, then 12 bits of order.
    last: u64,
}

impl Chance {
    /// Seeded by the system.
    pub(crate) fn from_system() -> Result<Self, getrandom::Error> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed)?;
        Ok(Self::of(ChaCha12Rng::from_seed(seed)))
    }

    /// Seeded by a test: its ids can be guessed.
    pub(crate) fn from_seed(seed: u64) -> Self {
        Self::of(ChaCha12Rng::seed_from_u64(seed))
    }

    fn of(random: ChaCha12Rng) -> Self {
        Self(Mutex::new(Source { random, last: 0 }))
    }

    /// A new job's id. Ids of one node are in the order in which they were made, also within a microsecond.
    pub(crate) fn id(&self, now: Stamp) -> JobId {
        let micros = now.as_micros().max(0).unsigned_abs();
        let time = ((micros / 1000) << 12) | ((micros % 1000) * 4096 / 1000);
        let mut source = self.source();
        source.last = time.max(source.last + 1);
        let last = source.last;
        JobId::new(last >> 12, (last & 0xfff) as u16, source.random.next_u64())
    }

    /// A new token.
    pub(crate) fn token(&self) -> Token {
        let random = &mut self.source().random;
        let [low, high] = [random.next_u64(), random.next_u64()].map(u128::from);
        Token::from_u128(high << 64 | low)
    }

    /// A number from 0 to 1, in as many steps as its mantissa has.
    pub(crate) fn share(&self) -> f64 {
        const STEPS: u32 = f64::MANTISSA_DIGITS;
        (self.source().random.next_u64() >> (u64::BITS - STEPS)) as f64 / (1_u64 << STEPS) as f64
    }

    fn source(&self) -> std::sync::MutexGuard<'_, Source> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Chance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chance").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_in_the_order_in_which_they_were_made() {
        let chance = Chance::from_seed(1);
        let at = Stamp::from_micros(1_700_000_000_123_456);
        let ids: Vec<_> = (0..10_000).map(|n| chance.id(if n % 3 == 0 { at } else { Stamp::default() })).collect();
        assert!(ids.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn a_seed_repeats() {
        let [a, b] = [Chance::from_seed(7), Chance::from_seed(7)];
        assert_eq!((a.token(), a.share()), (b.token(), b.share()));
        assert_ne!(a.token(), Chance::from_seed(8).token());
    }

    #[test]
    fn the_system_seeds_each_node_differently_and_shares_are_even() {
        let [a, b] = [(), ()].map(|()| Chance::from_system().unwrap());
        assert_ne!(a.token(), b.token());
        let mut tenths = [0; 10];
        (0..10_000).for_each(|_| tenths[(a.share() * 10.0) as usize] += 1);
        assert!(tenths.iter().all(|tenth| (800..1_200).contains(tenth)), "{tenths:?}");
    }
}
