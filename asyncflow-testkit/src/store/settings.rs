//! What is set for flows while nodes run.

use std::time::Duration;

use asyncflow_core::{FlowSettings, Limits, Rate, Settings};

use super::subject::Subject;

async fn read(subject: &Subject) -> Settings {
    Settings::clone(&*subject.store.due(0).await.expect("the store reads").settings)
}

async fn put(subject: &Subject, settings: &Settings) -> bool {
    subject.store.put_settings(settings).await.expect("the store writes")
}

/// Settings in which a flow is paused, and another has limits.
fn settings(version: u64, limits: Limits) -> Settings {
    let (mut paused, mut limited) = (FlowSettings::default(), FlowSettings::default());
    paused.paused = true;
    limited.limits = Some(limits);
    let flows = [("flüsse/0 '\"".to_owned(), paused), ("limited".to_owned(), limited)].into();
    Settings { version, flows }
}

/// At first nothing is set.
pub async fn none_at_first(subject: &Subject) {
    assert_eq!(read(subject).await, Settings::default());
    assert!(!put(subject, &Settings::default()).await, "the version that is there already follows nothing");
}

/// What is set is read as it was given, with what is due, however little of that is asked for.
pub async fn as_given(subject: &Subject) {
    let all =
        Limits::new().running(1).running_per_key(u64::MAX >> 1).rate_per_key(Rate::new(u32::MAX, Duration::MAX / 9));
    for (n, limits) in
        [all, Limits::new().rate(Rate::new(3, Duration::from_micros(7))), Limits::new()].into_iter().enumerate()
    {
        let settings = settings(n as u64 + 1, limits);
        assert!(put(subject, &settings).await);
        assert_eq!(read(subject).await, settings);
        subject.running().await;
        subject.clock.advance(Duration::from_secs(60));
        let attention = subject.store.due(9).await.expect("the store reads");
        assert_eq!((attention.records.len(), &*attention.settings), (n + 1, &settings));
    }
}

/// Settings are set by who knew the ones before; others change nothing.
pub async fn after_the_ones_before(subject: &Subject) {
    let limits = |n| Limits::new().running(n);
    assert!(!put(subject, &settings(2, limits(1))).await);
    assert_eq!(read(subject).await, Settings::default());
    assert!(put(subject, &settings(1, limits(2))).await);
    for stale in [0, 1, 3, u64::MAX >> 1] {
        assert!(!put(subject, &settings(stale, limits(3))).await, "version {stale} does not follow 1");
        assert_eq!(read(subject).await, settings(1, limits(2)));
    }
    assert!(put(subject, &settings(2, limits(4))).await);
    assert_eq!(read(subject).await, settings(2, limits(4)));
}

/// Of many who set the next ones at once, one does.
pub async fn one_of_many_at_once(subject: &Subject) {
    for version in 1..4 {
        let set = subject
            .at_once(64, |subject| async move {
                let settings = settings(version, Limits::new().running(subject.id().as_u128() as u64 >> 1));
                put(&subject, &settings).await.then_some(settings)
            })
            .await;
        let set: Vec<_> = set.into_iter().flatten().collect();
        assert_eq!(set, [read(subject).await]);
    }
}
