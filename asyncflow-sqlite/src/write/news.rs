//! What a transaction has to tell, once it is committed.

use std::sync::Arc;

use asyncflow_core::{
    JobKey, Record, State,
    store::{Hints, Patch},
};

#[derive(Default)]
pub(super) struct News {
    ready: Vec<Arc<str>>,
    changed: Vec<JobKey>,
    marked: Vec<JobKey>,
}

impl News {
    /// A job is ready.
    pub(super) fn ready(&mut self, flow: &Arc<str>) {
        if !self.ready.contains(flow) {
            self.ready.push(flow.clone());
        }
    }

    /// A record has become this by a patch.
    pub(super) fn changed(&mut self, record: &Record, patch: &Patch) {
        if !patch.quiet {
            self.changed.push(record.job.clone());
        }
        if patch.mark.is_some() {
            self.marked.push(record.job.clone());
        }
        if patch.to == Some(State::Enqueued) {
            self.ready(&record.job.flow);
        }
    }

    pub(super) fn tell(&self, hints: &Hints) {
        self.ready.iter().for_each(|flow| hints.ready(flow));
        self.changed.iter().for_each(|job| hints.changed(job));
        self.marked.iter().for_each(|job| hints.marked(job));
    }
}
