//! The state machine: what may become of a job, and nothing else decides it.
//!
//! ```text
//! Scheduled ──► Enqueued ──► Processing ──► Succeeded | Failed | Cancelled
//!     ▲             ▲             │
//!     └──retry/snooze──┴─lost/drained─┘        (a waiting job ends as Cancelled, or as Failed when it expires)
//! ```
//!
//! Each event is a function of a record and what happened to a guarded patch, or to a refusal. There is no clock here, no I/O and no
//! randomness: times in patches are durations that the store adds to its own time, and chance comes in with the event. A store checks the
//! guard, applies the patch, and knows no rule; on a refused guard it hands the record back and one decides again.

use std::{fmt, sync::Arc, time::Duration};

use crate::{
    job::{JobError, Mark, Progress, Record, State, Tally},
    policy::Policy,
    store::{Due, Facts, Guard, Part, Parts, Patch},
};

/// Leases that a job may lose in all its life, whatever its policy says.
const CRASHES_IN_ALL: u8 = 100;

/// What happened to a job.
#[derive(Clone, Debug)]
pub enum Event {
    /// Its clock hand has passed: a scheduled job becomes ready, a ready one has waited too long, a lease has ended, an ended job is purged.
    Due,
    /// Its lease is known to be lost, whatever the clock says: nobody else has the store open.
    LeaseLost,
    /// Its handler returned this.
    Succeeded(Part),
    /// Its handler failed, panicked or ran out of time.
    Failed {
        /// Why.
        error: JobError,
        /// What the handler asks for.
        wish: Wish,
        /// A random number from 0 to 1, for the retry policy's jitter.
        chance: f64,
    },
    /// Its handler put it off for so long.
    Snoozed(Duration),
    /// Its worker stops working and hands it back.
    Drained,
    /// Its handler was stopped because the job is marked, or was not started for that reason.
    Stopped {
        /// Whether the handler had been started.
        started: bool,
    },
    /// Its worker is alive, and holds it for so long from now on.
    Heartbeat(Duration),
    /// Its handler reports, and its worker holds it for so long from now on.
    Progress(Arc<Progress>, Duration),
    /// Somebody asks it to stop.
    Cancel,
    /// Somebody asks it to stop and be forgotten.
    Delete,
}

/// What a failed handler asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// What the flow's retry policy says.
    Policy,
    /// Another attempt after this long, while the flow's retry policy allows further ones (or has none, then as often as snoozes).
    After(Duration),
    /// No further attempt.
    Never,
}

/// Why an event changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The job has ended.
    Ended,
    /// The job is to be forgotten: there is no such job any more.
    Forgotten,
    /// It was asked before.
    Already,
    /// The event doesn't fit the job's state: whoever brings it holds the job no more, or nothing was asked of it.
    Misplaced,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ended => "the job has ended",
            Self::Forgotten => "the job was deleted",
            Self::Already => "the job was asked before",
            Self::Misplaced => "the event does not fit the job's state",
        })
    }
}

impl std::error::Error for Refusal {}

/// The first facts of a job that is to run after `run_in`, or as soon as there is room.
pub fn submit(run_in: Option<Duration>, priority: i8, policy: &Arc<Policy>) -> Facts {
    let delay = run_in.filter(|delay| !delay.is_zero());
    Facts {
        state: if delay.is_some() { State::Scheduled } else { State::Enqueued },
        due: delay.unwrap_or(policy.expiry),
        lead: policy.lead(priority),
        priority,
        policy: policy.clone(),
    }
}

/// What a ready job becomes when a worker takes it, to hold it for `lease`.
pub fn claim(lease: Duration) -> Patch {
    Patch { to: Some(State::Processing), due: Some(Due::In(lease)), progress: Some(None), ..Patch::default() }
}

/// What becomes of a waiting job when another takes its place, as the one that lives of its key.
pub fn replace(policy: &Policy) -> Patch {
    Patch { to: Some(State::Cancelled), due: Some(Due::Purge(policy.retention.cancelled)), ..Patch::default() }
}

/// Gives a job that has just become ready its place where owners take turns: a spacing behind its owner's last one, and behind what was
/// taken last. So another's first is next after one of each who waits, however many wait and however slow the line is; and who comes again
/// and again with one job is not before those who wait either. `line`: the latest [`ready_at`] of what was taken, while some wait; `last`: that
/// of the owner's last one, while some of the owner's wait. Returns where the line is from then on.
pub fn turn(record: &mut Record, line: Option<i64>, last: Option<i64>) -> i64 {
    let spacing = record.policy.spacing.map_or(0, micros);
    // Where none waits, the line begins anew.
    let line = line.unwrap_or(ready_at(record).saturating_sub(spacing));
    if record.policy.spacing.is_some() {
        let ready = last.map_or(line, |last| last.max(line)).saturating_add(spacing);
        record.rank = ready.saturating_sub(record.policy.lead(record.priority));
    }
    line
}

