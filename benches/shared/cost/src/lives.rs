//! Whole lives of jobs of 100 bytes, asked of a store as an engine asks.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use asyncflow_core::{
    Clock, ManualClock, Record, Store, SystemClock,
    state::{self, Event},
    store::{Batch, Claim, Insert, Part, Pick},
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
    let insert = job(subject);
    let pick = Pick::Job(insert.job.clone());
    let claims = vec![Claim { pick, limits: None, token: subject.token(), patch: state::claim(LEASE) }];
    let taken = subject.write(Batch { inserts: vec![insert], claims, ..Batch::default() }).await.claims.remove(0);
    for claimed in taken.jobs {
        end(subject, claimed.record).await;
    }
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
