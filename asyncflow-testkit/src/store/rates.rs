//! How often jobs of a flow, and of each key, may start.

use std::time::Duration;

use asyncflow_core::{
    Limits, Rate,
    state::Event,
    store::{Batch, Insert, Part, Pick, Taken},
};

use super::{
    limits::{keyed, owned},
    subject::{FLOW, Subject, key, limited, next},
};

const SECOND: Duration = Duration::from_secs(1);
const MOMENT: Duration = Duration::from_micros(1);

async fn add(subject: &Subject, limit_keys: &[&str]) {
    let inserts = limit_keys.iter().map(|limit_key| keyed(subject, limit_key)).collect();
    subject.write(Batch { inserts, ..Batch::default() }).await;
}

/// The keys of the jobs that are taken within limits, and how long until there are more.
async fn take(subject: &Subject, limits: &Limits, jobs: usize) -> (Vec<String>, Option<Duration>) {
    keys(subject.take_within(limits, next(jobs)).await)
}

fn keys(taken: Taken) -> (Vec<String>, Option<Duration>) {
    let limit_key = |claimed: asyncflow_core::store::Claimed| claimed.record.limited_by().map(|key| key.to_string());
    (taken.jobs.into_iter().map(|claimed| limit_key(claimed).unwrap_or_default()).collect(), taken.after)
}

/// As many as the rate says start at once, and then one after the other, evenly by the store's clock: a claim says when the next one may, and
/// it may then, and not before. What was not used is there for later, but no more than at first.
pub async fn at_once_and_then_evenly(subject: &Subject) {
    add(subject, &["a"; 25]).await;
    for limits in [Limits::new().rate(Rate::new(3, SECOND * 3)), Limits::new().rate_per_key(Rate::new(3, SECOND * 3))] {
        let (first, after) = take(subject, &limits, 9).await;
        assert_eq!((first.len(), after), (3, Some(SECOND)));
        for _ in 0..3 {
            subject.clock.advance(SECOND - MOMENT);
            assert_eq!(take(subject, &limits, 9).await, (vec![], Some(MOMENT)));
            subject.clock.advance(MOMENT);
            assert_eq!(take(subject, &limits, 9).await, (vec!["a".into()], Some(SECOND)));
        }
        subject.clock.advance(SECOND * 2);
        assert_eq!(take(subject, &limits, 1).await.0.len(), 1);
        subject.clock.advance(SECOND * 100);
        let (again, after) = take(subject, &limits, 9).await;
        assert_eq!((again.len(), after), (3, Some(SECOND)));
    }
}

/// Where all that is ready was taken, nothing is held back.
pub async fn nothing_held_back(subject: &Subject) {
    let limits = Limits::new().rate(Rate::new(2, SECOND)).rate_per_key(Rate::new(2, SECOND));
    add(subject, &["a", "b"]).await;
    assert_eq!(take(subject, &limits, 1).await, (vec!["a".into()], None), "it has what it asked for");
    assert_eq!(take(subject, &limits, 9).await, (vec!["b".into()], None));
    assert_eq!(take(subject, &limits, 9).await, (vec![], None));
    // Held back by how many run, it goes on when one ends, and not after a time.
    let limits = limits.running(2);
    add(subject, &["a"]).await;
    assert_eq!(take(subject, &limits, 9).await, (vec![], None));
    let limits = Limits::new().running_per_key(1).rate_per_key(Rate::new(2, SECOND));
    assert_eq!(take(subject, &limits, 9).await, (vec![], None));
}

/// Each key has its rate: where one has to wait others go on, jobs without a key as they like, and the first whose time comes is told.
pub async fn per_key(subject: &Subject) {
    let limits = Limits::new().rate_per_key(Rate::new(1, SECOND));
    add(subject, &["a", "a", "a", "b"]).await;
    for _ in 0..3 {
        subject.add(subject.job()).await;
    }
    subject.add(owned(subject, "a")).await;
    let (taken, after) = take(subject, &limits, 9).await;
    assert_eq!((taken, after), (["a", "b", "", "", ""].map(Into::into).to_vec(), Some(SECOND)));
    subject.clock.advance(SECOND / 2);
    add(subject, &["b", "c"]).await;
    assert_eq!(take(subject, &limits, 9).await, (vec!["c".into()], Some(SECOND / 2)));
    subject.clock.advance(SECOND / 2);
    assert_eq!(take(subject, &limits, 9).await, (vec!["a".into(), "b".into()], Some(SECOND)));
    subject.clock.advance(SECOND);
    assert_eq!(take(subject, &limits, 9).await, (vec!["a".into()], Some(SECOND)));
    subject.clock.advance(SECOND);
    assert_eq!(take(subject, &limits, 9).await, (vec!["a".into()], None), "its owner's, which is the same key");
}

