//! Progress: gathered per job, the latest wins, and written by one task for all jobs of a node.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::beats::{changes, hear};
use crate::{
    engine::Node,
    flow::Running,
    pause::Pause,
    state::Event,
    store::StoreError,
    sync::{Mutex, Notify},
    trace,
};

/// Reports that one write carries.
const PAGE: usize = 500;
/// The longest until a report that has to wait is looked at again: its job may have ended, and is held no longer for it.
const LOOK: Duration = Duration::from_secs(1);

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
    let mut later: BTreeMap<Instant, Vec<Arc<Running>>> = BTreeMap::new();
    let mut pause = Pause::default();
    loop {
        let next = later.first_key_value().map(|(at, _)| *at);
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
        let now = Instant::now();
        let mut looked_at = node.reporter.take();
        while let Some(first) = later.first_entry().filter(|first| *first.key() <= now) {
            looked_at.extend(first.remove());
        }
        let mut ready = Vec::new();
        for running in looked_at {
            match running.report_due() {
                Some(at) if at <= now => ready.push(running),
                Some(at) => later.entry(at.min(now + LOOK)).or_default().push(running),
                // It ended meanwhile, and has nothing left to report.
                None => {}
            }
        }
        for page in ready.chunks(PAGE) {
            match node.report(page).await {
                Ok(()) => pause = Pause::default(),
                // What could not be written is queued again: a store that fails at once must not be asked without a pause.
                Err(error) => {
                    trace::debug!(error = %error, "progress could not be written, and is written later");
                    pause.next().await;
                }
            }
        }
    }
}

impl Node {
    async fn report(&self, running: &[Arc<Running>]) -> Result<(), StoreError> {
        let lease = self.timing.lease;
        let until = Instant::now() + lease;
        let (jobs, changes) = changes(running, |running| Some(Event::Progress(running.take_report()?, lease)));
        if changes.is_empty() {
            return Ok(());
        }
        let changed = self.change(&changes).await.inspect_err(|_| jobs.iter().copied().for_each(Running::unwritten))?;
        for (running, changed) in jobs.into_iter().zip(changed) {
            running.written();
            changed.into_iter().for_each(|changed| hear(running, changed, until));
        }
        Ok(())
    }
}
