//! News is not lost, and what is asked of the memory store at once happens one after the other.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{sync::Arc, time::Duration};

use shuttle::{future::block_on, thread};

use super::{
    Answers, Batch, Change, Changed, Claim, Claimed, Guard, Hint, Hints, Idempotency, Inserted, MemoryStore, Parts,
    Patch, Pick, Store,
};
use crate::{
    job::{JobId, State, Token},
    policy::Limits,
    schedules::{insert, job, memory, try_schedules},
    state::{self, Event},
};

#[test]
fn news_is_heard_whenever_it_comes() {
    try_schedules(|| {
        let hints = Hints::new();
        let stream = hints.subscribe();
        stream.want_jobs(true);
        stream.want_changes(1);
        let (ready, changed) = (hints.clone(), hints);
        let tellers =
            [thread::spawn(move || ready.ready(&"f".into())), thread::spawn(move || changed.changed(&job(1)))];
        let mut heard = Hint::default();
        while heard.ready.is_empty() || heard.changed.is_empty() {
            let news = block_on(stream.next());
            heard.ready.extend(news.ready);
            heard.changed.extend(news.changed);
        }
        tellers.into_iter().for_each(|teller| teller.join().unwrap());
    });
}

fn write(store: &MemoryStore, batch: Batch) -> Answers {
    block_on(store.write(&batch)).unwrap()
}

fn put(store: &MemoryStore, n: u64) {
    write(store, Batch { inserts: vec![insert(n)], ..Batch::default() });
}

fn next(token: u128, jobs: usize) -> Claim {
    let pick = Pick::Next { flow: "f".into(), versions: Arc::new([0]), jobs, bytes: usize::MAX };
    let patch = state::claim(Duration::from_secs(30));
    Claim { pick, limits: None, token: Token::from_u128(token), patch }
}

fn claim(store: &MemoryStore, claim: Claim) -> Vec<Claimed> {
    write(store, Batch { claims: vec![claim], ..Batch::default() }).claims.remove(0).jobs
}

fn ids(claimed: &[Claimed]) -> Vec<JobId> {
    claimed.iter().map(|claimed| claimed.record.job.id).collect()
}

fn change(store: &MemoryStore, change: Change) -> Changed {
    write(store, Batch { changes: vec![change], ..Batch::default() }).changes.remove(0)
}

fn succeed(store: &MemoryStore, claimed: &Claimed) {
    let (guard, patch) = state::decide(&claimed.record, Event::Succeeded(claimed.request.clone())).unwrap();
    let changed = change(store, Change { job: claimed.record.job.clone(), guard, patch });
    assert!(matches!(changed, Changed::Applied(_)));
}

#[test]
fn a_worker_hears_of_every_job_that_it_did_not_find() {
    try_schedules(|| {
        let store = memory();
        let hints = store.hints();
        hints.want_jobs(true);
        let putters = [1, 2].map(|n| {
            let store = store.clone();
            thread::spawn(move || put(&store, n))
        });
        let mut found = 0;
        for token in 1.. {
            let claimed = claim(&store, next(token, 1)).len();
            found += claimed;
            match (found, claimed) {
                (2, _) => break,
                (_, 0) => drop(block_on(hints.next())),
                _ => {}
            }
        }
        putters.into_iter().for_each(|putter| putter.join().unwrap());
    });
}