/// From when on a ready job's rank counts, its priority aside: when it became ready, or in a line of turns where it stands. Microseconds.
pub fn ready_at(record: &Record) -> i64 {
    record.rank.saturating_add(record.policy.lead(record.priority))
}

/// What becomes of the job of this record by this event.
///
/// # Errors
/// Why the event changes nothing.
pub fn decide(record: &Record, event: Event) -> Result<(Guard, Patch), Refusal> {
    match event {
        Event::Due => due(record),
        Event::LeaseLost => lease_lost(record).map(|patch| (Guard::Version(record.version), patch)),
        Event::Cancel => cancel(record).map(|patch| (Guard::Version(record.version), patch)),
        Event::Delete => delete(record).map(|patch| (Guard::Version(record.version), patch)),
        worked => by_worker(record, worked),
    }
}

fn due(record: &Record) -> Result<(Guard, Patch), Refusal> {
    let patch = match record.state {
        State::Scheduled => ready(record),
        State::Enqueued => {
            fail(record, record.tally, JobError::new(JobError::EXPIRED, "the job waited for a worker for too long"))
        }
        State::Processing => lease_lost(record)?,
        State::Succeeded | State::Failed | State::Cancelled => Patch { purge: true, ..Patch::default() },
    };
    Ok((Guard::StillDue { version: record.version, due: record.due }, patch))
}

fn lease_lost(record: &Record) -> Result<Patch, Refusal> {
    if record.state != State::Processing {
        return Err(Refusal::Misplaced);
    }
    let tally = Tally {
        attempts: record.tally.attempts.saturating_add(1),
        crashes: record.tally.crashes.saturating_add(1),
        crashes_in_all: record.tally.crashes_in_all.saturating_add(1),
        ..record.tally
    };
    Ok(if record.mark > Mark::None {
        stop(record, tally)
    } else if tally.crashes >= record.policy.max_crashes || tally.crashes_in_all >= CRASHES_IN_ALL {
        let message = format!("the workers that ran the job were lost, {} in a row", tally.crashes);
        fail(record, tally, JobError::new(JobError::WORKER_LOST, message))
    } else {
        again(record, tally)
    })
}

fn cancel(record: &Record) -> Result<Patch, Refusal> {
    match (record.mark, record.state) {
        (Mark::Forget, _) => Err(Refusal::Forgotten),
        (_, State::Succeeded | State::Failed | State::Cancelled) => Err(Refusal::Ended),
        (_, State::Scheduled | State::Enqueued) => Ok(end(record, State::Cancelled, record.tally, Parts::Keep)),
        (Mark::Cancel, State::Processing) => Err(Refusal::Already),
        (Mark::None, State::Processing) => Ok(Patch { mark: Some(Mark::Cancel), ..Patch::default() }),
    }
}

fn delete(record: &Record) -> Result<Patch, Refusal> {
    let forget = Patch { mark: Some(Mark::Forget), ..Patch::default() };
    match (record.mark, record.state) {
        (Mark::Forget, _) => Err(Refusal::Forgotten),
        (_, State::Processing) => Ok(forget),
        (_, State::Scheduled | State::Enqueued) => Ok(Patch { to: Some(State::Cancelled), ..dismiss(forget) }),
        (_, State::Succeeded | State::Failed | State::Cancelled) => Ok(dismiss(forget)),
    }
}

