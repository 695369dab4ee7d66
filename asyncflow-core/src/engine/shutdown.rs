//! How a node goes.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::time::timeout;

use super::node::{LAST_GRACE, Node, Phase};
use crate::{flow::Stop, trace};

/// How a drain went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Jobs whose attempt ended by itself since the drain began.
    pub finished: usize,
    /// Jobs that went back to wait for another node: not started yet, or told to stop.
    pub handed_over: usize,
    /// Jobs whose body could not be dropped, or whose end could not be written: their leases end by themselves.
    pub cut_off: usize,
    /// Slots for which jobs were claimed, and the store had not answered: what these claims took, if anything, goes to another node when its
    /// lease ends.
    pub unanswered: usize,
}

pub(super) async fn shutdown(node: &Arc<Node>, patience: Duration) -> ShutdownReport {
    node.advance(Phase::Draining);
    node.waiting.wake_all();
    let in_time = node.on_runtime(|| timeout(patience, node.crew.idle())).await;
    if in_time.is_err() {
        for running in node.crew.all() {
            running.tell(Stop::Drained);
        }
        // Long enough for handlers to be dropped and their jobs to be handed back, if the store answers.
        let last = LAST_GRACE.min(node.timing.grace) + node.timing.call;
        let _ = node.on_runtime(|| timeout(last, node.crew.idle())).await;
    }
    let cut_off = node.crew.len();
    let unanswered = node.crew.taken().saturating_sub(cut_off);
    node.advance(Phase::Closed);
    let [finished, handed_over] = [&node.finished, &node.handed_over].map(|jobs| jobs.load(Ordering::SeqCst));
    let report = ShutdownReport { finished, handed_over, cut_off, unanswered };
    trace::debug!(
        finished = report.finished,
        handed_over = report.handed_over,
        cut_off = report.cut_off,
        unanswered = report.unanswered,
        "the node has drained"
    );
    report
}