#[test]
fn every_job_is_taken_once_or_cancelled() {
    try_schedules(|| {
        let store = memory();
        put(&store, 1);
        put(&store, 2);
        let putter = thread::spawn({
            let store = store.clone();
            move || put(&store, 3)
        });
        let claimers = [1, 2].map(|token| {
            let store = store.clone();
            thread::spawn(move || ids(&claim(&store, next(token, 2))))
        });
        let by_id = thread::spawn({
            let store = store.clone();
            move || ids(&claim(&store, Claim { pick: Pick::Job(job(1)), ..next(3, 1) }))
        });
        let record = block_on(store.get(&[job(2)])).unwrap().remove(0).unwrap();
        let cancelled = state::decide(&record, Event::Cancel).is_ok_and(|(guard, patch)| {
            matches!(guard, Guard::Version(_))
                && record.state == State::Enqueued
                && matches!(change(&store, Change { job: job(2), guard, patch }), Changed::Applied(_))
        });
        putter.join().unwrap();
        let mut taken: Vec<_> = claimers.into_iter().flat_map(|claimer| claimer.join().unwrap()).collect();
        taken.extend(by_id.join().unwrap());
        taken.extend(ids(&claim(&store, next(4, 10))));
        taken.extend(cancelled.then(|| job(2).id));
        taken.sort_unstable();
        assert_eq!(taken, [1, 2, 3].map(|n| job(n).id));
        let counts = block_on(store.counts("f")).unwrap();
        assert_eq!((counts.waiting(), counts.of(State::Cancelled)), (0, cancelled.into()));
    });
}

#[test]
fn a_claim_that_is_asked_twice_at_once_takes_once() {
    try_schedules(|| {
        let store = memory();
        put(&store, 1);
        put(&store, 2);
        let claimers = [(); 2].map(|()| {
            let store = store.clone();
            thread::spawn(move || ids(&claim(&store, next(1, 1))))
        });
        let [one, other] = claimers.map(|claimer| claimer.join().unwrap());
        assert_eq!((one.len(), one), (1, other));
    });
}

#[test]
fn a_limit_is_kept_and_leaves_nobody_behind() {
    try_schedules(|| {
        let store = memory();
        put(&store, 1);
        put(&store, 2);
        let limits = Some(Arc::new(Limits::new().running(1)));
        let workers = [1, 2].map(|token| {
            let (store, limits) = (store.clone(), limits.clone());
            thread::spawn(move || {
                let claimed = claim(&store, Claim { limits, ..next(token, 2) });
                assert!(claimed.len() <= 1);
                claimed.iter().for_each(|claimed| {
                    let running = block_on(store.counts("f")).unwrap().of(State::Processing);
                    assert_eq!(running, 1);
                    succeed(&store, claimed);
                });
                claimed.len()
            })
        });
        let taken: usize = workers.map(|worker| worker.join().unwrap()).into_iter().sum();
        let left = claim(&store, Claim { limits, ..next(3, 2) });
        assert_eq!(left.len(), usize::from(taken < 2));
    });
}

#[test]
fn one_key_makes_one_job() {
    try_schedules(|| {
        let store = memory();
        let putters = [1, 2].map(|n| {
            let store = store.clone();
            thread::spawn(move || {
                let keep = Duration::from_secs(60);
                let idempotency = Some(Idempotency { key: "k".into(), fingerprint: 1, keep });
                let insert = super::Insert { idempotency, ..insert(n) };
                write(&store, Batch { inserts: vec![insert], ..Batch::default() }).inserts.remove(0)
            })
        });
        let inserted = putters.map(|putter| putter.join().unwrap());
        let created = inserted.iter().filter(|inserted| matches!(inserted, Inserted::Created { .. })).count();
        assert_eq!((created, block_on(store.counts("f")).unwrap().waiting()), (1, 1));
    });
}

#[test]
fn one_of_two_changes_of_a_version_is_applied() {
    try_schedules(|| {
        let store = memory();
        put(&store, 1);
        let changers = [State::Cancelled, State::Failed].map(|to| {
            let store = store.clone();
            thread::spawn(move || {
                let patch = Patch { to: Some(to), parts: Parts::Keep, ..Patch::default() };
                match change(&store, Change { job: job(1), guard: Guard::Version(1), patch }) {
                    Changed::Applied(record) => Some(record.state),
                    Changed::Refused(_) | Changed::Missing => None,
                }
            })
        });
        let [one, other] = changers.map(|changer| changer.join().unwrap());
        let state = block_on(store.get(&[job(1)])).unwrap().remove(0).unwrap().state;
        assert!(one.is_some() != other.is_some() && one.or(other) == Some(state));
    });
}
