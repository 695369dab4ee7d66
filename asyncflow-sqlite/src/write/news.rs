//! What a transaction has to tell, once it is committed.

use std::{collections::HashSet, sync::Arc};

use asyncflow_core::{
    JobKey, Record, State,
    store::{Hints, Patch},
};

/// Keys that are remembered one by one as held back.
const MOST_HELD_BACK: usize = 4096;

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

/// Flows and keys of which ready jobs were held back until one that runs ends: this process's claims are to be told of that.
#[derive(Default)]
pub(super) struct HeldBack(HashSet<(i64, Option<Arc<str>>)>);

impl HeldBack {
    /// Jobs of this key were held back, or of the whole flow.
    pub(super) fn add(&mut self, flow: i64, key: Option<&Arc<str>>) {
        if self.0.len() >= MOST_HELD_BACK {
            // News may be lost, and this be told of another key's sake: who looks for jobs looks again.
            self.0 = self.0.drain().map(|(flow, _)| (flow, None)).collect();
        }
        self.0.insert((flow, key.cloned()));
    }

    /// A job of this key runs no more; says whether others were held back for its sake.
    pub(super) fn freed(&mut self, flow: i64, key: Option<&Arc<str>>) -> bool {
        // None of them is left out: each is forgotten.
        !self.0.is_empty()
            && (self.0.remove(&(flow, None)) | key.is_some_and(|key| self.0.remove(&(flow, Some(key.clone())))))
    }
}
