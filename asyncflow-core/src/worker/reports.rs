//! Progress: gathered per job, the latest wins, and written by one task for all jobs of a node.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::{sync::Notify, time::Instant};

use super::beats::{changes, hear};
use crate::{engine::Node, flow::Running, state::Event, store::Batch, trace};

/// Reports that one write carries.
const PAGE: usize = 500;

/// Jobs that have something to report.
#[derive(Default)]
pub(crate) struct Reporter {
    queue: Mutex<Vec<Arc<Running>>>,
    wake: Notify,
}

impl Reporter {
    /// A job has something to report.
    pub(crate) fn queue(&self, running: Arc<Running>) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).push(running);
        self.wake.notify_one();
    }

    fn take(&self) -> Vec<Arc<Running>> {
        std::mem::take(&mut self.queue.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Writes reports for as long as the node lives.
pub(crate) async fn write_reports(node: Arc<Node>) {
    let mut later: Vec<(Instant, Arc<Running>)> = Vec::new();
    loop {
        let next = later.iter().map(|(at, _)| *at).min();
        let due = async {
            match next {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = node.reporter.wake.notified() => {}
            () = due => {}
        }
        // Those that ended meanwhile have nothing left to report.
        let due = |running: Arc<Running>| Some((running.report_due()?, running));
        later.extend(node.reporter.take().into_iter().filter_map(due));
        let now = Instant::now();
        let (ready, rest): (Vec<_>, Vec<_>) = later.into_iter().partition(|(at, _)| *at <= now);
        later = rest;
        let ready: Vec<_> = ready.into_iter().map(|(_, running)| running).collect();
        for page in ready.chunks(PAGE) {
            node.report(page).await;
        }
    }
}

impl Node {
    async fn report(&self, running: &[Arc<Running>]) {
        let lease = self.timing.lease;
        let until = Instant::now() + lease;
        let (jobs, changes) = changes(running, |running| Some(Event::Progress(running.take_report()?, lease)));
        if changes.is_empty() {
            return;
        }
        match self.write(&Batch { changes, ..Batch::default() }).await {
            Ok(answers) => {
                for (running, changed) in jobs.into_iter().zip(answers.changes) {
                    hear(running, changed, until);
                }
            }
            // The next report, or the job's end, brings a newer one.
            Err(error) => trace::debug!(error = %error, "progress could not be written"),
        }
    }
}
