//! Plain reads.

use asyncflow_core::{
    Mark,
    state::Event,
    store::{Insert, Part, PartName, Parts, Patch},
};

use super::subject::{Subject, key};

/// Records come in the order asked, as often as asked, and nothing where there is none.
pub async fn in_the_order_asked(subject: &Subject) {
    let one = subject.add(subject.job()).await;
    let other = subject.add(Insert { job: key("other", subject.id()), ..subject.job() }).await;
    let keys = [&other.job, &key("other", one.job.id), &one.job, &subject.job().job, &other.job].map(Clone::clone);
    let found = subject.store.get(&keys).await.expect("the store reads");
    assert_eq!(found, [Some(other.clone()), None, Some(one), None, Some(other)]);
    assert!(subject.store.get(&[]).await.expect("the store reads").is_empty());
}

/// A record that is to be forgotten is read until it is purged: who may see it is not the store's to say.
pub async fn forgotten_too(subject: &Subject) {
    for record in [subject.add(subject.job()).await, subject.running().await] {
        let forgotten = subject.event(&record, Event::Delete).await;
        assert_eq!(forgotten.mark, Mark::Forget);
        assert_eq!(subject.get(&record.job).await, Some(forgotten));
    }
}

/// What was written is read at once, by whoever asks.
pub async fn after_write(subject: &Subject) {
    let stale = subject
        .at_once(32, |subject| async move {
            let mut record = subject.add(subject.job()).await;
            let mut stale = 0;
            for n in 0..10 {
                let outcome = Part::json(n.to_string());
                let patch = Patch { parts: Parts::Error(outcome.clone()), ..Patch::default() };
                record = subject.change(&record, patch).await;
                stale += usize::from(subject.part(&record.job, PartName::Outcome).await != Some(outcome));
            }
            stale
        })
        .await;
    assert_eq!(stale.into_iter().sum::<usize>(), 0);
}

/// A store that works says so.
pub async fn check(subject: &Subject) {
    for _ in 0..2 {
        subject.store.check().await.expect("the store is ready");
        subject.add(subject.job()).await;
    }
}

/// The store takes parts of the size that it names, or of 4 MiB where it takes more.
pub async fn largest_part(subject: &Subject) {
    let size = subject.store.largest_part().min(4 << 20);
    let record = subject.running().await;
    let result = Part { bytes: vec![b'1'; size].into(), ..Part::json("") };
    subject.change(&record, Patch { parts: Parts::Result(result.clone()), ..Patch::default() }).await;
    assert!(subject.part(&record.job, PartName::Outcome).await == Some(result));
}
