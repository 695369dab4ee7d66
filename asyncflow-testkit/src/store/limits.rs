//! What may run of a flow, and of each key.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use asyncflow_core::{
    JobError, JobId, Limits, Record,
    state::{self, Event, Wish},
    store::{Batch, Change, Guard, Insert, Part, Patch, Pick},
};

use super::subject::{FLOW, LEASE, Subject, ids, key, limited, next};

pub(super) fn keyed(subject: &Subject, limit_key: &str) -> Insert {
    Insert { limit_key: Some(limit_key.into()), ..subject.job() }
}

pub(super) fn owned(subject: &Subject, owner: &str) -> Insert {
    Insert { owner: Some(owner.into()), ..subject.job() }
}

async fn add(subject: &Subject, limit_key: &str) -> JobId {
    subject.add(keyed(subject, limit_key)).await.job.id
}

/// Takes jobs within limits, and says which.
async fn take(subject: &Subject, limits: &Limits, jobs: usize) -> Vec<JobId> {
    let taken = subject.take_within(limits, next(jobs)).await;
    assert_eq!(taken.after, None, "no rate holds anything back");
    ids(taken.jobs.iter().map(|claimed| &claimed.record))
}

async fn succeed(subject: &Subject, job: JobId) {
    let held = subject.get(&key(FLOW, job)).await.expect("it is there");
    subject.event(&held, Event::Succeeded(Part::json("1"))).await;
}

/// No more of a flow run than may, whoever claims; other flows and claims without limits are not concerned.
pub async fn of_a_flow(subject: &Subject) {
    let mut jobs = Vec::new();
    for _ in 0..6 {
        jobs.push(subject.add(subject.job()).await.job.id);
    }
    subject.add(Insert { job: key("other", subject.id()), ..subject.job() }).await;
    let limits = Limits::new().running(3);
    assert_eq!(take(subject, &limits, 2).await, jobs[..2]);
    assert_eq!(take(subject, &limits, 9).await, jobs[2..3]);
    assert!(take(subject, &limits, 9).await.is_empty());
    assert_eq!(subject.states().await, [0, 3, 3, 0, 0, 0]);
    let elsewhere = Pick::Next { flow: "other".into(), versions: Arc::new([0]), jobs: 9, bytes: usize::MAX };
    assert_eq!(subject.take_within(&limits, elsewhere).await.jobs.len(), 1);
    succeed(subject, jobs[1]).await;
    assert_eq!(take(subject, &limits, 9).await, jobs[3..4]);
    assert_eq!(ids(&subject.take(1).await), jobs[4..5], "who asks for no limits has none");
    succeed(subject, jobs[0]).await;
    assert!(take(subject, &limits, 9).await.is_empty(), "and what it took counts");
}

/// No more of a key run than may: keys that have to wait are passed over, and jobs without a key are not concerned.
pub async fn of_a_key(subject: &Subject) {
    let mut jobs = Vec::new();
    for limit_key in ["a", "a", "a", "b", "", "b", "A"] {
        jobs.push(add(subject, limit_key).await);
    }
    let (x, y) = (subject.add(subject.job()).await.job.id, subject.add(subject.job()).await.job.id);
    let limits = Limits::new().running_per_key(1);
    assert_eq!(take(subject, &limits, 9).await, [jobs[0], jobs[3], jobs[4], jobs[6], x, y]);
    assert!(take(subject, &limits, 9).await.is_empty());
    succeed(subject, x).await;
    assert!(take(subject, &limits, 9).await.is_empty());
    succeed(subject, jobs[0]).await;
    assert_eq!(take(subject, &limits, 9).await, [jobs[1]]);
    succeed(subject, jobs[3]).await;
    succeed(subject, jobs[1]).await;
    assert_eq!(take(subject, &limits, 9).await, [jobs[2], jobs[5]]);
}

/// A job counts for its key, and for its owner where it has none; a key and an owner of one name are one.
pub async fn of_its_key_or_else_its_owner(subject: &Subject) {
    let limits = Limits::new().running_per_key(1);
    let first = subject.add(owned(subject, "a")).await.job.id;
    let second = add(subject, "a").await;
    let elsewhere = subject.add(Insert { owner: Some("a".into()), ..keyed(subject, "b") }).await.job.id;
    assert_eq!(take(subject, &limits, 9).await, [first, elsewhere]);
    let third = add(subject, "b").await;
    assert!(take(subject, &limits, 9).await.is_empty());
    succeed(subject, elsewhere).await;
    assert_eq!(take(subject, &limits, 9).await, [third]);
    succeed(subject, first).await;
    assert_eq!(take(subject, &limits, 9).await, [second]);
}

