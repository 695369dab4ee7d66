//! One job, as the test's engine has it.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use asyncflow_core::{FromPayload, JobError, JobId, Progress, Record, Stamp, State, store::Part};

/// Characters of a request that a failed check shows.
const SHOWN: usize = 200;

/// A job as it was when it was looked at; `Display` shows it in one line.
#[derive(Clone, Debug)]
pub struct TestJob {
    pub(super) record: Record,
    pub(super) request: Option<Part>,
    pub(super) outcome: Option<Part>,
    pub(super) seen: Stamp,
}

impl TestJob {
    /// Its id.
    pub fn id(&self) -> JobId {
        self.record.job.id
    }

    /// The name of its flow.
    pub fn flow(&self) -> &str {
        &self.record.job.flow
    }

    /// Where it is in its life.
    pub fn state(&self) -> State {
        self.record.state
    }

    /// Whose it is, where owners are named.
    pub fn owner(&self) -> Option<&str> {
        self.record.owner.as_deref()
    }

    /// −10 to 10, higher is sooner.
    pub fn priority(&self) -> i8 {
        self.record.priority
    }

    /// How many attempts have ended, with the one that runs.
    pub fn attempts(&self) -> u32 {
        self.record.attempt()
    }

    /// When it becomes ready, where it was put off: by who submitted it, a retry or a snooze.
    pub fn run_at(&self) -> Option<SystemTime> {
        (self.state() == State::Scheduled).then(|| self.record.due.into())
    }

    /// How long after it was looked at it becomes ready; nothing where it is not put off.
    pub fn run_in(&self) -> Option<Duration> {
        (self.state() == State::Scheduled).then(|| self.record.due.since(self.seen))
    }

    /// What its latest attempt reported last.
    pub fn progress(&self) -> Option<&Arc<Progress>> {
        self.record.progress.as_ref()
    }

    /// All that the store knows of it beside its bytes.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// What it was given.
    ///
    /// # Panics
    /// It cannot be read as a `T`, or is gone: a job that succeeded keeps its result alone.
    #[track_caller]
    pub fn request<T: FromPayload>(&self) -> T {
        let Some(part) = &self.request else { panic!("the request is gone, with the job's end: {self}") };
        match T::from_payload(part) {
            Ok(request) => request,
            Err(error) => panic!("the request is no `{}`: {error}; {self}", std::any::type_name::<T>()),
        }
    }

    /// What it gave.
    ///
    /// # Panics
    /// It has not succeeded (the message says why, also where it is to be tried again), or its result cannot be read as a `T`.
    #[track_caller]
    pub fn result<T: FromPayload>(&self) -> T {
        let part = match (self.state(), &self.outcome) {
            (State::Succeeded, Some(part)) => part,
            _ => panic!("expected: the job to have succeeded\nfound:    {self}"),
        };
        match T::from_payload(part) {
            Ok(result) => result,
            Err(error) => panic!("the result is no `{}`: {error}; {self}", std::any::type_name::<T>()),
        }
    }

    /// Why it failed.
    ///
    /// # Panics
    /// It has not failed.
    #[track_caller]
    pub fn error(&self) -> JobError {
        match self.failure() {
            Some(error) => error,
            None => panic!("expected: the job to have failed\nfound:    {self}"),
        }
    }

    fn failure(&self) -> Option<JobError> {
        let part = self.outcome.as_ref().filter(|_| self.state() == State::Failed)?;
        JobError::from_part(part).ok()
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.state().is_waiting()
    }

    /// The request as text, as far as it is one.
    fn shown(&self) -> String {
        let Some(part) = &self.request else { return "no request any more".into() };
        let text = match std::str::from_utf8(&part.bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => format!("{part:?}"),
        };
        match text.char_indices().nth(SHOWN) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text,
        }
    }
}

impl fmt::Display for TestJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.flow(), self.id(), self.state())?;
        if let Some(delay) = self.run_in() {
            write!(f, ", ready in {delay:?}")?;
        }
        if let Some(owner) = self.owner() {
            write!(f, ", owner {owner:?}")?;
        }
        if self.priority() != 0 {
            write!(f, ", priority {}", self.priority())?;
        }
        if self.attempts() > 0 {
            write!(f, ", attempt {}", self.attempts())?;
        }
        write!(f, ": {}", self.shown())?;
        if let Some(error) = self.failure() {
            write!(f, "\n{}", error.trace())?;
            if let Some(detail) = &error.detail {
                write!(f, "\n{detail}")?;
            }
        }
        Ok(())
    }
}