/// A flow's rate and its keys' hold together: who waits as long as it is told, again and again, gets every job, and none too soon.
pub async fn together(subject: &Subject) {
    let limits = Limits::new().rate(Rate::new(2, SECOND)).rate_per_key(Rate::new(1, SECOND * 2)).running(30);
    add(subject, &["a", "a", "a", "b", "a", "c", "b"]).await;
    let (began, mut starts) = (subject.now(), Vec::new());
    for _ in 0..60 {
        let (taken, after) = take(subject, &limits, 2).await;
        starts.extend(taken.into_iter().map(|limit_key| (limit_key, subject.now().since(began))));
        let Some(after) = after else { continue };
        assert!(after > Duration::ZERO && after <= SECOND * 2);
        subject.clock.advance(after);
    }
    let of = |wanted| starts.iter().filter(move |(key, _)| key == wanted).map(|(_, at)| *at).collect::<Vec<_>>();
    assert_eq!(of("a"), [Duration::ZERO, SECOND * 2, SECOND * 4, SECOND * 6]);
    assert_eq!(of("b"), [Duration::ZERO, SECOND * 2]);
    assert_eq!(of("c"), [SECOND / 2]);
}

/// A job is taken by its id at its rate only, and counts then.
pub async fn by_id(subject: &Subject) {
    for limits in [Limits::new().rate(Rate::new(1, SECOND)), Limits::new().rate_per_key(Rate::new(1, SECOND))] {
        let (first, second) = (subject.add(keyed(subject, "a")).await, subject.add(keyed(subject, "a")).await);
        let by_id = |record: &asyncflow_core::Record| Pick::Job(record.job.clone());
        assert_eq!(keys(subject.take_within(&limits, by_id(&second)).await), (vec!["a".into()], None));
        assert_eq!(keys(subject.take_within(&limits, by_id(&first)).await), (vec![], Some(SECOND)));
        assert_eq!(keys(subject.take_within(&limits, by_id(&second)).await), (vec![], None), "it is not ready");
        assert_eq!(take(subject, &limits, 9).await, (vec![], Some(SECOND)));
        subject.clock.advance(SECOND);
        assert_eq!(keys(subject.take_within(&limits, by_id(&first)).await), (vec!["a".into()], None));
        subject.clock.advance(SECOND);
    }
}

/// Just jobs that are taken count: not those that stay for another limit or their size, nor a claim that is asked again. What ended has
/// started all the same.
pub async fn just_what_started(subject: &Subject) {
    let limits = Limits::new().rate(Rate::new(3, SECOND * 3)).rate_per_key(Rate::new(2, SECOND * 2)).running_per_key(1);
    add(subject, &["a", "a", "a"]).await;
    let token = subject.token();
    let claims = vec![limited(next(9), &limits, token)];
    for _ in 0..5 {
        let answers = subject.write(Batch { claims: claims.clone(), ..Batch::default() }).await;
        assert_eq!(answers.claims[0].jobs.len(), 1);
    }
    assert_eq!(take(subject, &limits, 9).await, (vec![], None));
    for _ in 0..2 {
        let large = Part { bytes: vec![b' '; 1000].into(), ..Part::json("") };
        subject.add(Insert { request: large, ..keyed(subject, "b") }).await;
    }
    let few = Pick::Next { flow: FLOW.into(), versions: [0].into(), jobs: 9, bytes: 0 };
    let wide = Limits { running_per_key: None, ..limits.clone() };
    let first = subject.take_within(&wide, few).await.jobs.remove(0).record;
    assert_eq!(first.limited_by().map(|key| &**key), Some("a"));
    subject.event(&first, Event::Succeeded(Part::json("1"))).await;
    // Two of a's have started, and of the flow's three one is left: for b.
    assert_eq!(take(subject, &wide, 9).await, (vec!["b".into()], Some(SECOND)));
}

