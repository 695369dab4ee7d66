//! What a measuring program says: lines of a name and a value.

use std::{
    io::{self, Read},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::{
    group::{End, Group},
    steps::{Failed, shown},
};

#[derive(Debug)]
pub(super) struct Figures(String);

impl Figures {
    /// Runs the command, for no longer than `limit`.
    pub(super) fn of(command: &mut Command, limit: Duration) -> Result<Self, Failed> {
        let why = match run(command, limit) {
            Ok((End::Exited(status), said)) if status.success() => return Ok(Self(said)),
            Ok((End::Exited(status), _)) => status.to_string(),
            Ok((End::OutOfTime, _)) => format!("stopped after {} s", limit.as_secs()),
            Err(error) => error.to_string(),
        };
        Err(Failed::new(format!("{why}: {}", shown(command))))
    }

    /// What follows these words.
    pub(super) fn text(&self, name: &str) -> Result<&str, Failed> {
        let value = self.0.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next());
        value.ok_or_else(|| Failed::new(format!("{name} is missing in {:?}", self.0)))
    }

    /// All that was said.
    pub(super) fn lines(&self) -> impl Iterator<Item = &str> {
        self.0.lines()
    }

    pub(super) fn number(&self, name: &str) -> Result<f64, Failed> {
        self.text(name)?
            .trim_end_matches(',')
            .parse()
            .map_err(|_| Failed::new(format!("{name} is no number in {:?}", self.0)))
    }
}

/// How it ended, and what it printed.
fn run(command: &mut Command, limit: Duration) -> io::Result<(End, String)> {
    let mut group = Group::spawn(command.stdin(Stdio::null()).stdout(Stdio::piped()))?;
    // What it prints fits the pipe, so it ends without having been read.
    let end = group.wait(Instant::now() + limit)?;
    let mut said = String::new();
    if let (End::Exited(_), Some(stdout)) = (&end, &mut group.child().stdout) {
        stdout.read_to_string(&mut said)?;
    }
    Ok((end, said))
}

/// The value in the middle.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
