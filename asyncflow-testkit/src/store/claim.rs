//! Which jobs a claim takes, and that it takes each once.

use std::{collections::HashSet, sync::Arc, time::Duration};

use asyncflow_core::{
    JobId, Limits, Policy, Progress, Record, State, Token,
    state::{self, Event},
    store::{Batch, Insert, Part, PartName, Patch, Pick},
};

use super::subject::{FLOW, LEASE, Subject, claim, ids, key, next};

fn prioritised(subject: &Subject, priority: i8) -> Insert {
    Insert { facts: state::submit(None, priority, &Arc::new(Policy::default())), ..subject.job() }
}

async fn taken(subject: &Subject, pick: Pick) -> Vec<JobId> {
    ids(subject.claim(pick, subject.token()).await.iter().map(|claimed| &claimed.record))
}

/// What is answered is the record as the claim's patch made it, with its request; what is kept is the same.
pub async fn as_claimed(subject: &Subject) {
    let mut record = subject.add(Insert { request: Part::json("[1]"), ..subject.job() }).await;
    let reported = Patch { progress: Some(Some(Arc::new(Progress::new("of an earlier run")))), ..Patch::default() };
    record = subject.change(&record, reported).await;
    subject.clock.advance(Duration::from_secs(5));
    let token = subject.token();
    let claimed = subject.claim(next(1), token).await.remove(0);
    state::claim(LEASE).apply(&mut record, Some(token), subject.now());
    assert_eq!(claimed.record, record);
    assert_eq!((record.state, record.token, record.due), (State::Processing, Some(token), subject.now() + LEASE));
    assert_eq!(claimed.request, Part::json("[1]"));
    assert_eq!(subject.get(&record.job).await, Some(record.clone()));
    assert_eq!(subject.part(&record.job, PartName::Request).await, Some(Part::json("[1]")));
}

/// Jobs are taken by rank, lowest first, and answered so.
pub async fn by_rank(subject: &Subject) {
    let mut ranked = Vec::new();
    for rank in [5, 3, 9, 1, 7, 0, -4] {
        let mut insert = subject.job();
        insert.facts.lead = -rank * 1000;
        ranked.push((rank, subject.add(insert).await.job.id));
    }
    ranked.sort_unstable();
    let order: Vec<_> = ranked.into_iter().map(|(_, id)| id).collect();
    let three = taken(subject, next(3)).await;
    assert_eq!(three, order[..3]);
    assert_eq!(taken(subject, next(100)).await, order[3..]);
}

/// Jobs that became ready one after the other are taken so, those of one moment in the order of their ids.
pub async fn first_in_first_out(subject: &Subject) {
    let mut inserts: Vec<_> = (0..6).map(|_| subject.job()).collect();
    let mut order = Vec::new();
    // Later ids become ready first.
    for pair in [inserts.split_off(4), inserts.split_off(2), inserts] {
        order.extend(pair.iter().map(|insert| insert.job.id));
        subject.write(Batch { inserts: pair, ..Batch::default() }).await;
        subject.clock.advance(Duration::from_micros(1));
    }
    assert_eq!(taken(subject, next(6)).await, order);
}

/// A step of priority is worth its boost, and no more: what has waited longer than that goes first.
pub async fn by_priority(subject: &Subject) {
    let low = subject.add(prioritised(subject, -1)).await.job.id;
    subject.clock.advance(Duration::from_secs(59));
    let normal = subject.add(prioritised(subject, 0)).await.job.id;
    subject.clock.advance(Duration::from_secs(2));
    let later = subject.add(prioritised(subject, 0)).await.job.id;
    let high = subject.add(prioritised(subject, 10)).await.job.id;
    assert_eq!(taken(subject, next(9)).await, [high, normal, low, later]);
}