/// A job that runs counts until it ends, also once it was asked to stop or to be forgotten.
pub async fn until_it_ends(subject: &Subject) {
    for limits in [Limits::new().running(1), Limits::new().running_per_key(1)] {
        for event in [Event::Cancel, Event::Delete] {
            let (first, second) = (add(subject, "a").await, add(subject, "a").await);
            assert_eq!(take(subject, &limits, 9).await, [first]);
            let held = subject.get(&key(FLOW, first)).await.expect("it is there");
            let marked = subject.event(&held, event).await;
            assert!(take(subject, &limits, 9).await.is_empty(), "a job that is asked to stop runs still");
            subject.event(&marked, Event::Stopped { started: true }).await;
            assert_eq!(take(subject, &limits, 9).await, [second]);
            succeed(subject, second).await;
        }
    }
}

/// Whichever way a job stops running, another may be taken in its place in the same batch.
pub async fn freed_by_every_end(subject: &Subject) {
    let error = || JobError::new("Other", "no");
    let put_off = Duration::from_secs(1_000_000);
    for limits in [Limits::new().running(1), Limits::new().running_per_key(1)] {
        for event in [
            Event::Succeeded(Part::json("1")),
            Event::Failed { error: error(), wish: Wish::Never, chance: 0.0 },
            Event::Failed { error: error(), wish: Wish::After(put_off), chance: 0.0 },
            Event::Snoozed(put_off),
            Event::Drained,
            Event::LeaseLost,
            Event::Due,
        ] {
            let first = add(subject, "a").await;
            subject.clock.advance(Duration::from_secs(1));
            let second = add(subject, "a").await;
            let held = subject.take_within(&limits, Pick::Job(key(FLOW, first))).await.jobs.remove(0).record;
            assert!(take(subject, &limits, 9).await.is_empty());
            if matches!(event, Event::Due) {
                subject.clock.advance(LEASE);
            }
            let (guard, patch) = state::decide(&held, event.clone()).expect("the event fits");
            let changes = vec![Change { job: held.job.clone(), guard, patch }];
            let claims = vec![limited(next(9), &limits, subject.token())];
            let answers = subject.write(Batch { changes, claims, ..Batch::default() }).await;
            let taken = answers.claims[0].jobs[0].record.job.id;
            let back = matches!(event, Event::Drained | Event::LeaseLost | Event::Due);
            assert_eq!((taken, answers.claims[0].jobs.len()), (if back { first } else { second }, 1), "{event:?}");
            for record in answers.claims[0].jobs.iter().map(|claimed| &claimed.record) {
                subject.event(record, Event::Cancel).await;
            }
            for job in [first, second] {
                let record = subject.get(&key(FLOW, job)).await.expect("it is there");
                subject
                    .ask(&record.job, Guard::Version(record.version), Patch { purge: true, ..Patch::default() })
                    .await;
            }
            assert_eq!(subject.states().await[2], 0);
        }
    }
    assert_eq!(take(subject, &Limits::new().running(1).running_per_key(1), 9).await, []);
}

/// However many jobs of a key wait, others are taken: jobs of one key after the other, each by rank.
pub async fn others_go_on(subject: &Subject) {
    let (mut many, mut others) = (Vec::new(), Vec::new());
    for _ in 0..2000 {
        many.push(keyed(subject, "many"));
    }
    subject.write(Batch { inserts: many.clone(), ..Batch::default() }).await;
    for limit_key in ["x", "y", "z", "x"] {
        subject.clock.advance(Duration::from_micros(1));
        others.push(add(subject, limit_key).await);
    }
    let limits = Limits::new().running_per_key(2);
    assert_eq!(take(subject, &limits, 1).await, [many[0].job.id]);
    assert_eq!(take(subject, &limits, 3).await, [many[1].job.id, others[0], others[1]]);
    for other in &others[2..] {
        assert_eq!(take(subject, &limits, 1).await, [*other]);
    }
    assert!(take(subject, &limits, 1).await.is_empty());
    succeed(subject, many[0].job.id).await;
    assert_eq!(take(subject, &limits, 9).await, [many[2].job.id]);
}

