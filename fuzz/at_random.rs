//! Runs a target on inputs that are put together at random, so many that a test can wait for them, and the same in each run. Each crate
//! with targets includes this file in its tests; `cargo xtask fuzz` goes on from there, guided by coverage.

use std::{env, panic};

/// Inputs begin with one byte, which targets choose by, and go on with words and with anything.
pub(crate) fn run(words: &[&str], target: fn(&[u8])) {
    let inputs = if env::var_os("ASYNCFLOW_PROVE").is_some() { 2_000_000 } else { 10_000 };
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for _ in 0..inputs {
        let mut input = vec![random.below(256) as u8];
        for _ in 0..random.below(20) {
            match random.below(12) {
                0 => input.push(random.below(256) as u8),
                1 => {
                    let digits = random.below(63);
                    input.extend(random.below(1 << digits).to_string().bytes());
                }
                2 => input.truncate(1 + random.below(input.len() as u64) as usize),
                _ => input.extend(words[random.below(words.len() as u64) as usize].bytes()),
            }
        }
        if let Err(panic) = panic::catch_unwind(|| target(&input)) {
            eprintln!("the input is b\"{}\"", input.escape_ascii());
            panic::resume_unwind(panic);
        }
    }
}

/// Numbers that look random (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}
