//! Owners take turns, where their jobs have a spacing.

use std::{sync::Arc, time::Duration};

use asyncflow_core::{
    JobError, Limits, Policy, Record,
    state::{self, Event, Wish},
    store::{Batch, Insert, Part},
};

use super::{
    limits::owned,
    subject::{Subject, next},
};

const SPACING: Duration = Duration::from_millis(100);
const SECOND: Duration = Duration::from_secs(1);

fn policy() -> Arc<Policy> {
    Arc::new(Policy { spacing: Some(SPACING), ..Policy::default() })
}

/// A job of an owner; of nobody where the name is empty.
fn fair(subject: &Subject, owner: &str) -> Insert {
    Insert {
        facts: state::submit(None, 0, &policy()),
        owner: Some(owner).filter(|owner| !owner.is_empty()).map(Into::into),
        ..subject.job()
    }
}

async fn add(subject: &Subject, owners: &[&str]) {
    let inserts = owners.iter().map(|owner| fair(subject, owner)).collect();
    subject.write(Batch { inserts, ..Batch::default() }).await;
}

async fn add_one(subject: &Subject, insert: Insert) -> Record {
    subject.insert(&insert).await;
    subject.get(&insert.job).await.expect("it was inserted")
}

/// Whose the next jobs are.
async fn take(subject: &Subject, jobs: usize) -> Vec<String> {
    whose(&subject.take(jobs).await)
}

fn whose(records: &[Record]) -> Vec<String> {
    records.iter().map(|record| record.owner.as_deref().unwrap_or_default().to_owned()).collect()
}

async fn succeed(subject: &Subject, record: &Record) {
    subject.event(record, Event::Succeeded(Part::json("1"))).await;
}

/// However many jobs of an owner wait, and for how long, another's first is next.
pub async fn anothers_first_is_next(subject: &Subject) {
    add(subject, &["many"; 1000]).await;
    assert_eq!(take(subject, 3).await, ["many"; 3]);
    add(subject, &["b"]).await;
    assert!(take(subject, 2).await.contains(&"b".to_owned()));
    // The line is slower than its turns say, and then faster.
    subject.clock.advance(SECOND * 3600);
    add(subject, &["c", "c"]).await;
    assert!(take(subject, 2).await.contains(&"c".to_owned()));
    take(subject, 500).await;
    add(subject, &["d"]).await;
    assert!(take(subject, 2).await.contains(&"d".to_owned()));
}

/// Owners that have jobs waiting are served one after the other, each owner's in their order; those who have no owner are as one.
pub async fn one_after_the_other(subject: &Subject) {
    add(subject, &["a", "a", "a", "a", "b", "b", "", "", "", "c"]).await;
    assert_eq!(take(subject, 4).await, ["a", "b", "", "c"]);
    assert_eq!(take(subject, 9).await, ["a", "b", "", "a", "", "a"]);
}

/// Turns are taken alike whether jobs come in one batch or one by one, while others are taken or not.
pub async fn while_others_come(subject: &Subject) {
    for _ in 0..10 {
        add(subject, &["a"]).await;
        add(subject, &["b"]).await;
    }
    let mut taken = Vec::new();
    for n in 0..24 {
        if n % 4 == 0 {
            add(subject, &["c"]).await;
        }
        taken.extend(take(subject, 1).await);
        subject.clock.advance(SECOND);
    }
    let of = |owner: &str| taken.iter().filter(|whose| *whose == owner).count();
    assert_eq!((of("a") + of("b"), of("c")), (18, 6), "{taken:?}");
    assert!(of("a").abs_diff(of("b")) <= 1, "{taken:?}");
}

/// Priority counts on top of turns.
pub async fn priority_on_top(subject: &Subject) {
    add(subject, &["a"; 20]).await;
    let urgent = |priority| Insert { facts: state::submit(None, priority, &policy()), ..fair(subject, "a") };
    let high = add_one(subject, urgent(1)).await;
    let low = add_one(subject, urgent(-1)).await;
    assert_eq!(high.rank, subject.now().as_micros() + 2_000_000 - 60_000_000);
    assert_eq!(low.rank, subject.now().as_micros() + 2_100_000 + 60_000_000);
    assert_eq!(subject.take(1).await[0].job, high.job);
    let rest = subject.take(99).await;
    assert_eq!(rest.last().map(|last| &last.job), Some(&low.job));
}

/// A job that is put off is given a new place when it is ready again, behind its owner's others.
pub async fn put_off(subject: &Subject) {
    let error = JobError::new("Other", "no");
    for event in [
        Event::Snoozed(Duration::ZERO),
        Event::Snoozed(SECOND),
        Event::Failed { error: error.clone(), wish: Wish::After(Duration::ZERO), chance: 0.0 },
        Event::Failed { error, wish: Wish::After(SECOND), chance: 0.0 },
    ] {
        add(subject, &["a", "a", "a", "b", "b", "b"]).await;
        let first = subject.take(1).await.remove(0);
        let back = subject.event(&first, event).await;
        if back.state == asyncflow_core::State::Scheduled {
            subject.clock.advance(SECOND);
            subject.event(&back, Event::Due).await;
        }
        let order = subject.take(9).await;
        assert_eq!(whose(&order), ["b", "a", "b", "a", "b", "a"]);
        assert_eq!(order[5].job, first.job);
        for record in order {
            succeed(subject, &record).await;
        }
    }
}

