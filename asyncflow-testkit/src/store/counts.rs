//! How many jobs there are.

use std::{sync::Arc, time::Duration};

use asyncflow_core::{
    JobError, Policy, Retry, Stamp, State,
    state::{self, Event, Wish},
    store::{Batch, Counts, Guard, Insert, Part, Patch},
};

use super::subject::{FLOW, LEASE, Subject, next};

/// The counts are right after every transition.
pub async fn every_transition(subject: &Subject) {
    let policy = Policy { retry: Retry::fixed(2, Duration::from_secs(1)), ..Policy::default() };
    let facts = state::submit(Some(Duration::from_secs(1)), 0, &Arc::new(policy));
    let failed = || Event::Failed { error: JobError::new("E", "e"), wish: Wish::Policy, chance: 0.0 };
    let only = |state: State| std::array::from_fn::<u64, 6, _>(|n| u64::from(n == state as usize));
    let mut record = subject.add(Insert { facts, ..subject.job() }).await;
    assert_eq!(subject.states().await, only(State::Scheduled));
    subject.clock.advance(Duration::from_secs(1));
    subject.event(&record, Event::Due).await;
    assert_eq!(subject.states().await, only(State::Enqueued));
    record = subject.take(1).await.remove(0);
    assert_eq!(record.state, State::Processing);
    for event in
        [failed(), Event::Due, Event::Heartbeat(LEASE), Event::Drained, Event::LeaseLost, failed(), Event::Delete]
    {
        match (&event, record.state) {
            (Event::Due, _) => subject.clock.advance(Duration::from_secs(1)),
            (_, State::Enqueued) => record = subject.take(1).await.remove(0),
            _ => {}
        }
        assert_eq!(subject.states().await, only(record.state));
        record = subject.event(&record, event).await;
        assert_eq!(subject.states().await, only(record.state), "{record:?}");
    }
    assert_eq!(record.state, State::Failed);
    subject.ask(&record.job, Guard::Version(record.version), Patch { purge: true, ..Patch::default() }).await;
    assert_eq!(subject.states().await, [0; 6]);
}

async fn next_in_line(subject: &Subject) -> Option<Stamp> {
    subject.store.counts(FLOW).await.expect("the store counts").oldest
}

/// The oldest is the job that is next in line, of whichever version; there is none where none is ready.
pub async fn oldest(subject: &Subject) {
    let facts = state::submit(Some(Duration::from_secs(99)), 0, &Arc::new(Policy::default()));
    subject.add(Insert { facts, ..subject.job() }).await;
    assert_eq!(next_in_line(subject).await, None);
    let mut made = Vec::new();
    for flow_version in [3, 0, 5, 0] {
        subject.clock.advance(Duration::from_secs(1));
        made.push(subject.add(Insert { flow_version, ..subject.job() }).await);
        assert_eq!(next_in_line(subject).await, Some(made[0].created));
    }
    subject.event(&made[0], Event::Cancel).await;
    assert_eq!(next_in_line(subject).await, Some(made[1].created));
    assert_eq!(subject.take(1).await.len(), 1);
    assert_eq!(next_in_line(subject).await, Some(made[2].created));
    subject.event(&made[2], Event::Delete).await;
    assert_eq!(next_in_line(subject).await, Some(made[3].created));
    assert_eq!(subject.take(1).await.len(), 1);
    assert_eq!(next_in_line(subject).await, None);
}

/// A flow without jobs has none.
pub async fn unknown_flow(subject: &Subject) {
    subject.add(subject.job()).await;
    assert_eq!(subject.store.counts("unknown").await.expect("the store counts"), Counts::default());
}

/// Many writes at once leave the counts exact.
pub async fn exact_at_once(subject: &Subject) {
    subject
        .at_once(50, |subject| async move {
            let insert = subject.job();
            subject.insert(&insert).await;
            for claimed in subject.claim(next(1), subject.token()).await {
                let ended = [Event::Succeeded(Part::json("1")), Event::Drained, Event::Cancel];
                let event = ended[claimed.record.job.id.as_u128() as usize % 3].clone();
                subject.event(&claimed.record, event).await;
            }
        })
        .await;
    let mut listed = [0; 6];
    let query = asyncflow_core::store::Query::new(FLOW).limit(100);
    for record in subject.store.list(&query).await.expect("the store lists").records {
        listed[record.state as usize] += 1;
    }
    assert_eq!(subject.states().await, listed);
    assert_eq!(listed.iter().sum::<u64>(), 50);
    subject.write(Batch::default()).await;
}