/// However many keys wait, and however many of their jobs, what is taken is what comes first of the jobs whose keys need not wait.
pub async fn by_rank_among_many_keys(subject: &Subject) {
    const JOBS: usize = 1500;
    let key_of = |n: usize| match n {
        1480.. => format!("z{}", n % 6),
        n if n % 10 == 9 => format!("k{}", n / 10 % 8),
        n => format!("busy{}", n % 4),
    };
    let inserts: Vec<_> = (0..JOBS).map(|n| keyed(subject, &key_of(n))).collect();
    let mut waiting: Vec<_> = inserts.iter().enumerate().map(|(n, insert)| (insert.job.id, key_of(n))).collect();
    subject.write(Batch { inserts, ..Batch::default() }).await;
    let mut running: HashMap<String, usize> = HashMap::new();
    for jobs in [1, 3, 80, 9, 30] {
        let mut first = Vec::new();
        waiting.retain(|(job, limit_key)| {
            let running = running.entry(limit_key.clone()).or_default();
            let starts = first.len() < jobs && *running < 8;
            if starts {
                *running += 1;
                first.push(*job);
            }
            !starts
        });
        assert_eq!(take(subject, &Limits::new().running_per_key(8), jobs).await, first);
    }
    assert_eq!(waiting.len(), JOBS - (8 * (4 + 8) + 20), "none that may start is left");
}

/// What is taken within limits is taken by rank, with keys or without, of whichever version.
pub async fn by_rank_among_keys(subject: &Subject) {
    let mut ranked = Vec::new();
    for (rank, limit_key, flow_version) in
        [(5, "a", 0), (3, "b", 1), (9, "", 0), (1, "a", 1), (7, "c", 0), (0, "", 1), (-4, "b", 0), (8, "b", 0)]
    {
        let mut insert = Insert { flow_version, ..subject.job() };
        insert.limit_key = Some(limit_key).filter(|key| !key.is_empty()).map(Into::into);
        insert.facts.lead = -rank * 1000;
        ranked.push((rank, subject.add(insert).await.job.id));
    }
    ranked.sort_unstable();
    let limits = Limits::new().running_per_key(2);
    let both = |jobs| Pick::Next { flow: FLOW.into(), versions: Arc::new([1, 0]), jobs, bytes: usize::MAX };
    let mut taken = Vec::new();
    for jobs in [3, 1, 9] {
        let some = subject.take_within(&limits, both(jobs)).await.jobs;
        taken.extend(some.iter().map(|claimed| (claimed.record.rank - subject.now().as_micros()) / 1000));
    }
    assert_eq!(taken, [-4, 0, 1, 3, 5, 7, 9], "just b's third has to wait");
    let left = subject.take(9).await;
    assert_eq!(ids(&left), [ranked[6].1]);
}

/// A job is taken by its id within limits only, those of its key or else its owner as well, and counts then.
pub async fn by_id(subject: &Subject) {
    let by_id = |job| Pick::Job(key(FLOW, job));
    for (limits, of_owner) in [
        (Limits::new().running(1), [false, false]),
        (Limits::new().running_per_key(1), [false, false]),
        (Limits::new().running_per_key(1), [true, true]),
        (Limits::new().running_per_key(1), [false, true]),
        (Limits::new().running_per_key(1), [true, false]),
    ] {
        let of_a = of_owner.map(|of_owner| if of_owner { owned(subject, "a") } else { keyed(subject, "a") });
        let [first, second] = of_a.clone().map(|insert| insert.job.id);
        for insert in of_a {
            subject.add(insert).await;
        }
        assert_eq!(subject.take_within(&limits, by_id(second)).await.jobs.len(), 1);
        let refused = subject.take_within(&limits, by_id(first)).await;
        assert!(refused.jobs.is_empty() && refused.after.is_none());
        assert!(take(subject, &limits, 9).await.is_empty());
        succeed(subject, second).await;
        assert_eq!(subject.take_within(&limits, by_id(first)).await.jobs.len(), 1);
        assert!(subject.take_within(&limits, by_id(second)).await.jobs.is_empty());
        succeed(subject, first).await;
    }
}

