//! How many jobs may wait.

use std::{sync::Arc, time::Duration};

use asyncflow_core::{
    Policy, Stamp,
    state::{self, Event},
    store::{Batch, Insert, Inserted, PartName, Pick, Room},
};

use super::subject::{Subject, key, named};

fn within(subject: &Subject, waiting: u64) -> Insert {
    Insert { room: Room { waiting, waiting_per_owner: None }, ..subject.job() }
}

fn owned(subject: &Subject, owner: &str, waiting_per_owner: u64) -> Insert {
    Insert {
        owner: Some(owner.into()),
        room: Room { waiting: 100, waiting_per_owner: Some(waiting_per_owner) },
        ..subject.job()
    }
}

/// Where as many wait as may, an insert is refused, and leaves nothing.
pub async fn no_more_than_may_wait(subject: &Subject) {
    for _ in 0..3 {
        subject.add(within(subject, 3)).await;
    }
    let full = within(subject, 3);
    assert_eq!(subject.insert(&full).await, Inserted::Full);
    assert_eq!(subject.get(&full.job).await, None);
    assert_eq!(subject.part(&full.job, PartName::Request).await, None);
    assert_eq!(subject.states().await, [0, 3, 0, 0, 0, 0]);
    let elsewhere = Insert { job: key("other", subject.id()), ..within(subject, 3) };
    subject.add(elsewhere).await;
}

/// Jobs that are scheduled or ready wait; those that run or have ended don't. A job that comes back from its worker needs no room.
pub async fn waiting_is_scheduled_or_ready(subject: &Subject) {
    let facts = state::submit(Some(Duration::from_secs(60)), 0, &Arc::new(Policy::default()));
    let scheduled = subject.add(Insert { facts, ..within(subject, 2) }).await;
    let ready = subject.add(within(subject, 2)).await;
    assert_eq!(subject.insert(&within(subject, 2)).await, Inserted::Full);
    let held = subject.claim(Pick::Job(ready.job), subject.token()).await.remove(0).record;
    subject.add(within(subject, 2)).await;
    subject.event(&held, Event::Snoozed(Duration::from_secs(60))).await;
    assert_eq!(subject.insert(&within(subject, 3)).await, Inserted::Full);
    subject.event(&scheduled, Event::Cancel).await;
    subject.add(within(subject, 3)).await;
    assert_eq!(subject.insert(&within(subject, 3)).await, Inserted::Full);
}

/// Owners have a quota each, in each flow; who has no owner has none.
pub async fn per_owner(subject: &Subject) {
    let first = subject.add(owned(subject, "a", 2)).await;
    subject.add(owned(subject, "a", 2)).await;
    let over = owned(subject, "a", 2);
    assert_eq!(subject.insert(&over).await, Inserted::OverQuota);
    assert_eq!(subject.get(&over.job).await, None);
    subject.add(owned(subject, "b", 2)).await;
    subject.add(owned(subject, "", 1)).await;
    subject.add(Insert { job: key("other", subject.id()), ..owned(subject, "a", 2) }).await;
    for _ in 0..3 {
        subject.add(Insert { owner: None, ..owned(subject, "", 1) }).await;
    }
    subject.claim(Pick::Job(first.job), subject.token()).await;
    subject.add(owned(subject, "a", 2)).await;
    assert_eq!(subject.insert(&owned(subject, "a", 2)).await, Inserted::OverQuota);
}

/// A job that is found by its id or its key needs no room.
pub async fn known_jobs_need_none(subject: &Subject) {
    let insert = Insert { idempotency: named("k", 1), ..within(subject, 1) };
    let (id, created) = (insert.job.id, subject.now());
    subject.add(insert.clone()).await;
    let plain = Insert { idempotency: None, ..insert.clone() };
    let renamed = Insert { job: subject.job().job, ..insert.clone() };
    for again in [insert, plain, renamed] {
        assert_eq!(subject.insert(&again).await, Inserted::Existing { id, created });
    }
}

fn check(answers: &[Inserted], now: Stamp) {
    let created = answers.iter().filter(|answer| **answer == Inserted::Created { created: now }).count();
    let refused = answers.iter().filter(|answer| matches!(answer, Inserted::Full | Inserted::OverQuota)).count();
    assert_eq!((created, refused), (10, answers.len() - 10), "{answers:?}");
}

/// Many inserts at once fill the room exactly, an owner's quota too.
pub async fn exact_at_once(subject: &Subject) {
    let answers = subject.at_once(64, |subject| async move { subject.insert(&within(&subject, 10)).await }).await;
    check(&answers, subject.now());
    let owner = |subject: &Subject| Insert { job: key("owned", subject.id()), ..owned(subject, "a", 10) };
    let answers = subject.at_once(64, move |subject| async move { subject.insert(&owner(&subject)).await }).await;
    check(&answers, subject.now());
}

/// Inserts of one batch fill the room exactly, an owner's quota too.
pub async fn exact_in_a_batch(subject: &Subject) {
    let inserts = (0..64).map(|_| within(subject, 10)).collect();
    check(&subject.write(Batch { inserts, ..Batch::default() }).await.inserts, subject.now());
    let owner = |_| Insert { job: key("owned", subject.id()), ..owned(subject, "a", 10) };
    let inserts = (0..64).map(owner).collect();
    check(&subject.write(Batch { inserts, ..Batch::default() }).await.inserts, subject.now());
}
