//! Batches: while one is on its way, the next gathers.

use std::{collections::HashSet, sync::Arc};

use tokio::sync::{Semaphore, mpsc};

use super::{Coalescing, asks};
use crate::{
    job::JobId,
    store::{Answers, Batch, Pick, Store, StoreError},
};

/// Turns at which a batch that had company lets others come along.
const TURNS: usize = 3;
/// Batches that wait for another of the same job at most, before the others wait with them.
const MOST_LATER: usize = 4096;

pub(super) type Ask = asks::Ask<Batch, Answers>;

/// Gathers what is asked and sends it, until nobody can ask any more.
pub(super) async fn drive<S: Store>(store: Arc<S>, mut queue: mpsc::Receiver<Ask>, coalescing: Coalescing) {
    let permits = Arc::new(Semaphore::new(coalescing.in_flight));
    let mut gathering = Gathering::default();
    let mut company = false;
    loop {
        if gathering.asks.is_empty() {
            let Some(ask) = queue.recv().await else { return };
            gathering.add(ask);
        }
        // Never closed: what waits for it comes at once or when a batch is back.
        let Ok(permit) = permits.clone().acquire_owned().await else { return };
        gathering.drain(&mut queue, coalescing);
        for _ in 0..if company { TURNS } else { 0 } {
            // Those who were just answered are about to ask again.
            tokio::task::yield_now().await;
            gathering.drain(&mut queue, coalescing);
        }
        let asks = gathering.take();
        company = asks.len() > 1;
        if asks.is_empty() {
            continue;
        }
        let store = store.clone();
        tokio::spawn(async move {
            asks::answer(asks, |asks| write(store.clone(), asks)).await;
            drop(permit);
        });
    }
}

/// What goes along in the next batch, and what has to wait for the one after.
#[derive(Default)]
struct Gathering {
    asks: Vec<Ask>,
    entries: usize,
    bytes: usize,
    changed: HashSet<JobId>,
    later: Vec<Ask>,
}

impl Gathering {
    fn drain(&mut self, queue: &mut mpsc::Receiver<Ask>, most: Coalescing) {
        while self.entries < most.entries && self.bytes < most.bytes && self.later.len() < MOST_LATER {
            let Ok(ask) = queue.try_recv() else { break };
            self.add(ask);
        }
    }

    fn add(&mut self, ask: Ask) {
        let Batch { inserts, changes, claims } = &ask.asked;
        // A batch has one change a job: another waits.
        if changes.iter().any(|change| self.changed.contains(&change.job.id)) {
            self.later.push(ask);
            return;
        }
        self.entries += inserts.len() + changes.len() + claims.len();
        self.bytes += ask.asked.bytes();
        self.changed.extend(changes.iter().map(|change| change.job.id));
        self.asks.push(ask);
    }

    /// What is to be sent now: not what nobody waits for any more.
    fn take(&mut self) -> Vec<Ask> {
        let Self { mut asks, later, .. } = std::mem::take(self);
        later.into_iter().for_each(|ask| self.add(ask));
        asks.retain(|ask| !ask.is_given_up());
        // First those who name the job they take: a new one goes to the claim that came with it, which a store can do in one step.
        asks.sort_by_key(|ask| ask.asked.claims.iter().any(|claim| matches!(claim.pick, Pick::Next { .. })));
        asks
    }
}

/// Writes batches as one; the answers of each.
fn write<S: Store>(store: Arc<S>, asks: &[Ask]) -> impl Future<Output = Result<Vec<Answers>, StoreError>> + use<S> {
    let mut merged = Batch::default();
    for Ask { asked, .. } in asks {
        merged.inserts.extend(asked.inserts.iter().cloned());
        merged.changes.extend(asked.changes.iter().cloned());
        merged.claims.extend(asked.claims.iter().cloned());
    }
    let sizes: Vec<_> = asks.iter().map(|ask| size(&ask.asked)).collect();
    async move {
        let answers = whole(&merged, store.write(&merged).await?)?;
        let (mut inserts, mut changes, mut claims) =
            (answers.inserts.into_iter(), answers.changes.into_iter(), answers.claims.into_iter());
        let each = |[of_inserts, of_changes, of_claims]: [usize; 3]| Answers {
            inserts: inserts.by_ref().take(of_inserts).collect(),
            changes: changes.by_ref().take(of_changes).collect(),
            claims: claims.by_ref().take(of_claims).collect(),
        };
        Ok(sizes.into_iter().map(each).collect())
    }
}

fn size(batch: &Batch) -> [usize; 3] {
    [batch.inserts.len(), batch.changes.len(), batch.claims.len()]
}

/// Answers to all that was asked: others could be given to the wrong caller.
fn whole(batch: &Batch, answers: Answers) -> Result<Answers, StoreError> {
    let (asked, answered) = (size(batch), [answers.inserts.len(), answers.changes.len(), answers.claims.len()]);
    match asked == answered {
        true => Ok(answers),
        false => Err(StoreError::unavailable(format_args!("it answered {answered:?} entries of {asked:?}"))),
    }
}
