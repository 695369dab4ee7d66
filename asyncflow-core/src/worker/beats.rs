//! Heartbeats: one task renews the leases of all jobs of a node, apart from the tasks in which their handlers run.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::{
    engine::Node,
    flow::{Running, Stop},
    state::{self, Event},
    store::{Change, Changed},
    trace,
};

/// Leases that one write renews.
const PAGE: usize = 500;

/// Renews leases for as long as the node lives.
pub(crate) async fn keep_leases(node: Arc<Node>) {
    let mut spent = Duration::ZERO;
    loop {
        // A node that runs nothing is not woken for it.
        node.crew.busy().await;
        // From one to the next, not from the answer: what was taken up just behind one whose answer is lost is renewed in time, too.
        tokio::time::sleep(node.timing.heartbeat.saturating_sub(spent)).await;
        let began = Instant::now();
        let running = node.crew.all();
        for page in running.chunks(PAGE) {
            node.beat(page).await;
        }
        spent = began.elapsed();
    }
}

impl Node {
    async fn beat(&self, running: &[Arc<Running>]) {
        let lease = self.timing.lease;
        // Counted from before it is sent: the store counts from when it comes.
        let until = Instant::now() + lease;
        let (jobs, changes) = changes(running, |_| Some(Event::Heartbeat(lease)));
        match self.change(&changes).await {
            Ok(changed) => {
                for (running, changed) in jobs.into_iter().zip(changed) {
                    changed.into_iter().for_each(|changed| hear(running, changed, until));
                }
            }
            Err(error) => trace::warning!(error = %error, "leases could not be renewed"),
        }
    }
}

/// What these jobs' workers ask for, with those who ask.
pub(super) fn changes(
    running: &[Arc<Running>],
    event: impl Fn(&Running) -> Option<Event>,
) -> (Vec<&Arc<Running>>, Vec<Change>) {
    let change = |running: &Arc<Running>| {
        let event = event(running)?;
        let record = running.record();
        let (guard, patch) = state::decide(&record, event).ok()?;
        Some(Change { job: record.job.clone(), guard, patch })
    };
    running.iter().filter_map(|running| Some((running, change(running)?))).unzip()
}

/// Tells a running job what its write brought back.
pub(super) fn hear(running: &Running, changed: Changed, until: Instant) {
    match changed {
        Changed::Applied(record) => {
            running.renewed(until);
            running.heard(record);
        }
        Changed::Refused(_) | Changed::Missing => running.tell(Stop::Lost),
    }
}
