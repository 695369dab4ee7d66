//! How an engine and its jobs fare.

use std::{sync::Arc, time::Duration};

use super::{
    EngineError,
    node::{Node, Phase},
};
use crate::{job::State, store::StoreError};

/// Whether a node can serve.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Health {
    /// It takes jobs; it does not while it drains.
    pub open: bool,
    /// Whether its store can be read and written.
    pub store: Result<(), StoreError>,
    /// Jobs that it runs.
    pub running: usize,
}

impl Health {
    /// Whether requests should be sent to the node.
    pub fn is_ready(&self) -> bool {
        self.open && self.store.is_ok()
    }
}

/// How many jobs there are, by flow.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Stats {
    /// One entry a flow, in the order of their registration.
    pub flows: Vec<FlowStats>,
}

/// How many jobs of a flow there are in the store, whichever node runs them.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FlowStats {
    /// The flow's name.
    pub flow: Arc<str>,
    /// Jobs that wait to be run, put off ones included.
    pub waiting: u64,
    /// Those of them that are put off.
    pub scheduled: u64,
    /// Jobs that run.
    pub running: u64,
    /// Jobs that succeeded and are kept still.
    pub succeeded: u64,
    /// Jobs that failed and are kept still.
    pub failed: u64,
    /// Jobs that were cancelled and are kept still.
    pub cancelled: u64,
    /// How long the job that is next in line has been there; of jobs of one priority, it is the oldest.
    pub oldest: Option<Duration>,
}

pub(super) async fn health(node: &Node) -> Health {
    Health { open: node.phase() == Phase::Open, store: node.call(node.store.check()).await, running: node.crew.len() }
}

pub(super) async fn stats(node: &Node) -> Result<Stats, EngineError> {
    let mut stats = Stats::default();
    let now = node.clock.now();
    for line in &node.flows {
        let counts = node.call(node.store.counts(&line.name)).await?;
        stats.flows.push(FlowStats {
            flow: line.name.clone(),
            waiting: counts.waiting(),
            scheduled: counts.of(State::Scheduled),
            running: counts.of(State::Processing),
            succeeded: counts.of(State::Succeeded),
            failed: counts.of(State::Failed),
            cancelled: counts.of(State::Cancelled),
            oldest: counts.oldest.map(|oldest| now.since(oldest)),
        });
    }
    Ok(stats)
}
