//! The one write that ends an attempt, and takes up the next job with it.

use std::sync::{Arc, atomic::Ordering};

use tokio::time::Instant;

use super::serve::Task;
use crate::{
    engine::{Line, Node, Phase},
    flow::Running,
    job::{JobError, Progress, Record, State},
    pause::Pause,
    state::{self, Event, Wish},
    store::{Answers, Batch, Change, Changed, Due, StoreError},
    trace,
};

impl Node {
    /// Writes what became of a job, until it is written or is another's; an outcome never becomes a failure on the way.
    /// Leaves in `next` the job that was claimed with it, if one was.
    pub(super) async fn finish(&self, line: &Arc<Line>, running: &Running, end: &mut End, next: &mut Option<Task>) {
        end.report = running.last_report();
        let Some(mut batch) = self.ending(line, running, end) else { return };
        // Nothing is taken up behind a body that goes on. The flag stays: all who end meanwhile take up a job in the same way.
        let wanted =
            self.phase() == Phase::Open && line.others_may_wait() && !line.live.is_paused() && !running.is_busy();
        if wanted && line.has_bytes() {
            batch.claims.push(self.claim(line, 1));
        } else if wanted {
            // Whoever fills the slot looks for bytes.
            line.backlog.store(true, Ordering::SeqCst);
        }
        loop {
            let answers = match self.write(&batch).await {
                // Boxed, as all that is rare: what waits in a job's task has its size.
                Err(error) if !matches!(error, StoreError::Rejected(_)) => {
                    Box::pin(self.send_again(running, &batch)).await
                }
                answers => answers,
            };
            // Beside an end that is refused for good, a claim may have been served.
            let claims = if answers.is_err() { std::mem::take(&mut batch.claims) } else { Vec::new() };
            match self.ended(line, running, end, &batch, answers, next) {
                Some(again) => batch = Batch { claims, ..again },
                None => {
                    for claim in claims {
                        let claimed = Box::pin(self.resolve(line, claim)).await.pop();
                        *next = claimed.map(|claimed| self.task(line, claimed, None));
                    }
                    return;
                }
            }
        }
    }

    /// Sends the end as often as need be after a first time: the same batch may be sent again, and it says nothing where the job is
    /// another's. Given up unanswered, a claim in it could be left to nobody: so just a node that is gone gives up, with its lease.
    async fn send_again(&self, running: &Running, batch: &Batch) -> Result<Answers, StoreError> {
        let mut pause = Pause::default();
        loop {
            pause.next().await;
            let last = self.phase() == Phase::Closed && Instant::now() >= running.lease();
            match self.write(batch).await {
                Err(error) if !last && !matches!(error, StoreError::Rejected(_)) => {
                    trace::debug!(job = %running.id, error = %error, "the job's end was not written, and is sent again");
                }
                answers => return answers,
            }
        }
    }

    /// What is to be written of an end; nothing where it changes nothing.
    fn ending(&self, line: &Line, running: &Running, end: &End) -> Option<Batch> {
        let record = running.record();
        let (guard, mut patch) = match state::decide(&record, end.event.clone()?) {
            Ok(decided) => decided,
            Err(refusal) => {
                trace::debug!(job = %running.id, refusal = %refusal, "an attempt's end changes nothing");
                return None;
            }
        };
        if patch.progress.is_none() && end.report.is_some() {
            patch.progress = Some(end.report.clone());
        }
        let becomes = patch.to.unwrap_or(State::Processing);
        if let (Some(Event::Failed { error, .. }), State::Failed) = (&end.event, becomes) {
            let (trace, detail) = (error.trace(), error.detail.as_deref().unwrap_or_default());
            trace::warning!(job = %running.id, flow = %line.name, error = %trace, detail = %detail, "a job failed");
        } else {
            trace::debug!(job = %running.id, flow = %line.name, becomes = %becomes, "an attempt ended");
        }
        let changes = vec![Change { job: record.job.clone(), guard, patch }];
        Some(Batch { changes, ..Batch::default() })
    }

    /// What follows from the store's answer; something to write where one has to decide again.
    fn ended(
        &self,
        line: &Arc<Line>,
        running: &Running,
        end: &mut End,
        batch: &Batch,
        answers: Result<Answers, StoreError>,
        next: &mut Option<Task>,
    ) -> Option<Batch> {
        let mut answers = match answers {
            Ok(answers) => answers,
            // A report never fails its job.
            Err(StoreError::Rejected(_)) if end.report.take().is_some() => return self.ending(line, running, end),
            Err(error @ StoreError::Rejected(_)) if matches!(end.event, Some(Event::Succeeded(_))) => {
                let error = JobError::of(JobError::UNENCODABLE_RESULT, &error);
                end.event = Some(Event::Failed { error, wish: Wish::Never, chance: 0.0 });
                return self.ending(line, running, end);
            }
            Err(error) => {
                trace::warning!(job = %running.id, error = %error, "the job's end could not be written");
                return None;
            }
        };
        if let Some(claimed) = answers.claims.pop().and_then(|taken| self.taken(line, taken).pop()) {
            // There may be more where this came from.
            line.backlog.store(true, Ordering::SeqCst);
            *next = Some(self.task(line, claimed, None));
        }
        match answers.changes.pop() {
            Some(Changed::Applied(record)) => {
                if matches!(end.event, Some(Event::Drained)) && !record.state.is_ended() {
                    self.handed_over.fetch_add(1, Ordering::SeqCst);
                } else if self.phase() > Phase::Open && !matches!(end.event, Some(Event::Stopped { .. })) {
                    self.finished.fetch_add(1, Ordering::SeqCst);
                }
                self.follow(&record, batch.changes.last().and_then(|change| change.patch.due))
            }
            Some(Changed::Refused(record)) if record.is_of_one_claim(&running.record()) => {
                // Marked in between: one decides again.
                running.heard(record);
                return self.ending(line, running, end);
            }
            _ => trace::debug!(job = %running.id, "an attempt's end comes too late: the job is held by it no more"),
        }
        None
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
}

/// The end of an attempt, until it is written.
#[derive(Default)]
pub(super) struct End {
    /// What happened; nothing where nothing is to be written.
    pub(super) event: Option<Event>,
    report: Option<Arc<Progress>>,
}
