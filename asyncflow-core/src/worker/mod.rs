//! One claimed job, from its claim to its outcome, and what keeps the claim.

mod attempt;
mod beats;
mod crew;
mod finish;
mod panics;
mod reports;
mod rest;
#[cfg(all(test, asyncflow_shuttle))]
mod schedules;
mod serve;
mod slots;

use std::sync::{Arc, atomic::Ordering};

use tokio::time::Instant;

pub(crate) use beats::keep_leases;
pub(crate) use crew::Crew;
pub(crate) use panics::{carry, install_hook};
pub(crate) use reports::{Reporter, write_reports};
pub(crate) use rest::Rest;
pub(crate) use slots::{Slot, Slots};

use crate::{
    engine::{Line, Node, Phase},
    job::JobKey,
    pause::Pause,
    store::{Batch, Claimed, StoreError, Taken},
};

/// Jobs that one claim takes at most: what a store hands over at once is bounded.
const AT_ONCE: usize = 64;

/// One node's workers, as an [`Executor`](crate::Executor) serves them.
#[derive(Clone, Debug)]
pub struct Worker {
    node: Arc<Node>,
}

/// What became of a delivered job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Delivery {
    /// It was run, to the end of this attempt.
    Ran,
    /// It is not ready, or not there, or of a flow that this node does not run: nothing is left to do for this delivery.
    NotReady,
    /// The node drains: deliver it elsewhere.
    Draining,
}

impl Worker {
    pub(crate) fn new(node: Arc<Node>) -> Self {
        Self { node }
    }

    /// Waits until there is word of ready jobs for free slots; `false` once the node drains.
    ///
    /// Cancel safe.
    pub async fn word(&self) -> bool {
        tokio::select! {
            biased;
            () = self.draining() => false,
            () = self.node.word.notified() => true,
        }
    }

    /// Waits until the node takes nothing new.
    ///
    /// Cancel safe.
    pub async fn draining(&self) {
        self.node.reached(Phase::Draining).await;
    }

    /// Fills free slots with ready jobs from the store, and returns when no slot is free or no job is ready. The jobs run on.
    pub async fn fill(&self) {
        for line in &self.node.flows {
            if self.node.takes_up(line) && line.backlog.load(Ordering::SeqCst) {
                self.node.fill(line).await;
            }
        }
    }

    /// Claims this job and runs one attempt of it; waits for a free slot first.
    ///
    /// Not cancel safe: a dropped future's job may stay claimed until its lease ends.
    pub async fn deliver(&self, job: JobKey) -> Delivery {
        let Some(line) = self.node.line(&job.flow).filter(|line| self.node.takes_up(line)).cloned() else {
            return Delivery::NotReady;
        };
        let slot = tokio::select! {
            biased;
            () = self.draining() => return Delivery::Draining,
            slot = self.node.next_slot(&line) => slot,
        };
        // It may have been paused meanwhile.
        if !self.node.takes_up(&line) {
            return Delivery::NotReady;
        }
        let claim = self.node.claim_job(&line, job);
        match self.node.resolve(&line, claim).await.pop() {
            Some(claimed) => {
                let mut task = Some(self.node.task(&line, claimed, None));
                self.node.run(&line, &mut task).await;
                // What was taken up with the end of it is no part of this delivery.
                if let Some(next) = task {
                    self.node.put_to_work(slot, next);
                }
                Delivery::Ran
            }
            None => Delivery::NotReady,
        }
    }
}

impl Node {
    /// Fills free slots of a flow, until none is free or no job is ready.
    pub(crate) async fn fill(self: &Arc<Self>, line: &Arc<Line>) {
        loop {
            if !line.has_bytes() {
                line.falls_short();
                // Who has given bytes back before that was said has not seen it.
                if !line.has_bytes() {
                    return;
                }
            }
            let slots = self.slots(line, AT_ONCE);
            if slots.is_empty()
                || self.phase() > Phase::Open
                || line.live.is_paused()
                || !self.fill_slots(line, slots).await
            {
                return;
            }
        }
    }

    /// Fills slots with one claim; says whether there may be more to claim.
    async fn fill_slots(self: &Arc<Self>, line: &Arc<Line>, slots: Vec<Slot>) -> bool {
        // Before the claim is sent: what is inserted after it sets it again.
        line.backlog.store(false, Ordering::SeqCst);
        let (node, line, claim) = (self.clone(), line.clone(), self.claim(line, slots.len()));
        // Where bytes were short rather than jobs, each job that ends has to take up another.
        let bounded = line.bytes_free() < slots.len().saturating_mul(line.options.max_request);
        let backlog = line.clone();
        let filled = Box::pin(async move {
            let claimed = node.resolve(&line, claim).await;
            let bounded = bounded && !claimed.is_empty();
            (node.start_all(slots, claimed), bounded)
        });
        let (more, bounded) = self.uninterrupted(filled).await.unwrap_or_default();
        if more {
            backlog.backlog.store(true, Ordering::SeqCst);
        }
        if bounded {
            backlog.falls_short();
        }
        more
    }

    /// Starts claimed jobs, a slot each; says whether every slot was filled.
    pub(crate) fn start_all(self: &Arc<Self>, slots: Vec<Slot>, claimed: Vec<Claimed>) -> bool {
        let full = claimed.len() >= slots.len();
        for (slot, claimed) in slots.into_iter().zip(claimed) {
            self.start(slot, claimed, None);
        }
        full
    }

    /// What a claim took; what a rate holds back is taken later.
    pub(crate) fn taken(&self, line: &Line, taken: Taken) -> Vec<Claimed> {
        if let Some(wait) = taken.after {
            self.held_back(line, wait);
        }
        taken.jobs
    }

    /// Asks for a claim until it is answered: one whose answer is lost may have taken jobs, and is asked again under the same token. Just a
    /// node that is gone gives up, when what it took is lost anyway.
    pub(crate) async fn resolve(&self, line: &Line, claim: crate::store::Claim) -> Vec<Claimed> {
        let mut pause = Pause::default();
        let mut lease = self.lease_end();
        let batch = Batch { claims: vec![claim], ..Batch::default() };
        loop {
            match self.write(&batch).await {
                Ok(mut answers) => return self.taken(line, answers.claims.pop().unwrap_or_default()),
                Err(error @ StoreError::Rejected(_)) => {
                    crate::trace::warning!(error = %error, "the store can never take a claim");
                    return Vec::new();
                }
                Err(error) => {
                    crate::trace::debug!(error = %error, "a claim was not answered, and is asked again");
                    if self.phase() < Phase::Closed {
                        lease = self.lease_end();
                    } else if Instant::now() >= lease {
                        return Vec::new();
                    }
                    pause.next().await;
                }
            }
        }
    }
}
