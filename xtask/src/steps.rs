//! A run of steps: each a command under a heading, with its time; the first that fails ends the run.

use std::{
    fmt,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use crate::group::{self, End};

#[derive(Debug)]
pub(crate) struct Steps {
    started: Instant,
    limit: Duration,
    set: Vec<(String, String)>,
    ended: Vec<(&'static str, String)>,
}

impl Steps {
    /// `limit` is for the whole run.
    pub(crate) fn new(limit: Duration) -> Self {
        Self { started: Instant::now(), limit, set: Vec::new(), ended: Vec::new() }
    }

    /// Sets an environment variable for all later steps. It is not shown with them, as it means nothing after this run.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.set.push((name.into(), value.into()));
    }

    /// Runs one step; what it prints goes where ours goes.
    pub(crate) fn run(&mut self, name: &'static str, mut command: Command) -> Result<(), Failed> {
        let shown = shown(&command);
        eprintln!("\n=== {name}: {shown}");
        command.envs(self.set.iter().map(|(name, value)| (name, value)));
        let started = Instant::now();
        let end = group::run(&mut command, self.started + self.limit)
            .map_err(|e| Failed(format!("{name} could not be started: {e}; it is: {shown}")))?;
        let took = Took(started.elapsed());
        match end {
            End::Exited(status) if status.success() => {
                eprintln!("=== {name}: passed in {took}");
                self.ended.push((name, took.to_string()));
                Ok(())
            }
            End::Exited(status) => Err(Failed(format!("{name} failed after {took} ({status}); again with: {shown}"))),
            End::OutOfTime => {
                let limit = Took(self.limit);
                Err(Failed(format!(
                    "{name} was stopped after {took}, as the run may take {limit}; again with: {shown}"
                )))
            }
        }
    }

    /// Tries what may fail without failing the run.
    pub(crate) fn attempt(&mut self, name: &'static str, mut command: Command, limit: Duration) -> bool {
        eprintln!("\n=== {name}: {}", shown(&command));
        matches!(group::run(&mut command, Instant::now() + limit), Ok(End::Exited(status)) if status.success())
    }

    /// Notes a step that cannot run here.
    pub(crate) fn skip(&mut self, name: &'static str, why: &str) {
        eprintln!("\n=== {name}: skipped, {why}");
        self.ended.push((name, format!("skipped, {why}")));
    }

    /// Prints what ran and how long it took.
    pub(crate) fn finish(self) {
        eprintln!("\n=== all passed in {}", Took(self.started.elapsed()));
        for (name, how) in self.ended {
            eprintln!("    {name:<21}{how}");
        }
    }
}

/// Why a command ended without having done all: one line.
#[derive(Debug)]
pub(crate) struct Failed(String);

impl Failed {
    pub(crate) fn new(why: String) -> Self {
        Self(why)
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The command as one would type it.
pub(crate) fn shown(command: &Command) -> String {
    let quoted = |word: &str| if word.contains(' ') { format!("'{word}'") } else { word.to_owned() };
    let set = command
        .get_envs()
        .filter_map(|(name, value)| Some(format!("{}={}", name.to_string_lossy(), quoted(&value?.to_string_lossy()))));
    let program = match Path::new(command.get_program()) {
        path if path.file_stem().is_some_and(|stem| stem == "cargo") => "cargo".as_ref(),
        path => path.as_os_str(),
    };
    let words = [program].into_iter().chain(command.get_args()).map(|word| quoted(&word.to_string_lossy()));
    set.chain(words).collect::<Vec<_>>().join(" ")
}

struct Took(Duration);

impl fmt::Display for Took {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_secs() {
            0..60 => write!(f, "{:.1} s", self.0.as_secs_f64()),
            seconds => write!(f, "{} min {:02} s", seconds / 60, seconds % 60),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cargo::cargo;

    const HOUR: Duration = Duration::from_secs(3600);

    fn shell(script: &str) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", script]);
        shell
    }

    #[test]
    fn a_failed_step_says_how_and_what_to_run_again() {
        let mut steps = Steps::new(HOUR);
        steps.run("good", shell("true")).unwrap();
        let failed = steps.run("bad", shell("exit 3")).unwrap_err().to_string();
        assert!(failed.starts_with("bad failed after "), "{failed}");
        assert!(failed.ends_with("(exit status: 3); again with: sh -c 'exit 3'"), "{failed}");
    }

    #[test]
    fn a_program_that_is_missing_is_named() {
        let failed = Steps::new(HOUR).run("odd", Command::new("no-such-program")).unwrap_err().to_string();
        assert!(failed.starts_with("odd could not be started: "), "{failed}");
        assert!(failed.ends_with("it is: no-such-program"), "{failed}");
    }

    #[test]
    fn a_step_ends_with_the_time_of_the_run() {
        let failed = Steps::new(Duration::ZERO).run("endless", shell("sleep 1000")).unwrap_err().to_string();
        assert!(failed.starts_with("endless was stopped after "), "{failed}");
    }

    #[test]
    fn a_command_is_shown_as_typed() {
        let mut command = cargo("doc --workspace");
        command.env("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(shown(&command), "RUSTDOCFLAGS='-D warnings' cargo doc --workspace");
    }

    #[test]
    fn a_time_is_short() {
        assert_eq!(Took(Duration::from_millis(59_940)).to_string(), "59.9 s");
        assert_eq!(Took(Duration::from_secs(600)).to_string(), "10 min 00 s");
    }
}
