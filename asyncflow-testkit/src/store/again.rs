//! A claim that is asked again, its answer having been lost, answers what it holds.

use std::{sync::Arc, time::Duration};

use asyncflow_core::{
    JobError, Mark, Progress,
    state::{Event, Wish},
    store::{Batch, Claimed, Guard, Part, Patch, Pick},
};

use super::subject::{LEASE, Subject, claim, ids, next};

async fn three(subject: &Subject) -> (asyncflow_core::Token, Vec<Claimed>) {
    let mut inserts: Vec<_> = (0..5).map(|_| subject.job()).collect();
    // By rank they stand otherwise than by id.
    for (lead, insert) in inserts.iter_mut().enumerate() {
        insert.facts.lead = lead as i64;
    }
    subject.write(Batch { inserts, ..Batch::default() }).await;
    let token = subject.token();
    (token, subject.claim(next(3), token).await)
}

/// The same jobs come, and no others, with their requests, their leases renewed and nothing else changed.
pub async fn the_same_jobs(subject: &Subject) {
    let (token, claimed) = three(subject).await;
    let progress = Event::Progress(Arc::new(Progress::new("half")), LEASE);
    subject.event(&claimed[1].record, progress).await;
    subject.clock.advance(Duration::from_secs(20));
    for _ in 0..2 {
        let again = subject.claim(next(3), token).await;
        assert_eq!(again.len(), 3, "neither fewer nor topped up");
        for (n, (now, then)) in again.iter().zip(&claimed).enumerate() {
            let mut expected = then.record.clone();
            expected.due = subject.now() + LEASE;
            if n == 1 {
                (expected.version, expected.progress) = (expected.version + 1, Some(Arc::new(Progress::new("half"))));
            }
            assert_eq!(now.record, expected);
            assert_eq!(now.request, then.request);
            assert_eq!(subject.get(&expected.job).await, Some(expected));
        }
    }
    assert_eq!(subject.states().await, [0, 2, 3, 0, 0, 0]);
}

/// Jobs that have ended, went back, or are held by another are left out; what remains is answered alone.
pub async fn without_those_that_left(subject: &Subject) {
    let (token, claimed) = three(subject).await;
    let records: Vec<_> = claimed.iter().map(|claimed| &claimed.record).collect();
    subject.event(records[0], Event::Succeeded(Part::json("1"))).await;
    assert_eq!(subject.claim(next(3), token).await.len(), 2);
    subject.clock.advance(LEASE + Duration::from_secs(1));
    subject.event(records[1], Event::LeaseLost).await;
    let left = subject.claim(next(3), token).await;
    assert_eq!(ids(left.iter().map(|claimed| &claimed.record)), [records[2].job.id]);
    let other = subject.claim(Pick::Job(records[1].job.clone()), subject.token()).await;
    assert_eq!(other.len(), 1);
    let left = subject.claim(next(3), token).await;
    assert_eq!(ids(left.iter().map(|claimed| &claimed.record)), [records[2].job.id]);
    assert_eq!(subject.get(&records[1].job).await.as_ref(), Some(&other[0].record), "another's job was touched");
}

/// Where nothing is held under the token any more, it is a fresh claim.
pub async fn nothing_left(subject: &Subject) {
    let token = subject.token();
    assert!(subject.claim(next(1), token).await.is_empty(), "a claim that finds nothing uses no token up");
    let first = subject.add(subject.job()).await;
    let held = subject.claim(next(1), token).await.remove(0).record;
    assert_eq!(held.job.id, first.job.id);
    let error = JobError::new("Other", "no");
    subject.event(&held, Event::Failed { error, wish: Wish::Never, chance: 0.0 }).await;
    assert!(subject.claim(next(1), token).await.is_empty());
    let second = subject.running().await;
    let drained = subject.event(&second, Event::Drained).await;
    let fresh = subject.claim(next(1), token).await.remove(0).record;
    assert_eq!((fresh.job.id, fresh.token, fresh.version), (drained.job.id, Some(token), drained.version + 1));
}

/// What was asked of a job while the claim's answer was lost is in its record.
pub async fn marks_are_seen(subject: &Subject) {
    let (token, claimed) = three(subject).await;
    subject.event(&claimed[0].record, Event::Cancel).await;
    subject.event(&claimed[2].record, Event::Delete).await;
    let again = subject.claim(next(3), token).await;
    let marks: Vec<_> = again.iter().map(|claimed| claimed.record.mark).collect();
    assert_eq!(marks, [Mark::Cancel, Mark::None, Mark::Forget]);
}

/// The same of a claim by id.
pub async fn by_id(subject: &Subject) {
    let record = subject.add(subject.job()).await;
    let (pick, token) = (Pick::Job(record.job.clone()), subject.token());
    let first = subject.claim(pick.clone(), token).await.remove(0);
    subject.clock.advance(Duration::from_secs(1));
    let again = subject.claim(pick.clone(), token).await.remove(0);
    assert_eq!((again.record.version, again.record.due), (first.record.version, subject.now() + LEASE));
    let purge = Patch { purge: true, ..Patch::default() };
    subject.ask(&record.job, Guard::Version(again.record.version), purge).await;
    assert!(subject.claim(pick, token).await.is_empty());
}

/// A claim that is asked twice at once, or twice in a batch, takes jobs once.
pub async fn at_once(subject: &Subject) {
    let inserts = (0..2000).map(|_| subject.job()).collect();
    subject.write(Batch { inserts, ..Batch::default() }).await;
    for _ in 0..50 {
        let before = subject.states().await[2];
        let token = subject.token();
        let answers = subject.at_once(8, |subject| async move { subject.claim(next(30), token).await }).await;
        for answer in &answers {
            let held = |claimed: &[Claimed]| ids(claimed.iter().map(|claimed| &claimed.record));
            assert_eq!(held(answer), held(&answers[0]), "one token, two answers");
        }
        assert_eq!(subject.states().await[2], before + 30);
    }
    let token = subject.token();
    let claims = vec![claim(next(1), token), claim(next(1), token)];
    let answers = subject.write(Batch { claims, ..Batch::default() }).await.claims;
    assert_eq!(answers[0].jobs[0].record, answers[1].jobs[0].record);
}
