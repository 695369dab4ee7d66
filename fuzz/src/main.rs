//! Runs one fuzz target, guided by coverage: `cargo xtask fuzz` builds this as the fuzzer needs it, and names the target.
#![no_main]

use std::{env, sync::LazyLock};

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

#[path = "../../asyncflow-tower/tests/exchange.rs"]
mod exchange;

struct Target {
    name: &'static str,
    words: &'static [&'static str],
    run: fn(&[u8]),
}

macro_rules! target {
    ($($module:ident)::+, $name:ident, $words:ident) => {
        Target { name: stringify!($name), words: $($module)::+::$words, run: $($module)::+::$name }
    };
}

const TARGETS: &[Target] = &[
    target!(asyncflow_core::fuzz, json, JSON),
    target!(asyncflow_core::fuzz, values, VALUES),
    target!(asyncflow_tower::fuzz, route, ROUTE),
    target!(asyncflow_tower::fuzz, headers, HEADERS),
    target!(asyncflow_sqlite::fuzz, row, ROW),
    target!(exchange, exchange, EXCHANGE),
];

static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let name = env::var("ASYNCFLOW_FUZZ").unwrap_or_default();
    TARGETS.iter().find(|target| target.name == name).unwrap_or_else(|| {
        let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
        panic!("ASYNCFLOW_FUZZ names the target, one of {}: `{name}` is none", names.join(", "))
    })
});

fuzz_target!(|input: &[u8]| (TARGET.run)(input));

// Every second input has a word put into it, which bytes alone would take long to find.
fuzz_mutator!(|input: &mut [u8], size: usize, most: usize, seed: u32| {
    let (pick, at) = (seed as usize / 2, seed.rotate_right(11) as usize % (size + 1));
    let word = TARGET.words[pick % TARGET.words.len()].as_bytes();
    let grown = size + word.len();
    if seed % 2 == 0 && grown <= most {
        input.copy_within(at..size, at + word.len());
        input[at..at + word.len()].copy_from_slice(word);
        return grown;
    }
    fuzzer_mutate(input, size, most)
});
