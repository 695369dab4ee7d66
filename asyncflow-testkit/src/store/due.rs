//! What is due.

use std::{sync::Arc, time::Duration};

use asyncflow_core::{
    Policy, State,
    state::{self, Event},
    store::{Due, Insert, Patch},
};

use super::subject::{LEASE, Subject, key};

const SECOND: Duration = Duration::from_secs(1);

async fn in_seconds(subject: &Subject, flow: &str, seconds: u64) -> asyncflow_core::JobId {
    let facts = state::submit(Some(SECOND * u32::try_from(seconds).expect("few")), 0, &Arc::new(Policy::default()));
    subject.add(Insert { job: key(flow, subject.id()), facts, ..subject.job() }).await.job.id
}

/// What is due comes, of every flow, that of the longest past first; what is due later does not.
pub async fn longest_past_first(subject: &Subject) {
    assert!(subject.due(9).await.is_empty());
    let (c, a, d, b) = (
        in_seconds(subject, "x", 3).await,
        in_seconds(subject, "y", 1).await,
        in_seconds(subject, "x", 4).await,
        in_seconds(subject, "z", 2).await,
    );
    subject.clock.advance(SECOND - Duration::from_micros(1));
    assert!(subject.due(9).await.is_empty());
    subject.clock.advance(Duration::from_micros(1));
    assert_eq!(subject.due(9).await, [a]);
    subject.clock.advance(SECOND * 2);
    assert_eq!(subject.due(9).await, [a, b, c]);
    subject.clock.advance(SECOND);
    assert_eq!(subject.due(9).await, [a, b, c, d]);
}

/// A record comes in whichever state it is, as it is, leases among the others.
pub async fn every_state(subject: &Subject) {
    let mut records = Vec::new();
    for (n, state) in State::ALL.into_iter().enumerate() {
        let held = subject.running().await;
        let due = Some(Due::In(SECOND * (n as u32 + 1)));
        let to = (state != State::Processing).then_some(state);
        records.push(subject.change(&held, Patch { to, due, ..Patch::default() }).await);
    }
    subject.clock.advance(SECOND * 10);
    assert_eq!(subject.store.due(9).await.expect("the store reads").records, records);
}

/// No more come than were asked for, and those are the first.
pub async fn at_most_limit(subject: &Subject) {
    let mut all = Vec::new();
    for seconds in 1..=20 {
        let held = subject.running().await;
        let due = Some(Due::In(SECOND * seconds));
        let to = (seconds % 2 == 0).then_some(State::Failed);
        all.push(subject.change(&held, Patch { to, due, ..Patch::default() }).await.job.id);
    }
    subject.clock.advance(SECOND * 60);
    for limit in [0, 1, 7, 19, 20] {
        assert_eq!(subject.due(limit).await, all[..limit]);
    }
    assert_eq!(subject.due(usize::MAX).await, all);
}

/// A record is due when its last change says, sooner or later than before.
pub async fn moves_with_the_record(subject: &Subject) {
    let held = subject.running().await;
    let waiting = subject.add(subject.job()).await;
    subject.clock.advance(LEASE);
    assert_eq!(subject.due(9).await, [held.job.id]);
    let held = subject.event(&held, Event::Heartbeat(LEASE)).await;
    assert!(subject.due(9).await.is_empty());
    let waiting = subject.change(&waiting, Patch { due: Some(Due::In(SECOND)), ..Patch::default() }).await;
    subject.clock.advance(SECOND);
    assert_eq!(subject.due(9).await, [waiting.job.id]);
    subject.event(&waiting, Event::Due).await;
    subject.clock.advance(LEASE);
    assert_eq!(subject.due(9).await, [held.job.id]);
    let held = subject.event(&held, Event::Due).await;
    assert_eq!(held.state, State::Enqueued);
    assert!(subject.due(9).await.is_empty());
}

/// Looking changes nothing: what is due stays so until it is changed.
pub async fn changes_nothing(subject: &Subject) {
    let held = subject.running().await;
    subject.clock.advance(LEASE);
    for _ in 0..3 {
        assert_eq!(subject.due(1).await, [held.job.id]);
    }
    assert_eq!(subject.get(&held.job).await, Some(held));
}
