//! What a batch has to tell.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use asyncflow_core::{
    JobKey, State,
    store::{Answers, Batch, Changed, Inserted},
};
use tokio_postgres::Row;
use uuid::Uuid;

use super::{claims, kind, nth};
use crate::{database::Shared, floors::BEGINNING, names::Known, row};

/// Flows of which ready jobs were held back until one that runs ends: this node's claims are to be told of that.
#[derive(Default)]
pub(crate) struct HeldBack(Mutex<HashSet<i32>>);

impl HeldBack {
    fn add(&self, flow: i32) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(flow);
    }

    /// A job of this flow runs no more; says whether others were held back.
    fn freed(&self, flow: i32) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&flow)
    }
}

impl Shared {
    pub(super) fn tell(&self, batch: &Batch, answers: &Answers, rows: &[Row], known: &Known) {
        let taken: HashSet<_> =
            answers.claims.iter().flat_map(|taken| &taken.jobs).map(|job| job.record.job.id).collect();
        let flow = |job: &JobKey| known.flow(&job.flow).unwrap_or(-1);
        for (insert, inserted) in batch.inserts.iter().zip(&answers.inserts) {
            let Inserted::Created { created } = inserted else { continue };
            if insert.facts.state == State::Enqueued && !taken.contains(&insert.job.id) {
                // Where owners take turns, its place is the server's to know.
                let turns = insert.facts.policy.spacing.is_some();
                let rank = if turns { BEGINNING } else { insert.record(*created).rank };
                self.post.ready(&insert.job.flow, flow(&insert.job), rank);
            }
        }
        for (change, changed) in batch.changes.iter().zip(&answers.changes) {
            let Changed::Applied(record) = changed else { continue };
            let (job, patch, number) = (&record.job, &change.patch, flow(&record.job));
            if !patch.quiet {
                self.post.changed(job, number);
            }
            if patch.mark.is_some() {
                self.post.marked(job, number);
            }
            let left = patch.purge || patch.to.is_some_and(|to| to != State::Processing);
            if patch.to == Some(State::Enqueued) || (left && self.held_back.freed(number)) {
                self.post.ready(&job.flow, number, record.rank);
            }
        }
        for job in answers.claims.iter().flat_map(|taken| &taken.jobs) {
            self.post.changed(&job.record.job, flow(&job.record.job));
        }
        for row in rows {
            match row.get::<_, i16>(0) {
                kind::REPLACED => {
                    let job = JobKey { flow: batch.inserts[nth(row)].job.flow.clone(), id: row::job_id(row.get(3)) };
                    self.post.changed(&job, flow(&job));
                }
                kind::HELD_BACK if row.get::<_, Option<Uuid>>(3).is_some() => {
                    if let Some(flow) = known.flow(claims::flow(&batch.claims[nth(row)])) {
                        self.held_back.add(flow);
                    }
                }
                _ => {}
            }
        }
    }
}
