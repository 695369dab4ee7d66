//! A slot at work: one claimed job after another, until none is left.

use std::sync::Arc;

use tokio::time::Instant;

use super::{Slot, attempt, finish::End, panics};
use crate::{
    engine::{Line, Load, Node, Phase},
    flow::{Attempt, Decoded, Ending, Handler, JobContext, Running, Stop},
    job::JobError,
    state::{Event, Wish},
    store::{Claimed, Part},
    trace,
};

/// A claimed job that waits for its slot's turn.
pub(crate) struct Task {
    running: Arc<Running>,
    request: Part,
    /// The request, where it was just read.
    decoded: Option<Decoded>,
    load: Load,
}

impl Node {
    /// A claimed job, as its slot runs it. `decoded`: its request, where it was just read.
    pub(super) fn task(&self, line: &Arc<Line>, claimed: Claimed, decoded: Option<Decoded>) -> Task {
        let Claimed { record, request } = claimed;
        let interval = line.options.progress_interval;
        let now = Instant::now();
        // Counted from before the claim was sent: the store counts from when it came.
        let lease = (now + self.timing.lease).checked_sub(self.timing.call).unwrap_or(now);
        let running = Arc::new(Running::new(record, now, lease, self.reporter.clone(), interval));
        Task { running, load: line.load(request.bytes.len()), request, decoded }
    }

    /// Runs a claimed job in its slot, in a worker's task.
    pub(crate) fn start(self: &Arc<Self>, slot: Slot, claimed: Claimed, decoded: Option<Decoded>) {
        let task = self.task(slot.line(), claimed, decoded);
        self.put_to_work(slot, task);
    }

    /// Runs a claimed job, and then what its slot takes up after it.
    pub(super) async fn serve(&self, slot: Slot, task: Task) {
        let mut next = Some(task);
        loop {
            self.run(slot.line(), &mut next).await;
            if next.is_none() {
                return;
            }
            // Where neither handlers nor the store ever wait, others must have their turn all the same.
            tokio::task::coop::consume_budget().await;
        }
    }

    /// Runs one claimed job to the end of its attempt, and leaves in its place what was claimed with the last write.
    pub(super) async fn run(&self, line: &Arc<Line>, task: &mut Option<Task>) {
        let Some(Task { running, request, decoded, load }) = task.take() else { return };
        // Before the look at whether to start it: a drain's end from then on is told to it.
        let _member = self.crew.enter(running.clone());
        let mut end = End::default();
        end.event = match self.begin_attempt(line, &running, request, decoded) {
            Ok(handler) => {
                let patience = attempt::Patience {
                    timeout: line.options.timeout,
                    grace: self.timing.grace,
                    while_held: line.live.bounds_running(),
                };
                match attempt::run(handler, &running, patience).await {
                    attempt::End::Ended(attempt) => self.event(&running, attempt),
                    attempt::End::Dropped(stop) => self.dropped(stop),
                }
            }
            Err(event) => event,
        };
        drop(load);
        if line.was_short() {
            self.backlog(line);
        }
        // A body that goes on is not handed over, and its record ends with it; but who asked it to stop waits for no body, unless another one
        // might be started beside it.
        if !matches!(end.event, Some(Event::Stopped { .. })) || line.live.bounds_running() {
            running.bodies_ended().await;
        }
        self.finish(line, &running, &mut end, task).await;
        running.bodies_ended().await;
    }

    /// Reads a job's request and makes its handler; where it is not to be started (any more), says what happened instead.
    fn begin_attempt(
        &self,
        line: &Line,
        running: &Arc<Running>,
        request: Part,
        decoded: Option<Decoded>,
    ) -> Result<Handler, Option<Event>> {
        let instead = match running.stop() {
            Stop::Not if self.phase() == Phase::Open => {
                return decoded
                    .map_or_else(|| line.flow.decode(&request), Ok)
                    .map_err(|error| Attempt::failed(JobError::UNDECODABLE_REQUEST, error.to_string()))
                    .and_then(|decoded| self.handler(line, running, decoded))
                    .map_err(|attempt| self.event(running, attempt));
            }
            Stop::Marked => Some(Event::Stopped { started: false }),
            Stop::Lost => None,
            Stop::Not | Stop::TimedOut | Stop::Drained => Some(Event::Drained),
        };
        panics::discard(decoded);
        Err(instead)
    }

    fn handler(&self, line: &Line, running: &Arc<Running>, request: Decoded) -> Result<Handler, Attempt> {
        let job = JobContext(running.clone());
        let handler = line
            .flow
            .clone()
            .start(request, job.clone(), line.options.max_result)
            .ok_or_else(|| Attempt::failed(JobError::UNDECODABLE_REQUEST, "this node cannot run the flow"))?;
        trace::debug!(job = %running.id, flow = %line.name, "an attempt starts");
        let handler = trace::span(&running.record(), handler);
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
