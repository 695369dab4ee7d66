//! A slot at work: one claimed job after another, until none is left.

use std::sync::Arc;

use super::{Slot, attempt};
use crate::{
    engine::{Line, Node, Phase},
    flow::{Attempt, Decoded, Ending, Running, Stop},
    job::{JobError, Mark},
    state::{Event, Wish},
    store::Claimed,
};

impl Node {
    /// Runs a claimed job in its slot, in a task of its own. `decoded`: its request, where it was just read.
    pub(crate) fn start(self: &Arc<Self>, slot: Slot, claimed: Claimed, decoded: Option<Decoded>) {
        self.runtime.spawn(self.clone().serve(slot, claimed, decoded));
    }

    /// Runs a claimed job, and then what its slot takes up after it.
    pub(super) async fn serve(self: Arc<Self>, slot: Slot, claimed: Claimed, decoded: Option<Decoded>) {
        let mut next = self.run(slot.line(), claimed, decoded).await;
        while let Some(claimed) = next {
            next = self.run(slot.line(), claimed, None).await;
        }
    }

    /// Runs one claimed job to the end of its attempt; gives what was claimed with the last write, if anything was.
    async fn run(&self, line: &Arc<Line>, claimed: Claimed, decoded: Option<Decoded>) -> Option<Claimed> {
        let Claimed { record, request } = claimed;
        let (mark, bytes) = (record.mark, Load::new(line, request.bytes.len()));
        let running =
            Arc::new(Running::new(record, self.lease_end(), self.reporter.clone(), line.options.progress_interval));
        let _member = self.crew.enter(running.clone());
        if mark > Mark::None {
            return self.finish(line, &running, Event::Stopped { started: false }).await;
        }
        if self.phase() > Phase::Open {
            return self.finish(line, &running, Event::Drained).await;
        }
        let handler = decoded
            .map_or_else(|| line.flow.decode(&request), Ok)
            .map_err(|error| Attempt::failed(JobError::UNDECODABLE_REQUEST, error.to_string()))
            .and_then(|request| self.handler(line, &running, request));
        drop(request);
        let event = match handler {
            Ok(handler) => match attempt::run(handler, &running, line.options.timeout, self.timing.grace).await {
                attempt::End::Ended(attempt) => self.event(&running, attempt),
                attempt::End::Dropped(stop) => self.dropped(stop),
            },
            Err(attempt) => self.event(&running, attempt),
        };
        drop(bytes);
        let Some(event) = event else {
            running.bodies_ended().await;
            return None;
        };
        // A body that goes on is not handed over, and its record ends with it; but who asked it to stop waits for no body.
        if !matches!(event, Event::Stopped { .. }) {
            running.bodies_ended().await;
        }
        let next = self.finish(line, &running, event).await;
        running.bodies_ended().await;
        next
    }

    fn handler(&self, line: &Line, running: &Arc<Running>, request: Decoded) -> Result<crate::flow::Handler, Attempt> {
        let job = crate::flow::JobContext(running.clone());
        let handler = line
            .flow
            .clone()
            .start(request, job.clone(), line.options.max_result)
            .ok_or_else(|| Attempt::failed(JobError::UNDECODABLE_REQUEST, "this node cannot run the flow"))?;
        let wrapped = || self.wraps.iter().fold(handler, |handler, wrap| wrap.wrap(job.clone(), handler));
        super::panics::guard(wrapped)
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
        line.bytes.fetch_add(bytes, std::sync::atomic::Ordering::Relaxed);
        Self { line, bytes }
    }
}

impl Drop for Load<'_> {
    fn drop(&mut self) {
        self.line.bytes.fetch_sub(self.bytes, std::sync::atomic::Ordering::Relaxed);
    }
}