/// A claim that is asked again answers what it holds, whatever the limits are now, and takes nothing beyond.
pub async fn asked_again(subject: &Subject) {
    let mut jobs = Vec::new();
    for _ in 0..5 {
        jobs.push(add(subject, "a").await);
    }
    let token = subject.token();
    let wide = Limits::new().running(3).running_per_key(3);
    for limits in [wide.clone(), wide, Limits::new().running(1).running_per_key(1), Limits::new().running(9)] {
        let claims = vec![limited(next(9), &limits, token)];
        let answers = subject.write(Batch { claims, ..Batch::default() }).await;
        assert_eq!(ids(answers.claims[0].jobs.iter().map(|claimed| &claimed.record)), jobs[..3]);
    }
    assert_eq!(subject.states().await, [0, 2, 3, 0, 0, 0]);
}

/// Limits count what earlier jobs of the same claim, and earlier claims of the same batch, have taken.
pub async fn within_a_batch(subject: &Subject) {
    let mut inserts = Vec::new();
    for limit_key in ["a", "b", "c", "d"] {
        inserts.extend((0..4).map(|_| keyed(subject, limit_key)));
    }
    let limits = Limits::new().running(5).running_per_key(2);
    let claims = (0..4).map(|_| limited(next(3), &limits, subject.token())).collect();
    let answers = subject.write(Batch { inserts, claims, ..Batch::default() }).await.claims;
    let taken: Vec<Vec<_>> = answers
        .iter()
        .map(|taken| taken.jobs.iter().map(|claimed| claimed.record.limit_key.as_deref().unwrap_or_default()).collect())
        .collect();
    assert_eq!(taken, [vec!["a", "a", "b"], vec!["b", "c"], vec![], vec![]]);
}

/// Other limits hold from the next claim on, whichever versions it is for: wider ones let go on what was held back, narrower ones wait until
/// fewer run.
pub async fn changed(subject: &Subject) {
    let of = |version| Pick::Next { flow: FLOW.into(), versions: Arc::new([version]), jobs: 9, bytes: usize::MAX };
    let per_key = |most| Limits::new().running_per_key(most);
    let take = async |limits: &Limits, version| {
        let taken = subject.take_within(limits, of(version)).await.jobs;
        taken.into_iter().map(|claimed| claimed.record).collect::<Vec<_>>()
    };
    for flow_version in [0, 1] {
        for _ in 0..3 {
            subject.add(Insert { flow_version, ..keyed(subject, "a") }).await;
        }
    }
    let first = take(&per_key(1), 0).await;
    assert_eq!((first.len(), take(&per_key(1), 1).await.len()), (1, 0));
    assert_eq!((take(&per_key(2), 0).await.len(), take(&per_key(2), 1).await.len()), (1, 0));
    assert_eq!((take(&per_key(3), 0).await.len(), take(&per_key(3), 1).await.len()), (1, 0));
    assert_eq!((take(&per_key(5), 0).await.len(), take(&per_key(5), 1).await.len()), (0, 2), "of another version too");
    assert_eq!(take(&per_key(1), 1).await.len(), 0);
    succeed(subject, first[0].job.id).await;
    assert_eq!(take(&per_key(3), 1).await.len(), 0);
    assert_eq!(take(&per_key(5), 1).await.len(), 1);
}

/// A claim takes no more jobs or bytes than it may, among keys as well; what did not fit is taken by the next, and does not count until then.
pub async fn at_most_jobs_and_bytes(subject: &Subject) {
    let mut jobs = Vec::new();
    for (limit_key, size) in [("a", 100), ("b", 100), ("a", 1000), ("c", 10), ("b", 1)] {
        let request = Part { bytes: vec![b' '; size].into(), ..Part::json("") };
        jobs.push(subject.add(Insert { request, ..keyed(subject, limit_key) }).await.job.id);
    }
    let limits = Limits::new().running(9).running_per_key(2);
    let most = |jobs, bytes| Pick::Next { flow: FLOW.into(), versions: Arc::new([0]), jobs, bytes };
    let take = async |jobs, bytes| {
        let taken = subject.take_within(&limits, most(jobs, bytes)).await.jobs;
        ids(taken.iter().map(|claimed| &claimed.record))
    };
    assert!(take(0, usize::MAX).await.is_empty());
    assert_eq!(take(1, usize::MAX).await, jobs[..1]);
    assert_eq!(take(9, 200).await, jobs[1..2], "none is passed over for its size");
    assert_eq!(take(9, 1009).await, jobs[2..3]);
    assert_eq!(take(9, 10).await, jobs[3..4]);
    assert_eq!(take(9, 0).await, jobs[4..]);
}

