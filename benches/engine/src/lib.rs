//! What the measurements share. Each prints lines of `name value`, which `cargo xtask bench` reads.

use std::{convert::Infallible, fmt::Display};

use asyncflow_core::JobContext;
use serde_json::value::RawValue;

/// As in the demo: much of what a job costs is many small allocations.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The flow of all measurements: it gives back what it was given.
pub async fn echo(json: Box<RawValue>, _: JobContext) -> Result<Box<RawValue>, Infallible> {
    Ok(json)
}

/// A request of 100 bytes.
pub fn body() -> Box<RawValue> {
    let json = format!("{{\"n\":1000000001,\"pad\":\"{}\"}}", "x".repeat(75));
    assert_eq!(json.len(), 100);
    RawValue::from_string(json).expect("it is JSON")
}

/// Says what was measured.
pub fn report(name: &str, value: impl Display) {
    println!("{name} {value}");
}

/// The argument at this place, or what stands in for it.
pub fn argument(place: usize, otherwise: usize) -> usize {
    std::env::args().nth(place).and_then(|text| text.replace('_', "").parse().ok()).unwrap_or(otherwise)
}

/// The value below which this part of them are; 0.5 is the median.
pub fn share(values: &mut [f64], part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[(values.len().saturating_sub(1) as f64 * part) as usize]
}
