//! The repository's own commands: `cargo xtask <command>`, one file a command.

mod bench;
mod cargo;
mod deny;
mod fuzz;
mod group;
mod prove;
mod schedules;
mod servers;
mod simulate;
mod steps;
mod test;

use std::{env, path::Path, process::ExitCode};

use steps::Failed;

struct Subcommand {
    name: &'static str,
    about: &'static str,
    /// Whether something may follow its name.
    takes_more: bool,
    run: fn(&[String]) -> Result<(), Failed>,
}

const COMMANDS: &[Subcommand] = &[
    Subcommand {
        name: "test",
        about: "all that a change must pass, as CI runs it",
        takes_more: false,
        run: |_| test::run(),
    },
    Subcommand {
        name: "prove",
        about: "the tests in release, with those that take longer",
        takes_more: false,
        run: |_| prove::run(),
    },
    Subcommand {
        name: "servers",
        about: "a Redis and a Postgres for hand use, until ctrl-c",
        takes_more: false,
        run: |_| servers::run(),
    },
    Subcommand {
        name: "simulate",
        about: "fleets in simulated time, until one breaks a rule; [--seeds N] [--seed S] [--story]",
        takes_more: true,
        run: simulate::run,
    },
    Subcommand {
        name: "bench",
        about: "what a job costs, against code written by hand; [--quick] [ROW]...",
        takes_more: true,
        run: bench::run,
    },
    Subcommand {
        name: "fuzz",
        about: "the fuzz targets, guided by coverage; [TARGET]... [--minutes M], 10 each unless said",
        takes_more: true,
        run: fuzz::run,
    },
];

fn main() -> ExitCode {
    let args: Vec<_> = env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect();
    let named = |command: &&Subcommand| {
        args.first().is_some_and(|name| name == command.name) && (command.takes_more || args.len() == 1)
    };
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

/// The commands mean the whole repository, wherever in it they are called.
fn to_root() -> Result<(), Failed> {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    env::set_current_dir(root).map_err(|e| Failed::new(format!("cannot enter the repository's root: {e}")))
}
