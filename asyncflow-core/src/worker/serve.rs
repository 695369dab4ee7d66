//! A slot at work: one claimed job after another, until none is left.

use std::sync::{Arc, atomic::Ordering};

use super::{Slot, attempt, finish::End, panics};
use crate::{
    engine::{Line, Node, Phase},
    flow::{Attempt, Decoded, Ending, Handler, JobContext, Running, Stop},
    job::JobError,
    state::{Event, Wish},
    store::{Claimed, Part},
};

/// A claimed job that waits for its slot's turn.
pub(crate) struct Task {
    running: Arc<Running>,
    request: Part,
    /// The request, where it was just read.
    decoded: Option<Decoded>,
}

impl Node {
    /// A claimed job, as its slot runs it. `decoded`: its request, where it was just read.
    pub(super) fn task(&self, line: &Line, claimed: Claimed, decoded: Option<Decoded>) -> Task {
        let Claimed { record, request } = claimed;
        let interval = line.options.progress_interval;
        let running = Arc::new(Running::new(record, self.lease_end(), self.reporter.clone(), interval));
        Task { running, request, decoded }
    }

    /// Runs a claimed job in its slot, in a worker's task.
    pub(crate) fn start(self: &Arc<Self>, slot: Slot, claimed: Claimed, decoded: Option<Decoded>) {
        let task = self.task(slot.line(), claimed, decoded);
        self.put_to_work(slot, task);
    }

    /// Runs a claimed job, and then what its slot takes up after it.
    pub(super) async fn serve(&self, slot: Slot, task: Task) {
        let mut next = Some(task);
        while next.is_some() {
            self.run(slot.line(), &mut next).await;
        }
    }

    /// Runs one claimed job to the end of its attempt, and leaves in its place what was claimed with the last write.
    async fn run(&self, line: &Arc<Line>, task: &mut Option<Task>) {
        let mut end = End::default();
        let Some((running, handler)) = self.begin_attempt(line, task, &mut end) else { return };
        let _member = self.crew.enter(running.clone());
        if let Some((handler, load)) = handler {
            let ended = attempt::run(handler, &running, line.options.timeout, self.timing.grace).await;
            drop(load);
            end.event = match ended {
                attempt::End::Ended(attempt) => self.event(&running, attempt),
                attempt::End::Dropped(stop) => self.dropped(stop),
            };
        }
        // A body that goes on is not handed over, and its record ends with it; but who asked it to stop waits for no body.
        if !matches!(end.event, Some(Event::Stopped { .. })) {
            running.bodies_ended().await;
        }
        self.finish(line, &running, &mut end, task).await;
        running.bodies_ended().await;
    }

    /// Takes up a task: reads its request and makes its handler; where it is not to be started (any more), says what happened instead.
    fn begin_attempt<'a>(
        &self,
        line: &'a Arc<Line>,
        task: &mut Option<Task>,
        end: &mut End,
    ) -> Option<(Arc<Running>, Option<(Handler, Load<'a>)>)> {
        let Task { running, request, decoded } = task.take()?;
        end.event = if running.stop() > Stop::Not {
            Some(Event::Stopped { started: false })
        } else if self.phase() > Phase::Open {
            Some(Event::Drained)
        } else {
            let handler = decoded
                .map_or_else(|| line.flow.decode(&request), Ok)
                .map_err(|error| Attempt::failed(JobError::UNDECODABLE_REQUEST, error.to_string()))
                .and_then(|decoded| self.handler(line, &running, decoded));
            match handler {
                Ok(handler) => return Some((running, Some((handler, Load::new(line, request.bytes.len()))))),
                Err(attempt) => self.event(&running, attempt),
            }
        };
        Some((running, None))
    }

    fn handler(&self, line: &Line, running: &Arc<Running>, request: Decoded) -> Result<Handler, Attempt> {
        let job = JobContext(running.clone());
        let handler = line
            .flow
            .clone()
            .start(request, job.clone(), line.options.max_result)
            .ok_or_else(|| Attempt::failed(JobError::UNDECODABLE_REQUEST, "this node cannot run the flow"))?;
        let wrapped = || self.wraps.iter().fold(handler, |handler, wrap| wrap.wrap(job.clone(), handler));
        panics::guard(wrapped)
    }

    /// What happened to the job, as its handler says.
    fn event(&self, running: &Running, Attempt(ending): Attempt) -> Option<Event> {
        match (ending, running.stop()) {
            (_, Stop::Lost) => None,
            (Ending::Succeeded(result), _) => Some(Event::Succeeded(result)),
            // What a handler says when it is told to stop is no failure of its own.
            (_, stop @ (Stop::TimedOut | Stop::Drained)) => self.dropped(stop),
            (Ending::Failed(error, wish), _) => Some(Event::Failed { error, wish, chance: self.chance.share() }),
            (Ending::Snoozed(delay), _) => Some(Event::Snoozed(delay)),
        }
    }

    /// What happened to a job whose handler was stopped.
    fn dropped(&self, stop: Stop) -> Option<Event> {
        match stop {
            Stop::Lost => None,
            Stop::Drained => Some(Event::Drained),
            Stop::TimedOut => Some(Event::Failed {
                error: JobError::new(JobError::TIMED_OUT, "the attempt took longer than its flow allows"),
                wish: Wish::Policy,
                chance: self.chance.share(),
            }),
            Stop::Not | Stop::Marked => Some(Event::Stopped { started: true }),
        }
    }
}

/// Bytes of a request that is worked on.
struct Load<'a> {
    line: &'a Line,
    bytes: usize,
}

impl<'a> Load<'a> {
    fn new(line: &'a Line, bytes: usize) -> Self {
        line.bytes.fetch_add(bytes, Ordering::Relaxed);
        Self { line, bytes }
    }
}

impl Drop for Load<'_> {
    fn drop(&mut self) {
        self.line.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