/// A job that comes back keeps its rank, unless its change says that it is ready anew.
pub async fn ready_anew(subject: &Subject) {
    let first = subject.running().await;
    subject.clock.advance(Duration::from_secs(1));
    let second = subject.add(subject.job()).await;
    let first = subject.event(&first, Event::Drained).await;
    assert_eq!(taken(subject, next(1)).await, [first.job.id]);
    subject.clock.advance(Duration::from_secs(1));
    let again = subject.get(&first.job).await.expect("it is there");
    subject.event(&again, Event::Snoozed(Duration::ZERO)).await;
    subject.clock.advance(Duration::from_secs(1));
    let third = subject.add(subject.job()).await;
    assert_eq!(taken(subject, next(9)).await, [second.job.id, first.job.id, third.job.id]);
}

/// Jobs that are put off, held or ended are not taken, by whichever way; claiming writes nothing then.
pub async fn just_ready_ones(subject: &Subject) {
    let facts = state::submit(Some(Duration::from_secs(60)), 0, &Arc::new(Policy::default()));
    let mut records: Vec<Record> = vec![subject.add(Insert { facts, ..subject.job() }).await, subject.running().await];
    for state in [State::Succeeded, State::Failed, State::Cancelled] {
        let held = subject.running().await;
        records.push(subject.change(&held, Patch { to: Some(state), ..Patch::default() }).await);
    }
    // A job that is due to become ready is not ready: who looks after it makes it so.
    subject.clock.advance(Duration::from_secs(61));
    assert!(taken(subject, next(9)).await.is_empty());
    for record in records {
        assert!(taken(subject, Pick::Job(record.job.clone())).await.is_empty());
        assert_eq!(subject.get(&record.job).await, Some(record));
    }
}

/// A job is taken by its id wherever it stands; an id that is not there takes nothing.
pub async fn by_id(subject: &Subject) {
    let first = subject.add(subject.job()).await;
    let second = subject.add(Insert { flow_version: 7, ..prioritised(subject, -10) }).await;
    assert!(taken(subject, Pick::Job(subject.job().job)).await.is_empty());
    assert_eq!(taken(subject, Pick::Job(second.job.clone())).await, [second.job.id]);
    assert_eq!(taken(subject, next(9)).await, [first.job.id]);
}

/// Jobs of versions that were not asked for are passed over, however many stand before.
pub async fn just_known_versions(subject: &Subject) {
    let mut jobs = Vec::new();
    for version in [1, 1, 2, 3, 1, 2, u16::MAX] {
        subject.clock.advance(Duration::from_micros(1));
        jobs.push(subject.add(Insert { flow_version: version, ..subject.job() }).await.job.id);
    }
    let of =
        |versions: &[u16], jobs| Pick::Next { flow: FLOW.into(), versions: versions.into(), jobs, bytes: usize::MAX };
    assert!(taken(subject, of(&[], 9)).await.is_empty());
    assert!(taken(subject, of(&[0, 4], 9)).await.is_empty());
    assert_eq!(taken(subject, of(&[3, 2], 2)).await, [jobs[2], jobs[3]]);
    assert_eq!(taken(subject, of(&[u16::MAX, 2, 1], 9)).await, [jobs[0], jobs[1], jobs[4], jobs[5], jobs[6]]);
}

/// A claim that names a version twice takes each job once, within limits and without.
pub async fn a_version_named_twice(subject: &Subject) {
    let pick = || Pick::Next { flow: FLOW.into(), versions: Arc::new([1, 0, 1, 1]), jobs: 9, bytes: usize::MAX };
    for limits in [None, Some(Limits::new().running(9).running_per_key(9))] {
        let mut jobs = Vec::new();
        for (flow_version, owner) in [(1, None), (0, None), (1, Some("a")), (1, None)] {
            let owner = owner.map(Into::into);
            jobs.push(subject.add(Insert { flow_version, owner, ..subject.job() }).await.job.id);
        }
        let before = subject.states().await;
        let taken = match limits {
            None => subject.claim(pick(), subject.token()).await,
            Some(limits) => subject.take_within(&limits, pick()).await.jobs,
        };
        assert_eq!(ids(taken.iter().map(|claimed| &claimed.record)), jobs);
        let now = subject.states().await;
        assert_eq!((now[1], now[2]), (before[1] - 4, before[2] + 4));
    }
}

