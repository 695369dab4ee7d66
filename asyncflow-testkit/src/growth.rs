//! Whether a store stays as small as what it has to keep, however long it runs: for whoever writes a store.
//!
//! Jobs come and end steadily, and each is purged when it has been kept for its time; the clock is turned by hand, so ten days take
//! seconds.

#![allow(clippy::expect_used, reason = "a store that goes wrong panics, as in tests")]

use std::{sync::Arc, time::Duration};

use asyncflow_core::{
    JobError, Policy, Retention,
    state::{self, Event, Wish},
    store::{Batch, Change, Changed, Idempotency, Insert, Inserted, Part},
};

use crate::store::Subject;

/// How long a job is kept, and its idempotency key.
const KEPT: Duration = Duration::from_secs(24 * 3600);
/// Steps into which that is cut.
const STEPS: u32 = 12;
/// Jobs that come in each.
const JOBS: usize = 200;
/// After how many steps the size is measured, and what tends the store from outside may have its turn.
const BETWEEN: u32 = 3;

/// Checks that after ten times the time for which jobs are kept the store is at most 1.3 times as large as after two, by what `size` says
/// it takes in bytes. `size` is asked four times a day; a store that is tended from outside (as by vacuum) is tended there. Returns the size
/// after each time.
///
/// # Panics
/// The store has grown, or keeps what is to be purged.
pub async fn check(subject: &Subject, size: impl AsyncFn() -> u64) -> [u64; 11] {
    let mut after = [0; 11];
    for step in 1..=10 * STEPS {
        work(subject, step).await;
        subject.clock.advance(KEPT / STEPS);
        purge(subject).await;
        if step % BETWEEN == 0 {
            after[(step / STEPS) as usize] = size().await;
        }
    }
    let kept: u64 = subject.states().await.iter().sum();
    assert!(kept <= (STEPS as usize * JOBS) as u64, "{kept} jobs are kept");
    assert!(after[2] > 0, "what is measured is there");
    assert!(after[10] * 10 <= after[2] * 13, "after each time for which jobs are kept: {after:?} bytes");
    after
}

/// Whole lives of some jobs: most succeed, one in ten fails.
async fn work(subject: &Subject, step: u32) {
    let inserts = (0..JOBS).map(|nth| job(subject, step, nth)).collect();
    let inserted = subject.write(Batch { inserts, ..Batch::default() }).await.inserts;
    assert!(inserted.iter().all(|inserted| matches!(inserted, Inserted::Created { .. })), "{inserted:?}");
    let held = subject.take(JOBS).await;
    assert_eq!(held.len(), JOBS, "each is taken");
    let ends = held.into_iter().enumerate().map(|(nth, record)| {
        let event = match nth % 10 {
            0 => Event::Failed { error: JobError::new("Late", "too late"), wish: Wish::Never, chance: 0.0 },
            _ => Event::Succeeded(Part::json(vec![b'1'; 100])),
        };
        let (guard, patch) = state::decide(&record, event).expect("the event fits");
        Change { job: record.job, guard, patch }
    });
    apply(subject, ends.collect()).await;
}

fn job(subject: &Subject, step: u32, nth: usize) -> Insert {
    let policy = Policy { retention: Retention::of(KEPT), ..Policy::default() };
    let key = format!("{step}-{nth}").into();
    Insert {
        facts: state::submit(None, 0, &Arc::new(policy)),
        owner: Some(format!("owner {}", nth % 7).into()),
        request: Part::json(vec![b'1'; 100]),
        idempotency: Some(Idempotency { key, fingerprint: nth as u128, keep: KEPT }),
        ..subject.job()
    }
}

/// What a node does about what is due.
async fn purge(subject: &Subject) {
    loop {
        let due = subject.store.due(JOBS).await.expect("the store reads").records;
        let changes: Vec<_> = due
            .into_iter()
            .filter_map(|record| {
                let (guard, patch) = state::decide(&record, Event::Due).ok()?;
                Some(Change { job: record.job, guard, patch })
            })
            .collect();
        if changes.is_empty() {
            return;
        }
        apply(subject, changes).await;
    }
}

async fn apply(subject: &Subject, changes: Vec<Change>) {
    let changed = subject.write(Batch { changes, ..Batch::default() }).await.changes;
    assert!(changed.iter().all(|changed| matches!(changed, Changed::Applied(_))), "{changed:?}");
}
