//! Idempotency keys: the same request twice is one job.

use std::time::Duration;

use asyncflow_core::{
    JobId, Stamp,
    store::{Guard, Insert, Inserted, Patch, Room},
};

use super::subject::{Subject, key, named};

fn used(subject: &Subject, name: &str, fingerprint: u128) -> Insert {
    Insert { idempotency: named(name, fingerprint), ..subject.job() }
}

async fn first(subject: &Subject, insert: &Insert) -> (JobId, Stamp) {
    assert_eq!(subject.insert(insert).await, Inserted::Created { created: subject.now() }, "{:?}", insert.idempotency);
    (insert.job.id, subject.now())
}

/// A second insert under a key finds the first one's job, and makes none.
pub async fn finds_its_job(subject: &Subject) {
    let insert = used(subject, "k", 1);
    let (id, created) = first(subject, &insert).await;
    subject.clock.advance(Duration::from_secs(1));
    let again = used(subject, "k", 1);
    assert_eq!(subject.insert(&again).await, Inserted::Existing { id, created });
    assert_eq!(subject.get(&again.job).await, None);
    assert_eq!(subject.insert(&insert).await, Inserted::Existing { id, created }, "its own id, which is its success");
    assert_eq!(subject.states().await, [0, 1, 0, 0, 0, 0]);
}

/// A key that was used for another request is refused, and nothing is inserted.
pub async fn other_body(subject: &Subject) {
    first(subject, &used(subject, "k", u128::MAX)).await;
    let other = used(subject, "k", u128::MAX - 1);
    assert_eq!(subject.insert(&other).await, Inserted::OtherBody);
    assert_eq!(subject.get(&other.job).await, None);
    assert_eq!(subject.states().await, [0, 1, 0, 0, 0, 0]);
}

/// Owners, those without one, and flows have name spaces of their own.
pub async fn apart_by_owner_and_flow(subject: &Subject) {
    let all = [
        used(subject, "k", 1),
        Insert { owner: Some("".into()), ..used(subject, "k", 2) },
        Insert { owner: Some("a".into()), ..used(subject, "k", 3) },
        Insert { owner: Some("b".into()), ..used(subject, "k", 4) },
        Insert { job: key("other", subject.id()), ..used(subject, "k", 5) },
        used(subject, "K", 6),
        used(subject, "", 7),
    ];
    let mut made = Vec::new();
    for insert in &all {
        made.push(first(subject, insert).await);
    }
    for (insert, (id, created)) in all.iter().zip(made) {
        let again = Insert { job: key(&insert.job.flow, subject.id()), ..insert.clone() };
        assert_eq!(subject.insert(&again).await, Inserted::Existing { id, created });
    }
}

/// A key answers for its job after that is gone.
pub async fn outlives_its_job(subject: &Subject) {
    let insert = used(subject, "k", 1);
    let (id, created) = first(subject, &insert).await;
    subject.ask(&insert.job, Guard::Version(1), Patch { purge: true, ..Patch::default() }).await;
    assert_eq!(subject.get(&insert.job).await, None);
    assert_eq!(subject.insert(&used(subject, "k", 1)).await, Inserted::Existing { id, created });
    assert_eq!(subject.insert(&used(subject, "k", 2)).await, Inserted::OtherBody);
}

/// A key is forgotten when its time is over, and may be used for anything then.
pub async fn ends(subject: &Subject) {
    first(subject, &used(subject, "k", 1)).await;
    subject.clock.advance(Duration::from_secs(3601));
    let (id, created) = first(subject, &used(subject, "k", 2)).await;
    assert_eq!(subject.insert(&used(subject, "k", 2)).await, Inserted::Existing { id, created });
    assert_eq!(subject.insert(&used(subject, "k", 1)).await, Inserted::OtherBody);
}

/// A job's own id is found after its key's time is over, and the key stays free.
pub async fn ends_before_its_job(subject: &Subject) {
    let insert = used(subject, "k", 1);
    let (id, created) = first(subject, &insert).await;
    subject.clock.advance(Duration::from_secs(3601));
    assert_eq!(subject.insert(&insert).await, Inserted::Existing { id, created });
    first(subject, &used(subject, "k", 2)).await;
}

/// The time of a key runs from its first use, however often it is used.
pub async fn from_first_use(subject: &Subject) {
    let (id, created) = first(subject, &used(subject, "k", 1)).await;
    for _ in 0..3 {
        subject.clock.advance(Duration::from_secs(1199));
        assert_eq!(subject.insert(&used(subject, "k", 1)).await, Inserted::Existing { id, created });
    }
    subject.clock.advance(Duration::from_secs(4));
    first(subject, &used(subject, "k", 1)).await;
}

/// An insert that finds no room does not use its key.
pub async fn not_used_by_a_refusal(subject: &Subject) {
    let full = Insert { room: Room { waiting: 0, waiting_per_owner: None }, ..used(subject, "k", 1) };
    assert_eq!(subject.insert(&full).await, Inserted::Full);
    first(subject, &used(subject, "k", 2)).await;
}

/// Of many inserts under a key at once, one makes its job and the others find that.
pub async fn one_of_many_at_once(subject: &Subject) {
    let answers = subject
        .at_once(64, |subject| async move {
            let insert = used(&subject, "k", 1);
            (insert.job.id, subject.insert(&insert).await)
        })
        .await;
    let created: Vec<_> =
        answers.iter().filter(|(_, answer)| matches!(answer, Inserted::Created { .. })).map(|(id, _)| *id).collect();
    assert_eq!(created.len(), 1, "{answers:?}");
    let found = |answer: &Inserted| matches!(answer, Inserted::Existing { id, .. } if *id == created[0]);
    assert_eq!(answers.iter().filter(|(_, answer)| found(answer)).count(), 63, "{answers:?}");
    assert_eq!(subject.states().await, [0, 1, 0, 0, 0, 0]);
}
