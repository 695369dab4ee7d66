//! Jobs are inserted once, as they were given.

use std::{sync::Arc, time::Duration};

use asyncflow_core::{
    Policy, Retention, Retry, Stamp,
    state::{self, Event},
    store::{Batch, Changed, ContentType, Guard, Insert, Inserted, Part, PartName, Patch, Pick},
};

use super::subject::{FLOW, Subject, key};

/// A job is kept with all that it was given.
pub async fn as_given(subject: &Subject) {
    let policy = Policy {
        retry: Retry::exponential(7, Duration::from_nanos(1_500_000_001)).jitter(0.3),
        retention: Retention::of(Duration::from_secs(5)).failed(Duration::from_millis(1)),
        expiry: Duration::from_secs(77),
        boost: Duration::from_micros(3),
        max_crashes: 9,
        max_snoozes: u16::MAX,
        spacing: Some(Duration::from_micros(5)),
    };
    let insert = Insert {
        job: key("flüsse/0 '\"", subject.id()),
        flow_version: u16::MAX,
        facts: state::submit(None, -10, &Arc::new(policy)),
        owner: Some("an öwner\0".into()),
        request: Part { content_type: "text/csv; header=present".into(), bytes: "a,b\n".into() },
        ..subject.job()
    };
    let record = subject.add(insert.clone()).await;
    assert_eq!(subject.get(&insert.job).await, Some(record));
    assert_eq!(subject.part(&insert.job, PartName::Request).await, Some(insert.request));
    assert_eq!(subject.part(&insert.job, PartName::Outcome).await, None);
}

/// A job may be put off when it is inserted.
pub async fn put_off(subject: &Subject) {
    let delay = Duration::from_secs(60);
    let facts = state::submit(Some(delay), 3, &Arc::new(Policy::default()));
    let record = subject.add(Insert { facts, ..subject.job() }).await;
    assert_eq!(record.due, subject.now() + delay);
    assert_eq!(subject.get(&record.job).await, Some(record));
    assert_eq!(subject.take(1).await, []);
}

/// A request is any bytes of any type: none, many, and such as are no text.
pub async fn any_bytes(subject: &Subject) {
    let most = subject.store.largest_part().min(3 << 20);
    let all = [Vec::new(), vec![0], (0..=255).collect(), vec![0xff; most]];
    for (bytes, kind) in all.into_iter().zip([
        ContentType::Json,
        ContentType::Text,
        ContentType::Bytes,
        ContentType::Other("image/png".into()),
    ]) {
        let request = Part { content_type: kind, bytes: bytes.into() };
        let record = subject.add(Insert { request: request.clone(), ..subject.job() }).await;
        assert!(subject.part(&record.job, PartName::Request).await == Some(request.clone()));
        let claimed = subject.claim(Pick::Job(record.job), subject.token()).await;
        assert!(claimed[0].request == request);
    }
}

/// An id that exists is answered as existing, and nothing changes, whatever else the insert says and whatever became of the job.
pub async fn an_id_again(subject: &Subject) {
    let insert = subject.job();
    let created = subject.now();
    subject.add(insert.clone()).await;
    let other = Insert { request: Part::json("[]"), owner: Some("other".into()), flow_version: 9, ..insert.clone() };
    let existing = Inserted::Existing { id: insert.job.id, created };
    let mut record = subject.get(&insert.job).await.expect("it is there");
    for event in [None, Some(Event::Cancel), Some(Event::Delete)] {
        subject.clock.advance(Duration::from_secs(1));
        if let Some(event) = event {
            record = subject.event(&record, event).await;
        }
        assert_eq!(subject.insert(&insert).await, existing);
        assert_eq!(subject.insert(&other).await, existing);
        assert_eq!(subject.get(&insert.job).await.as_ref(), Some(&record));
    }
    assert_eq!(subject.states().await.iter().sum::<u64>(), 1);
}

/// The same insert twice in one batch makes one job.
pub async fn twice_in_a_batch(subject: &Subject) {
    let insert = subject.job();
    let (id, created) = (insert.job.id, subject.now());
    let answers = subject.write(Batch { inserts: vec![insert.clone(), insert], ..Batch::default() }).await;
    assert_eq!(answers.inserts, [Inserted::Created { created }, Inserted::Existing { id, created }]);
    assert_eq!(subject.states().await, [0, 1, 0, 0, 0, 0]);
}

/// Of many inserts of an id at once, one makes the job and the others find it.
pub async fn one_of_many_at_once(subject: &Subject) {
    let insert = subject.job();
    let id = insert.job.id;
    let answers = subject
        .at_once(64, |subject| {
            let insert = insert.clone();
            async move { subject.insert(&insert).await }
        })
        .await;
    let created: Vec<Stamp> = answers
        .iter()
        .filter_map(|answer| if let Inserted::Created { created } = answer { Some(*created) } else { None })
        .collect();
    assert_eq!(created.len(), 1, "{answers:?}");
    let existing = Inserted::Existing { id, created: created[0] };
    assert_eq!(answers.iter().filter(|answer| **answer == existing).count(), 63, "{answers:?}");
    assert_eq!(subject.states().await, [0, 1, 0, 0, 0, 0]);
}

/// A job is not found under another flow.
pub async fn apart_by_flow(subject: &Subject) {
    let record = subject.add(subject.job()).await;
    let elsewhere = key("elsewhere", record.job.id);
    assert_eq!(subject.get(&elsewhere).await, None);
    assert_eq!(subject.part(&elsewhere, PartName::Request).await, None);
    assert_eq!(subject.ask(&elsewhere, Guard::Version(1), Patch::default()).await, Changed::Missing);
    assert!(subject.claim(Pick::Job(elsewhere), subject.token()).await.is_empty());
    assert_eq!(subject.get(&key(FLOW, record.job.id)).await, Some(record));
}