/// Of many who claim and finish at once, never more run than may, and all jobs are run.
pub async fn never_exceeded_at_once(subject: &Subject) {
    const JOBS: usize = 600;
    let limits = Limits::new().running(10).running_per_key(3);
    let keys = ["a", "b", "c", "d", "e"];
    let inserts = (0..JOBS).map(|n| keyed(subject, keys[n * n % 7 % 5])).collect();
    subject.write(Batch { inserts, ..Batch::default() }).await;
    // What is known to run: what was answered, and whose end has not been asked for.
    let running: Arc<Mutex<HashMap<Arc<str>, usize>>> = Arc::default();
    let done = subject
        .at_once(64, |subject| {
            let (limits, running) = (limits.clone(), running.clone());
            async move { work(&subject, &limits, &running, JOBS as u64).await }
        })
        .await;
    assert_eq!(done.into_iter().sum::<usize>(), JOBS);
    assert_eq!(subject.states().await, [0, 0, 0, JOBS as u64, 0, 0]);
}

async fn work(subject: &Subject, limits: &Limits, running: &Mutex<HashMap<Arc<str>, usize>>, jobs: u64) -> usize {
    let mut done = 0;
    loop {
        let taken = subject.take_within(limits, next(2)).await.jobs;
        for claimed in &taken {
            let mut running = running.lock().expect("nobody panicked");
            let limit_key = claimed.record.limit_key.clone().expect("each has a key");
            let of_key = running.entry(limit_key).or_default();
            *of_key += 1;
            assert!(*of_key <= 3, "more of a key run than may");
            assert!(running.values().sum::<usize>() <= 10, "more run than may");
        }
        tokio::task::yield_now().await;
        for claimed in &taken {
            let limit_key = claimed.record.limit_key.clone().expect("each has a key");
            *running.lock().expect("nobody panicked").entry(limit_key).or_default() -= 1;
            subject.event(&claimed.record, Event::Succeeded(Part::json("1"))).await;
            done += 1;
        }
        if taken.is_empty() && subject.states().await[3] == jobs {
            return done;
        }
    }
}

/// Jobs that are held back wait like any: they are next in line, can be cancelled, and their key is forgotten with the last of them.
pub async fn held_back_jobs_wait(subject: &Subject) {
    let limits = Limits::new().running_per_key(1);
    let running = add(subject, "a").await;
    assert_eq!(take(subject, &limits, 9).await, [running]);
    subject.clock.advance(Duration::from_secs(1));
    let held = subject.add(keyed(subject, "a")).await;
    subject.clock.advance(Duration::from_secs(1));
    let other = add(subject, "b").await;
    assert_eq!(take(subject, &limits, 9).await, [other]);
    let counts = subject.store.counts(FLOW).await.expect("the store counts");
    assert_eq!((counts.waiting(), counts.oldest), (1, Some(held.created)));
    subject.event(&held, Event::Cancel).await;
    assert!(take(subject, &limits, 9).await.is_empty());
    succeed(subject, running).await;
    let next = add(subject, "a").await;
    assert_eq!(take(subject, &limits, 9).await, [next]);
}

/// Limits of one key do not depend on which of a flow's versions its jobs are.
pub async fn of_all_versions(subject: &Subject) {
    let of = |version| Pick::Next { flow: FLOW.into(), versions: Arc::new([version]), jobs: 9, bytes: usize::MAX };
    let jobs: Vec<Record> = {
        let mut jobs = Vec::new();
        for flow_version in [1, 2] {
            jobs.push(subject.add(Insert { flow_version, ..keyed(subject, "a") }).await);
        }
        jobs
    };
    for limits in [Limits::new().running(1), Limits::new().running_per_key(1)] {
        let held = subject.take_within(&limits, of(2)).await.jobs.remove(0).record;
        assert_eq!(held.job, jobs[1].job);
        assert!(subject.take_within(&limits, of(1)).await.jobs.is_empty());
        subject.event(&held, Event::Drained).await;
    }
}