/// Claims without a rate do not count for one.
pub async fn just_where_there_is_one(subject: &Subject) {
    add(subject, &["a"; 9]).await;
    subject.take(3).await;
    assert_eq!(take(subject, &Limits::new().running(9), 2).await.0.len(), 2);
    let limits = Limits::new().rate(Rate::new(2, SECOND)).rate_per_key(Rate::new(2, SECOND));
    assert_eq!(take(subject, &limits, 9).await.0.len(), 2);
}

/// Flows have their rates apart.
pub async fn apart_by_flow(subject: &Subject) {
    let limits = Limits::new().rate(Rate::new(1, SECOND)).rate_per_key(Rate::new(1, SECOND));
    add(subject, &["a", "a"]).await;
    subject.add(Insert { job: key("other", subject.id()), ..keyed(subject, "a") }).await;
    assert_eq!(take(subject, &limits, 9).await.0.len(), 1);
    let elsewhere = Pick::Next { flow: "other".into(), versions: [0].into(), jobs: 9, bytes: usize::MAX };
    assert_eq!(keys(subject.take_within(&limits, elsewhere).await), (vec!["a".into()], None));
}

/// Rates count what earlier jobs of the same claim, and earlier claims of the same batch, have started.
pub async fn within_a_batch(subject: &Subject) {
    let inserts = ["a", "a", "a", "b", "b", "c", "c"].map(|limit_key| keyed(subject, limit_key)).to_vec();
    let limits = Limits::new().rate(Rate::new(5, SECOND)).rate_per_key(Rate::new(2, SECOND));
    let claims = (0..3).map(|_| limited(next(3), &limits, subject.token())).collect();
    let answers = subject.write(Batch { inserts, claims, ..Batch::default() }).await.claims;
    let taken: Vec<_> = answers.into_iter().map(|taken| keys(taken).0).collect();
    assert_eq!(taken, [vec!["a", "a", "b"], vec!["b", "c"], vec![]]);
}

/// Of many who claim at once, as many jobs start as may.
pub async fn exact_at_once(subject: &Subject) {
    let limit_keys: Vec<_> = (0..200).map(|n| ["a", "b", "c"][n % 3]).collect();
    add(subject, &limit_keys).await;
    let limits = Limits::new().rate(Rate::new(25, SECOND)).rate_per_key(Rate::new(10, SECOND));
    let claims = |subject: Subject| {
        let limits = limits.clone();
        async move { take(&subject, &limits, 2).await.0.len() }
    };
    assert_eq!(subject.at_once(64, claims).await.into_iter().sum::<usize>(), 25);
    subject.clock.advance(SECOND);
    assert_eq!(subject.at_once(64, claims).await.into_iter().sum::<usize>(), 25);
}

/// Another rate holds from the next claim on: nobody waits longer than it can demand, whatever was started at the one before.
pub async fn changed(subject: &Subject) {
    let per_hour = Rate::new(50, SECOND * 3600);
    let per_second = Rate::new(1, SECOND);
    let kinds: [fn(Rate) -> Limits; 2] = [|rate| Limits::new().rate(rate), |rate| Limits::new().rate_per_key(rate)];
    for limits in kinds {
        add(subject, &["a"; 60]).await;
        assert_eq!(take(subject, &limits(per_hour), 99).await.0.len(), 50);
        assert_eq!(take(subject, &limits(per_second), 99).await, (vec![], Some(SECOND)));
        for _ in 0..3 {
            subject.clock.advance(SECOND);
            assert_eq!(take(subject, &limits(per_second), 99).await, (vec!["a".into()], Some(SECOND)));
        }
        subject.take(99).await;
        subject.clock.advance(SECOND * 10_000);
    }
}

/// A clock that is set back holds nothing back for longer than the rate can.
pub async fn clock_set_back(subject: &Subject) {
    for limits in [Limits::new().rate(Rate::new(2, SECOND * 2)), Limits::new().rate_per_key(Rate::new(2, SECOND * 2))] {
        add(subject, &["a"; 9]).await;
        assert_eq!(take(subject, &limits, 9).await, (vec!["a".into(); 2], Some(SECOND)));
        subject.clock.set(asyncflow_core::Stamp::from_micros(subject.now().as_micros() - 3_600_000_000));
        let (taken, after) = take(subject, &limits, 9).await;
        assert_eq!((taken, after), (vec![], Some(SECOND)));
        for _ in 0..3 {
            subject.clock.advance(SECOND);
            assert_eq!(take(subject, &limits, 9).await, (vec!["a".into()], Some(SECOND)));
        }
        subject.take(9).await;
        subject.clock.advance(SECOND * 7200);
    }
}
