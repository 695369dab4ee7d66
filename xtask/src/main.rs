//! The repository's own commands: `cargo xtask <command>`, one file a command.

mod bench;
mod cargo;
mod deny;
mod fuzz;
mod group;
mod prove;
mod schedules;
mod simulate;
mod steps;
mod test;

use std::{env, path::Path, process::ExitCode};

use steps::Failed;

struct Subcommand {
    name: &'static str,
    about: &'static str,
    /// It is given what follows its name.
    run: fn(&[String]) -> Result<(), Failed>,
}

const COMMANDS: &[Subcommand] = &[
    Subcommand {
        name: "test",
        about: "all that a change must pass, as CI runs it",
        run: |rest| none(rest).and_then(|()| test::run()),
    },
    Subcommand {
        name: "prove",
        about: "the tests in release, with those that take longer",
        run: |rest| none(rest).and_then(|()| prove::run()),
    },
    Subcommand {
        name: "simulate",
        about: "fleets in simulated time, until one breaks a rule; [--seeds N] [--seed S] [--story]",
        run: simulate::run,
    },
    Subcommand {
        name: "bench",
        about: "what a job costs, against code written by hand; [--quick] [ROW]...",
        run: bench::run,
    },
    Subcommand {
        name: "fuzz",
        about: "the fuzz targets, guided by coverage; [TARGET]... [--minutes M], 10 each unless said",
        run: fuzz::run,
    },
];

fn main() -> ExitCode {
    let args: Vec<_> = env::args().skip(1).collect();
    let named = |command: &&Subcommand| args.first().is_some_and(|name| name == command.name);
    let Some(command) = COMMANDS.iter().find(named) else {
        eprintln!("usage: cargo xtask <command>\n\ncommands:");
        for Subcommand { name, about, .. } in COMMANDS {
            eprintln!("  {name:<10}{about}");
        }
        return ExitCode::from(2);
    };
    match to_root().and_then(|()| (command.run)(&args[1..])) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            eprintln!("\nxtask {}: {failed}", command.name);
            ExitCode::FAILURE
        }
    }
}

fn none(rest: &[String]) -> Result<(), Failed> {
    match rest {
        [] => Ok(()),
        [first, ..] => Err(Failed::new(format!("it takes no arguments, and was given {first}"))),
    }
}

/// The commands mean the whole repository, wherever in it they are called.
fn to_root() -> Result<(), Failed> {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    env::set_current_dir(root).map_err(|e| Failed::new(format!("cannot enter the repository's root: {e}")))
}
