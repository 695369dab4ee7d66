//! What a user sees who forgot a bound.

use std::process::Command;

/// The compiler whose words are compared: others word the same errors differently.
const COMPILER: &str = "rustc 1.95.";

#[test]
fn a_missing_bound_is_named_where_it_is_missing() {
    let version = Command::new("rustc").arg("--version").output().expect("cargo comes with rustc");
    let version = String::from_utf8_lossy(&version.stdout);
    if !version.starts_with(COMPILER) {
        eprintln!("skipped: the expected errors are those of {COMPILER}x, and this is {version}");
        return;
    }
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
