//! What clients were answered: it must be true, and stay so.

use std::{sync::Arc, time::Duration};

use asyncflow_core::{Cancelled, JobId, Mark, Record, Stamp, State, store::Part};

use super::{ENDS, Judge, NO_WAY_BACK, ONE_OUTCOME, Use, writes::run_of};

/// What was answered of a job before a request was sent: no later answer may fall behind it.
#[derive(Clone, Copy, Debug, Default)]
pub(in super::super) struct Known {
    version: u64,
    ended: Option<State>,
    gone: bool,
}

/// What a client calls what it submits.
pub(in super::super) struct Called {
    pub(in super::super) flow: Arc<str>,
    pub(in super::super) owner: Option<Arc<str>>,
    pub(in super::super) key: Arc<str>,
    /// For how long it counts on it.
    pub(in super::super) keep: Duration,
}

impl Judge {
    /// What is known of a job when a request about it is sent.
    pub(in super::super) fn known(&self, job: JobId) -> Known {
        self.by_id.get(&job).map_or_else(Known::default, |index| self.cases[*index].known)
    }

    /// A job was accepted, and when it was made where the client has called it something.
    pub(in super::super) fn accepted(&mut self, job: JobId, called: Option<(Called, Stamp)>) {
        self.counts.answers += 1;
        self.story.of(job, format_args!("a client is told that it is accepted"));
        if !self.by_id.contains_key(&job) {
            self.rule(ENDS, None, format_args!("a job is accepted that was never inserted: {job}"));
        }
        let Some((Called { flow, owner, key, keep }, created)) = called else { return };
        let name = (flow, owner, key);
        // How long a key is remembered is said with its first use, which may have been another client's.
        let until = self.keys.get(&name).map_or(created + keep, |used| used.until.min(created + keep));
        let first = self.answered.entry(name).or_insert(Use { id: job, until });
        if first.until <= self.store_latest {
            *first = Use { id: job, until };
        } else if first.id != job {
            let first = first.id;
            self.rule(ONE_OUTCOME, None, format_args!("a client is told two jobs for one key: {first} and {job}"));
        }
    }

    /// A job was read. `known`: what was known when the request was sent.
    pub(in super::super) fn read(&mut self, job: JobId, known: Known, record: Option<&Record>) {
        self.counts.answers += 1;
        let Some(index) = self.by_id.get(&job).copied() else { return };
        let case = &self.cases[index];
        let Some(record) = record else {
            self.story.of(job, format_args!("a client is told that it is not there"));
            if !known.gone && !case.purged && case.record.mark < Mark::Forget {
                self.rule(ENDS, Some(index), format_args!("an accepted job is not there"));
            }
            return;
        };
        self.story.of(job, format_args!("a client is told that it is {}, v{}", record.state, record.version));
        if known.gone {
            self.rule(NO_WAY_BACK, Some(index), format_args!("a deleted job is shown"));
        }
        if record.version < known.version || known.ended.is_some_and(|ended| record.state != ended) {
            let text = format_args!("v{} {} is shown after v{}", record.version, record.state, known.version);
            self.rule(NO_WAY_BACK, Some(index), text);
        }
        let now = &mut self.cases[index].known;
        now.version = now.version.max(record.version);
        if record.state.is_ended() {
            now.ended = Some(record.state);
        }
    }

    /// A result was read.
    pub(in super::super) fn result(&mut self, job: JobId, part: &Part) {
        self.counts.answers += 1;
        let Some(index) = self.by_id.get(&job).copied() else { return };
        let (shown, kept) = (run_of(part), self.cases[index].outcome);
        if shown.is_some() && shown != kept {
            self.rule(ONE_OUTCOME, Some(index), format_args!("the result of run {shown:?} is shown, not of {kept:?}"));
        }
    }

    /// A cancel was answered.
    pub(in super::super) fn cancelled(&mut self, job: JobId, known: Known, answer: &Cancelled) {
        match answer {
            Cancelled::Asked(record) => {
                self.story.of(job, format_args!("a client is told that it is asked to stop"));
                if let Some(index) = self.by_id.get(&job) {
                    self.cases[*index].cancelled = true;
                }
                self.read(job, known, Some(record));
            }
            Cancelled::Ended(record) => self.read(job, known, Some(record)),
            Cancelled::Missing => self.read(job, known, None),
        }
    }

    /// A delete was answered.
    pub(in super::super) fn deleted(&mut self, job: JobId, known: Known, was_there: bool) {
        if !was_there {
            return self.read(job, known, None);
        }
        self.counts.answers += 1;
        self.story.of(job, format_args!("a client is told that it is deleted"));
        if let Some(index) = self.by_id.get(&job) {
            self.cases[*index].known.gone = true;
        }
    }

    /// At the end: what was answered has come true.
    pub(in super::super) fn kept_word(&mut self) {
        let undone = |case: &super::Case| case.cancelled && case.record.state == State::Failed;
        if let Some(index) = self.cases.iter().position(undone) {
            self.rule(NO_WAY_BACK, Some(index), format_args!("a cancelled job failed in the end"));
        }
    }
}
