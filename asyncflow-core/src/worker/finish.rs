//! The one write that ends an attempt, and takes up the next job with it.

use std::sync::{Arc, atomic::Ordering};

use super::Pause;
use crate::{
    engine::{Line, Node, Phase},
    flow::Running,
    job::{JobError, Record, State},
    state::{self, Event, Wish},
    store::{Batch, Change, Changed, Claim, Claimed, Due, StoreError},
    trace,
};

impl Node {
    /// Writes what became of a job, until it is written, is another's, or its lease is over; an outcome never becomes a failure on the way.
    /// Gives the job that was claimed with it, if one was.
    pub(super) async fn finish(&self, line: &Arc<Line>, running: &Running, mut event: Event) -> Option<Claimed> {
        let report = running.last_report();
        let mut claim = self.next(line);
        let mut next = None;
        let mut decided = state::decide(&running.record(), event.clone());
        loop {
            let (guard, mut patch) = match decided {
                Ok(decided) => decided,
                Err(refusal) => {
                    trace::debug!(job = %running.id, refusal = %refusal, "an attempt's end changes nothing");
                    break;
                }
            };
            if patch.progress.is_none() && report.is_some() {
                patch.progress = Some(report.clone());
            }
            self.announce(&event, running, patch.to);
            let due = patch.due;
            let change = Change { job: running.record().job.clone(), guard, patch };
            match self.write_end(running, change, claim.take()).await {
                Ok((changed, claimed)) => {
                    next = claimed.or(next);
                    match changed {
                        Some(Changed::Refused(record)) if record.token == running.record().token => {
                            // Marked in between: one decides again.
                            running.heard(record);
                            decided = state::decide(&running.record(), event.clone());
                        }
                        Some(Changed::Applied(record)) => {
                            self.follow(&record, due);
                            break;
                        }
                        _ => {
                            trace::debug!(job = %running.id, "an attempt's end comes too late: the job is held by it no more");
                            break;
                        }
                    }
                }
                Err(error @ StoreError::Rejected(_)) => {
                    let failed = JobError::of(JobError::UNENCODABLE_RESULT, &error);
                    if matches!(event, Event::Failed { .. }) {
                        trace::warning!(job = %running.id, error = %error, "the store does not take the job's end");
                        break;
                    }
                    event = Event::Failed { error: failed, wish: Wish::Never, chance: 0.0 };
                    decided = state::decide(&running.record(), event.clone());
                }
                Err(error) => {
                    trace::warning!(job = %running.id, error = %error, "the job's end could not be written while its lease lasted");
                    break;
                }
            }
        }
        if next.is_some() {
            // There may be more where this came from.
            line.backlog.store(true, Ordering::SeqCst);
        }
        next
    }

    /// A claim to send along, if there may be something to claim.
    fn next(&self, line: &Line) -> Option<Claim> {
        let wanted = self.phase() == Phase::Open && line.backlog.swap(false, Ordering::SeqCst);
        wanted.then(|| self.claim(line, 1))
    }

    /// Sends the end, with the claim, as often as need be: the same batch may be sent again.
    async fn write_end(
        &self,
        running: &Running,
        change: Change,
        claim: Option<Claim>,
    ) -> Result<(Option<Changed>, Option<Claimed>), StoreError> {
        let batch = Batch { changes: vec![change], claims: claim.into_iter().collect(), ..Batch::default() };
        let mut pause = None;
        loop {
            match self.write(&batch).await {
                Ok(mut answers) => {
                    let claimed = answers.claims.pop().and_then(|mut claimed| claimed.pop());
                    return Ok((answers.changes.pop(), claimed));
                }
                Err(error @ StoreError::Rejected(_)) => return Err(error),
                Err(error) => {
                    trace::debug!(job = %running.id, error = %error, "the job's end was not written, and is sent again");
                    // A heartbeat may have renewed the lease meanwhile.
                    let pause = pause.get_or_insert_with(Pause::default);
                    if !pause.wait_until(running.lease()).await {
                        return Err(error);
                    }
                }
            }
        }
    }

    /// What this node does about a job that goes on: it looks after short delays itself.
    pub(crate) fn follow(&self, record: &Record, due: Option<Due>) {
        match (record.state, due) {
            (State::Scheduled, Some(Due::In(delay))) => self.alarm.set(delay),
            (State::Enqueued, _) => {
                if let Some(line) = self.line(&record.job.flow) {
                    self.backlog(line);
                }
            }
            _ => {}
        }
    }

    fn announce(&self, event: &Event, running: &Running, to: Option<State>) {
        let state = to.unwrap_or(State::Processing);
        if let Event::Failed { error, .. } = event {
            let (trace, detail) = (error.trace(), error.detail.as_deref().unwrap_or_default());
            trace::warning!(job = %running.id, flow = %running.record().job.flow, becomes = %state, error = %trace, detail = %detail, "an attempt failed");
        } else {
            trace::debug!(job = %running.id, flow = %running.record().job.flow, becomes = %state, "an attempt ended");
        }
    }
}
