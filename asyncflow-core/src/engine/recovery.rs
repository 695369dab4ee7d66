//! What a node does once a second, and sooner where it knows that something is due: it looks after what is due, whoever's it is, fills
//! idle slots, and sweeps what its readers wait for.

use std::{collections::HashMap, sync::Arc};

use tokio::time::Instant;

use super::node::Node;
use crate::{
    job::{JobId, Record, Stamp, State},
    state::{self, Event},
    store::{Attention, Change, Changed, StoreError},
    trace,
};

/// Records that are looked after at a time.
const PAGE: usize = 256;

/// Looks after the store for as long as the node lives.
pub(super) async fn look_after(node: Arc<Node>) {
    let mut looks = Looks::default();
    let mut tick = Instant::now();
    loop {
        let more = node.recover(&mut looks, tick).await.unwrap_or_else(|error| {
            trace::warning!(error = %error, "what is due could not be looked after");
            false
        });
        if tick <= Instant::now() {
            // Nodes that started together must not knock together. And no sooner than after a whole tick: for each, the runtime's timers
            // wake an idle process more than twice.
            tick = Instant::now() + node.timing.tick.mul_f64(1.0 + 0.4 * node.chance.share());
            node.fill_idle().await;
            if let Err(error) = node.sweep().await {
                trace::debug!(error = %error, "readers' jobs could not be swept");
            }
        }
        if !more {
            node.alarm.wait_until(tick).await;
        }
        node.look_at_held_back();
    }
}

/// Expired leases, and when they were seen first. One is taken for lost only when the same lease is seen expired twice, a heartbeat and the
/// time that it may well take apart by this node's own clock: a clock that jumps, or a store that was away, must not cost healthy work.
#[derive(Default)]
struct Looks(HashMap<JobId, (Stamp, Instant)>);

impl Looks {
    /// Whether this lease was seen expired at least `apart` ago.
    fn again(&mut self, record: &Record, apart: std::time::Duration, now: Instant) -> bool {
        let (due, first) = self.0.entry(record.job.id).or_insert((record.due, now));
        if *due != record.due {
            (*due, *first) = (record.due, now);
        }
        now.duration_since(*first) >= apart
    }
}

impl Node {
    /// Looks after what is due, until this time at the latest: the rest of a tick's work must not wait for all of it. Says whether there may be
    /// more.
    async fn recover(&self, looks: &mut Looks, end: Instant) -> Result<bool, StoreError> {
        loop {
            // Leases that were seen once stand first until they are seen again: what is behind them is looked after all the same.
            let known = looks.0.len();
            let limit = PAGE + 2 * known;
            let Attention { records: due, settings } = self.call(self.store.due(limit)).await?;
            self.take_up(&settings);
            let full = due.len() >= limit;
            let (now, apart) = (Instant::now(), self.timing.heartbeat + self.timing.call / 2);
            let mut seen = Looks::default();
            let mut changes = Vec::new();
            for record in due {
                if record.state == State::Processing && !looks.again(&record, apart, now) {
                    if let Some(look) = looks.0.get(&record.job.id) {
                        seen.0.insert(record.job.id, *look);
                    }
                    continue;
                }
                if let Ok((guard, patch)) = state::decide(&record, Event::Due) {
                    changes.push(Change { job: record.job, guard, patch });
                }
            }
            // A lease that is no longer due is forgotten.
            *looks = seen;
            let mut further = looks.0.len() > known;
            for page in changes.chunks(PAGE) {
                for changed in self.change(page).await? {
                    if let Some(Changed::Applied(record)) = changed {
                        further = true;
                        self.follow(&record, None);
                    }
                }
            }
            // Where nothing new came of it, the rest is left to the next look: a loop without an end would be worse.
            if !full || !further {
                return Ok(false);
            }
            if end <= Instant::now() {
                return Ok(true);
            }
            // Where the store never waits, others must have their turn all the same.
            tokio::task::yield_now().await;
        }
    }

    /// Claims for idle slots, in case word of ready jobs was lost. A claim that is not answered holds its slots, and nobody else.
    async fn fill_idle(self: &Arc<Self>) {
        for line in self.flows.iter().filter(|line| self.takes_up(line) && line.slots.free() > 0) {
            let (node, line) = (self.clone(), line.clone());
            drop(self.begun(Box::pin(async move { node.fill(&line).await })).await);
        }
    }
}
