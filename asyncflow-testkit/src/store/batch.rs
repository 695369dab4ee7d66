//! Many entries in one round trip.

use std::sync::Arc;

use asyncflow_core::{
    State,
    state::{self, Event},
    store::{Batch, Change, Changed, Guard, Insert, Inserted, Part, Patch, Pick, Room},
};

use super::subject::{LEASE, Subject, claim, ids, key, next};

/// An empty batch is answered with nothing.
pub async fn empty(subject: &Subject) {
    let answers = subject.write(Batch::default()).await;
    assert!(answers.inserts.is_empty() && answers.changes.is_empty() && answers.claims.is_empty());
}

/// Inserts come before changes, and changes before claims.
pub async fn inserts_then_changes_then_claims(subject: &Subject) {
    let held = subject.running().await;
    let (first, second) = (subject.job(), subject.job());
    let (guard, patch) = state::decide(&held, Event::Drained).expect("the event fits");
    let drain = Change { job: held.job.clone(), guard, patch };
    let cancel = Patch { to: Some(State::Cancelled), ..Patch::default() };
    let cancel = Change { job: first.job.clone(), guard: Guard::Version(1), patch: cancel };
    let answers = subject
        .write(Batch {
            inserts: vec![first.clone(), second.clone()],
            changes: vec![drain, cancel],
            claims: vec![claim(next(9), subject.token())],
        })
        .await;
    assert!(answers.changes.iter().all(|changed| matches!(changed, Changed::Applied(_))), "{:?}", answers.changes);
    let claimed = ids(answers.claims[0].jobs.iter().map(|claimed| &claimed.record));
    assert_eq!(claimed, [held.job.id, second.job.id]);
    assert_eq!(subject.states().await, [0, 0, 2, 0, 0, 1]);
}

/// An entry that is refused leaves the others alone, and every answer is its own entry's.
pub async fn apart(subject: &Subject) {
    let (stale, held, missing) = (subject.add(subject.job()).await, subject.running().await, subject.job());
    let (known, full, new) = (subject.running().await, subject.job(), subject.job());
    let (created, id) = (subject.now(), known.job.id);
    let (guard, finish) = state::decide(&held, Event::Succeeded(Part::json("1"))).expect("the event fits");
    let change = |job: &_, guard, patch: &Patch| Change { job: Clone::clone(job), guard, patch: patch.clone() };
    let answers = subject
        .write(Batch {
            inserts: vec![
                Insert { room: Room { waiting: 0, waiting_per_owner: None }, ..full.clone() },
                Insert { job: known.job.clone(), ..subject.job() },
                new.clone(),
            ],
            changes: vec![
                change(&stale.job, Guard::Version(9), &finish),
                change(&missing.job, Guard::Version(1), &finish),
                change(&held.job, guard, &finish),
            ],
            claims: vec![
                claim(Pick::Job(full.job.clone()), subject.token()),
                claim(Pick::Job(new.job.clone()), subject.token()),
            ],
        })
        .await;
    assert_eq!(answers.inserts, [Inserted::Full, Inserted::Existing { id, created }, Inserted::Created { created }]);
    assert_eq!(answers.changes[0], Changed::Refused(stale));
    assert_eq!(answers.changes[1], Changed::Missing);
    assert!(matches!(&answers.changes[2], Changed::Applied(record) if record.state == State::Succeeded));
    assert!(answers.claims[0].jobs.is_empty());
    assert_eq!(answers.claims[1].jobs[0].record.job, new.job);
    assert_eq!(subject.get(&known.job).await, Some(known));
    assert_eq!(subject.states().await, [0, 1, 2, 1, 0, 0]);
}

/// Several claims of one batch take apart, in their order, of one flow and of several.
pub async fn several_claims(subject: &Subject) {
    let inserts: Vec<_> =
        (0..4).map(|_| subject.job()).chain([Insert { job: key("other", subject.id()), ..subject.job() }]).collect();
    let jobs: Vec<_> = inserts.iter().map(|insert| insert.job.id).collect();
    let elsewhere = Pick::Next { flow: "other".into(), versions: Arc::new([0]), jobs: 1, bytes: 0 };
    let claims = [next(2), elsewhere, next(9)].map(|pick| claim(pick, subject.token())).to_vec();
    let answers = subject.write(Batch { inserts, claims, ..Batch::default() }).await.claims;
    let taken: Vec<_> = answers.iter().map(|claimed| ids(claimed.jobs.iter().map(|claimed| &claimed.record))).collect();
    assert_eq!(taken, [jobs[..2].to_vec(), jobs[4..].to_vec(), jobs[2..4].to_vec()]);
}

/// Many entries of each kind are answered each.
pub async fn many(subject: &Subject) {
    let inserts: Vec<_> = (0..500).map(|_| subject.job()).collect();
    let order: Vec<_> = inserts.iter().map(|insert| insert.job.id).collect();
    let claims = (0..500).map(|_| claim(next(1), subject.token())).collect();
    let answers = subject.write(Batch { inserts, claims, ..Batch::default() }).await;
    let held: Vec<_> = answers.claims.iter().map(|claimed| claimed.jobs[0].record.clone()).collect();
    assert_eq!(ids(&held), order);
    let beat = |record: &asyncflow_core::Record| {
        let (guard, patch) = state::decide(record, Event::Heartbeat(LEASE * 2)).expect("the event fits");
        Change { job: record.job.clone(), guard, patch }
    };
    let changes = held.iter().map(beat).collect();
    let answers = subject.write(Batch { changes, ..Batch::default() }).await;
    for (mut record, changed) in held.into_iter().zip(answers.changes) {
        record.due = subject.now() + LEASE * 2;
        assert_eq!(changed, Changed::Applied(record));
    }
}