/// At most as many jobs are taken as were asked for.
pub async fn at_most_jobs(subject: &Subject) {
    let mut jobs = Vec::new();
    for _ in 0..5 {
        jobs.push(subject.add(subject.job()).await.job.id);
    }
    assert!(taken(subject, next(0)).await.is_empty());
    assert_eq!(taken(subject, next(2)).await, jobs[..2]);
    assert_eq!(taken(subject, next(usize::MAX)).await, jobs[2..]);
    assert!(taken(subject, next(1)).await.is_empty());
}

/// A claim stops before its requests have more bytes than it takes; one job is taken, however large. None is passed over for its size,
/// whichever owner's or version's comes behind it.
pub async fn at_most_bytes(subject: &Subject) {
    let plain: fn(&Subject, usize) -> Insert = |subject, _| subject.job();
    let owned = |subject: &Subject, nth| Insert { owner: (nth % 2 == 0).then(|| "ann".into()), ..subject.job() };
    let mixed = |subject: &Subject, nth| Insert { flow_version: nth as u16 % 2, ..subject.job() };
    for job in [plain, owned, mixed] {
        let mut jobs = Vec::new();
        for (nth, size) in [100, 100, 1000, 10, 1].into_iter().enumerate() {
            let request = Part { bytes: vec![b' '; size].into(), ..Part::json("") };
            jobs.push(subject.add(Insert { request, ..job(subject, nth) }).await.job.id);
        }
        let most = |bytes| Pick::Next { flow: FLOW.into(), versions: Arc::new([0, 1]), jobs: 9, bytes };
        assert_eq!(taken(subject, most(210)).await, jobs[..2]);
        assert_eq!(taken(subject, most(1009)).await, jobs[2..3]);
        assert_eq!(taken(subject, most(0)).await, jobs[3..4], "one is taken, and nothing more fits");
        assert_eq!(taken(subject, most(0)).await, jobs[4..]);
    }
}

/// Jobs of other flows are not taken.
pub async fn just_its_flow(subject: &Subject) {
    subject.add(Insert { job: key("other", subject.id()), ..subject.job() }).await;
    assert!(taken(subject, next(9)).await.is_empty());
    let elsewhere = Pick::Next { flow: "other".into(), versions: Arc::new([0]), jobs: 9, bytes: usize::MAX };
    assert_eq!(taken(subject, elsewhere).await.len(), 1);
}

/// Of a thousand claims on one job at once, one takes it, by its id as by its flow.
pub async fn one_of_a_thousand(subject: &Subject) {
    for by_id in [true, false] {
        let record = subject.add(subject.job()).await;
        let pick = if by_id { Pick::Job(record.job.clone()) } else { next(1) };
        let claims = subject
            .at_once(1000, |subject| {
                let pick = pick.clone();
                async move {
                    let token = subject.token();
                    (token, subject.claim(pick, token).await)
                }
            })
            .await;
        let won: Vec<Token> = claims.iter().filter(|(_, jobs)| !jobs.is_empty()).map(|(token, _)| *token).collect();
        assert_eq!(won.len(), 1, "so many claims took the job");
        assert_eq!(subject.get(&record.job).await.and_then(|record| record.token), Some(won[0]));
    }
}

/// Many claims at once take each job once, and leave none.
pub async fn apart_at_once(subject: &Subject) {
    let inserts = (0..200).map(|_| subject.job()).collect();
    subject.write(Batch { inserts, ..Batch::default() }).await;
    let claims = subject.at_once(150, |subject| async move { subject.claim(next(2), subject.token()).await }).await;
    let taken: Vec<_> = claims.iter().flatten().map(|claimed| claimed.record.job.id).collect();
    assert_eq!((taken.len(), taken.iter().collect::<HashSet<_>>().len()), (200, 200));
    assert_eq!(subject.states().await, [0, 0, 200, 0, 0, 0]);
    let batch = Batch { claims: vec![claim(next(1), subject.token())], ..Batch::default() };
    assert!(subject.write(batch).await.claims[0].jobs.is_empty());
}
