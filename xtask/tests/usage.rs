//! What the program says to somebody who does not know its commands.

use std::process::Command;

#[test]
fn without_a_known_command_it_lists_them() {
    for args in [&[][..], &["no-such"], &["--help"], &["test", "more"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_xtask")).args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        for command in ["test", "prove", "simulate", "bench", "fuzz"] {
            assert!(said.contains(&format!("\n  {command} ")), "{args:?}: {said}");
        }
    }
}
