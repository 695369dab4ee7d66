//! Whole lives of jobs of 100 bytes, asked of a store as an engine asks.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use asyncflow_core::{
    Clock, ManualClock, Record, Store, SystemClock,
    state::{self, Event},
    store::{Batch, Change, Claim, Insert, Part, Pick},
};
use asyncflow_testkit::store::{LEASE, Subject};

use crate::Failed;

/// Of 100 bytes.
pub(crate) fn part() -> Part {
    Part::json(vec![b'1'; 100])
}

/// A store whose jobs get ids that are made now.
pub(crate) fn subject(store: Arc<dyn Store>) -> Subject {
    Subject::new(store, Arc::new(ManualClock::at(SystemClock.now())))
}

pub(crate) fn job(subject: &Subject) -> Insert {
    Insert { request: part(), ..subject.job() }
}

/// A job that a node with room takes up as it inserts it, and that ends.
pub(crate) async fn live(subject: &Subject) {
    for record in begin(subject, 1).await {
        end(subject, record).await;
    }
}

/// So many jobs that a node with room takes up as it inserts them, in one batch.
async fn begin(subject: &Subject, jobs: usize) -> Vec<Record> {
    let inserts: Vec<_> = (0..jobs).map(|_| job(subject)).collect();
    let claim = |insert: &Insert| {
        let pick = Pick::Job(insert.job.clone());
        Claim { pick, limits: None, token: subject.token(), patch: state::claim(LEASE) }
    };
    let claims = inserts.iter().map(claim).collect();
    let taken = subject.write(Batch { inserts, claims, ..Batch::default() }).await.claims;
    taken.into_iter().flat_map(|taken| taken.jobs).map(|claimed| claimed.record).collect()
}

/// Has so many jobs at a time begin in one batch and end in another, for so long; how many they were. No caller decides how large batches get.
pub(crate) async fn in_batches(subject: &Subject, jobs: usize, time: Duration) -> Result<usize, Failed> {
    let began = Instant::now();
    let mut lives = 0;
    while began.elapsed() < time {
        let end = |record: Record| {
            let (guard, patch) = state::decide(&record, Event::Succeeded(part()))?;
            Ok(Change { job: record.job, guard, patch })
        };
        let changes: Vec<_> = begin(subject, jobs).await.into_iter().map(end).collect::<Result<_, Failed>>()?;
        lives += changes.len();
        subject.write(Batch { changes, ..Batch::default() }).await;
    }
    Ok(lives)
}

pub(crate) async fn end(subject: &Subject, record: Record) {
    subject.event(&record, Event::Succeeded(part())).await;
}

/// Has so many callers live lives for so long; how many they were.
pub(crate) async fn many(subject: &Subject, callers: usize, time: Duration) -> Result<usize, Failed> {
    let began = Instant::now();
    let callers: Vec<_> = (0..callers)
        .map(|_| {
            let subject = subject.clone();
            tokio::spawn(async move {
                let mut lives = 0;
                while began.elapsed() < time {
                    live(&subject).await;
                    lives += 1;
                }
                lives
            })
        })
        .collect();
    let mut lives = 0;
    for caller in callers {
        lives += caller.await?;
    }
    Ok(lives)
}