/// What the worker that holds the job brings. Its guard lets it write without reading first: the token is the fence, and a mark that it did
/// not know when it decided sends the record back.
fn by_worker(record: &Record, event: Event) -> Result<(Guard, Patch), Refusal> {
    let (State::Processing, Some(token)) = (record.state, record.token) else {
        return Err(if record.state.is_ended() { Refusal::Ended } else { Refusal::Misplaced });
    };
    let marked = record.mark > Mark::None;
    let knows = match &event {
        // These undo no mark, whichever it is.
        Event::Heartbeat(_) | Event::Progress(..) => Mark::Forget,
        // A success that comes before the stop is a success.
        Event::Succeeded(_) => record.mark.max(Mark::Cancel),
        _ => record.mark,
    };
    // A run that ended by itself: whatever crashed before it is past.
    let ran = Tally { attempts: record.tally.attempts.saturating_add(1), crashes: 0, ..record.tally };
    let patch = match event {
        Event::Heartbeat(lease) => Patch { due: Some(Due::In(lease)), quiet: true, ..Patch::default() },
        Event::Progress(progress, lease) => {
            Patch { due: Some(Due::In(lease)), progress: Some(Some(progress)), ..Patch::default() }
        }
        Event::Succeeded(_) if record.mark == Mark::Forget => stop(record, ran),
        Event::Succeeded(result) => end(record, State::Succeeded, ran, Parts::Result(result)),
        Event::Failed { error, wish, chance } => failed(record, ran, error, wish, chance),
        Event::Snoozed(_) | Event::Drained if marked => stop(record, ran),
        Event::Snoozed(delay) => snoozed(record, delay),
        Event::Drained => again(record, record.tally),
        Event::Stopped { started } if marked => stop(record, if started { ran } else { record.tally }),
        Event::Stopped { .. } => return Err(Refusal::Misplaced),
        Event::Due | Event::LeaseLost | Event::Cancel | Event::Delete => return Err(Refusal::Misplaced),
    };
    Ok((Guard::Holder { token, started: record.started, knows }, patch))
}

fn failed(record: &Record, ran: Tally, error: JobError, wish: Wish, chance: f64) -> Patch {
    let tally = Tally { failures: ran.failures.saturating_add(1), ..ran };
    if record.mark > Mark::None {
        return stop(record, tally);
    }
    let by_policy = record.policy.retry.after(tally.failures, chance);
    let delay = match wish {
        Wish::Never => None,
        Wish::Policy => by_policy,
        Wish::After(delay) if record.policy.retry == crate::policy::Retry::Never => {
            (tally.failures <= u32::from(record.policy.max_snoozes)).then_some(delay)
        }
        Wish::After(delay) => by_policy.map(|_| delay),
    };
    match delay {
        Some(delay) => put_off(record, tally, delay),
        None => fail(record, tally, error),
    }
}

fn snoozed(record: &Record, delay: Duration) -> Patch {
    let tally = Tally { crashes: 0, snoozes: record.tally.snoozes.saturating_add(1), ..record.tally };
    // Compared before it is counted: the count stops at its largest value, and a job must not go on there for ever.
    if record.tally.snoozes >= record.policy.max_snoozes {
        let message = format!("the job put itself off more than {} times", record.policy.max_snoozes);
        return fail(record, tally, JobError::new(JobError::SNOOZED_TOO_OFTEN, message));
    }
    put_off(record, tally, delay)
}

/// A scheduled job becomes ready now.
fn ready(record: &Record) -> Patch {
    Patch {
        to: Some(State::Enqueued),
        due: Some(Due::In(record.policy.expiry)),
        lead: Some(record.policy.lead(record.priority)),
        ..Patch::default()
    }
}

/// A job that was taken goes back to its old place among those that are ready.
fn again(record: &Record, tally: Tally) -> Patch {
    Patch {
        to: Some(State::Enqueued),
        due: Some(Due::In(record.policy.expiry)),
        tally: Some(tally),
        ..Patch::default()
    }
}

fn put_off(record: &Record, tally: Tally, delay: Duration) -> Patch {
    if delay.is_zero() {
        return Patch { tally: Some(tally), ..ready(record) };
    }
    Patch { to: Some(State::Scheduled), due: Some(Due::In(delay)), tally: Some(tally), ..Patch::default() }
}

fn fail(record: &Record, tally: Tally, error: JobError) -> Patch {
    end(record, State::Failed, tally, Parts::Error(Part::error(&error)))
}

/// The end of a marked job that did not succeed first.
fn stop(record: &Record, tally: Tally) -> Patch {
    let cancelled = end(record, State::Cancelled, tally, Parts::Keep);
    if record.mark == Mark::Forget { dismiss(cancelled) } else { cancelled }
}

fn end(record: &Record, state: State, tally: Tally, parts: Parts) -> Patch {
    let keep = record.policy.retention.after(state);
    Patch { to: Some(state), due: Some(Due::Purge(keep)), tally: Some(tally), parts, ..Patch::default() }
}

/// Nobody runs the job and nobody may read it: its parts go, and its record as soon as it may.
fn dismiss(patch: Patch) -> Patch {
    Patch { due: Some(Due::Purge(Duration::ZERO)), progress: Some(None), parts: Parts::Drop, ..patch }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