/// A job that is handed back, or whose worker is lost, keeps its place.
pub async fn handed_back(subject: &Subject) {
    add(subject, &["a", "a", "b", "b"]).await;
    for event in [Event::Drained, Event::LeaseLost] {
        let first = subject.take(1).await.remove(0);
        let back = subject.event(&first, event).await;
        assert_eq!((back.rank, whose(&[back])), (first.rank, vec!["a".to_owned()]));
    }
    assert_eq!(take(subject, 9).await, ["a", "b", "a", "b"]);
}

/// A job that is to run later is given its place when it is ready, not before.
pub async fn scheduled(subject: &Subject) {
    let later = Insert { facts: state::submit(Some(SECOND), 0, &policy()), ..fair(subject, "a") };
    let later = add_one(subject, later).await;
    add(subject, &["a", "a", "b", "b"]).await;
    subject.clock.advance(SECOND);
    subject.event(&later, Event::Due).await;
    let order = subject.take(9).await;
    assert_eq!(whose(&order), ["a", "b", "a", "b", "a"]);
    assert_eq!(order[4].job, later.job);
}

/// What an owner had is forgotten once none of its jobs wait: its next one does not stand behind those.
pub async fn forgotten(subject: &Subject) {
    add(subject, &["b"; 9]).await;
    let mut jobs = Vec::new();
    for _ in 0..9 {
        jobs.push(add_one(subject, fair(subject, "a")).await);
    }
    for record in &jobs {
        subject.event(record, Event::Cancel).await;
    }
    let held = subject.take(1).await.remove(0);
    let fresh = add_one(subject, fair(subject, "a")).await;
    assert_eq!(fresh.rank, held.rank + 100_000, "it stands where the line is");
    assert_eq!(take(subject, 2).await, ["b", "a"]);
    let of_b = subject.take(99).await;
    assert_eq!(of_b.len(), 7);
    // Where nobody waits, the line begins anew.
    subject.clock.advance(SECOND);
    assert_eq!(add_one(subject, fair(subject, "c")).await.rank, subject.now().as_micros());
}

/// Who comes again and again with one job gets no more than a turn among those who have many waiting.
pub async fn one_at_a_time(subject: &Subject) {
    add(subject, &["a"; 50]).await;
    add(subject, &["b"; 50]).await;
    let (mut taken, mut waits) = (Vec::new(), false);
    for n in 0..60 {
        if !waits {
            add(subject, &[if n % 2 == 0 { "c" } else { "d" }]).await;
        }
        let next = take(subject, 1).await.remove(0);
        waits = next == "a" || next == "b";
        taken.push(next);
    }
    let of = |owner: &str| taken.iter().filter(|whose| *whose == owner).count();
    assert!(of("a") >= 19 && of("b") >= 19 && of("c") + of("d") >= 19, "{taken:?}");
}

/// An owner that was held back and goes on with an old place does not put those who come new before those who wait.
pub async fn held_back(subject: &Subject) {
    let limits = Limits::new().running_per_key(1);
    let mut inserts: Vec<_> = ["a"; 3].map(|owner| fair(subject, owner)).into();
    // Each of these has a key of its own.
    inserts.extend((0..60).map(|n| Insert { limit_key: Some(n.to_string().into()), ..fair(subject, "b") }));
    subject.write(Batch { inserts, ..Batch::default() }).await;
    let first = subject.take_within(&limits, next(1)).await.jobs.remove(0).record;
    assert_eq!(first.owner.as_deref(), Some("a"));
    assert_eq!(subject.take_within(&limits, next(40)).await.jobs.len(), 40);
    succeed(subject, &first).await;
    let second = subject.take_within(&limits, next(1)).await.jobs.remove(0).record;
    assert_eq!(second.owner.as_deref(), Some("a"));
    let mut of_b = 0;
    for n in 0..20 {
        add(subject, &[&format!("new {n}")]).await;
        let taken = subject.take_within(&limits, next(1)).await.jobs;
        of_b += usize::from(taken[0].record.owner.as_deref() == Some("b"));
    }
    assert!(of_b > 0, "who comes new is always before who waits");
}

/// Jobs without a spacing stand in line as they come, whoever has how many.
pub async fn just_with_a_spacing(subject: &Subject) {
    let mut jobs = Vec::new();
    for owner in ["a", "a", "a", "b"] {
        jobs.push(subject.add(owned(subject, owner)).await);
        subject.clock.advance(SECOND);
    }
    assert_eq!(take(subject, 9).await, ["a", "a", "a", "b"]);
}

/// Flows have their turns apart.
pub async fn apart_by_flow(subject: &Subject) {
    add(subject, &["a"; 9]).await;
    let elsewhere = Insert { job: super::subject::key("other", subject.id()), ..fair(subject, "a") };
    assert_eq!(add_one(subject, elsewhere).await.rank, subject.now().as_micros());
}

/// However many come and are taken at once, each owner's jobs stand a spacing apart.
pub async fn exact_at_once(subject: &Subject) {
    let job = |subject: Subject| async move {
        let owner = ["a", "b", "c"][subject.id().as_u128() as usize % 3];
        add_one(&subject, fair(&subject, owner)).await
    };
    let mut records = subject.at_once(60, job).await;
    records.sort_by_key(|record| (record.owner.clone(), record.rank));
    for pair in records.windows(2).filter(|pair| pair[0].owner == pair[1].owner) {
        assert_eq!(pair[1].rank - pair[0].rank, 100_000);
    }
    let taken = subject.at_once(60, |subject| async move { subject.take(1).await }).await;
    assert_eq!(taken.into_iter().flatten().count(), 60);
}
