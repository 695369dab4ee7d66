//! What happened, in order, for people.

use std::fmt;

use asyncflow_core::JobId;

/// Everything that happened, if it is written down.
#[derive(Debug, Default)]
pub(super) struct Story {
    written: bool,
    now: u64,
    lines: Vec<Line>,
}

#[derive(Debug)]
struct Line {
    at: u64,
    job: Option<JobId>,
    text: String,
}

impl Story {
    pub(super) fn new(written: bool) -> Self {
        Self { written, ..Self::default() }
    }

    /// The time of what is told from now on, in milliseconds since the beginning.
    pub(super) fn turn(&mut self, now: u64) {
        self.now = now;
    }

    /// Tells of one job.
    pub(super) fn of(&mut self, job: JobId, text: fmt::Arguments<'_>) {
        self.add(Some(job), text);
    }

    /// Tells of all.
    pub(super) fn tell(&mut self, text: fmt::Arguments<'_>) {
        self.add(None, text);
    }

    fn add(&mut self, job: Option<JobId>, text: fmt::Arguments<'_>) {
        if self.written {
            self.lines.push(Line { at: self.now, job, text: text.to_string() });
        }
    }

    /// What concerns this job, or all of it.
    pub(super) fn about(&self, job: Option<JobId>) -> String {
        use fmt::Write;
        let mut text = String::new();
        for line in &self.lines {
            if job.is_some() && line.job.is_some() && line.job != job {
                continue;
            }
            let seconds = (line.at / 1000, line.at % 1000);
            // Writing to a string cannot fail.
            let _ = match line.job.filter(|_| job.is_none()) {
                Some(id) => writeln!(text, "{:>5}.{:03} s  {id}  {}", seconds.0, seconds.1, line.text),
                None => writeln!(text, "{:>5}.{:03} s  {}", seconds.0, seconds.1, line.text),
            };
        }
        text
    }
}
