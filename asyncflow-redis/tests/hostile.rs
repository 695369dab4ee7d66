//! Keys that hold what this version never writes: they block nothing, are refused by name, and nothing is written in part.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{sync::Arc, time::Duration};

use asyncflow_core::{
    JobKey, Limits, ManualClock, State,
    state::{self, Event},
    store::{Batch, Change, Guard, Insert, Inserted, Part, PartName, Patch, Pick, StoreError},
};
use asyncflow_redis::RedisStore;
use asyncflow_testkit::{
    servers::{Kind, shared, unique_name},
    store::{FLOW, START, Subject},
};
use redis::{Client, aio::MultiplexedConnection, cmd};

/// A key of one flow is another's: what was done to others is not said to be undone, as nobody would look for what it claimed.
#[tokio::test]
async fn what_was_done_to_another_flow_is_not_denied() {
    let mut spoilt = Spoilt::new().await;
    let job = spoilt.subject.job();
    let other = Insert { job: JobKey { flow: "other".into(), ..job.job.clone() }, ..job.clone() };
    let key = spoilt.key("d1");
    spoilt.set(&key, b"anothers").await;
    let alone = Batch { inserts: vec![job.clone()], ..Batch::default() };
    let refused = spoilt.subject.store.write(&alone).await.unwrap_err();
    assert!(matches!(refused, StoreError::Unusable(_)), "{refused}");
    let both = Batch { inserts: vec![other.clone(), job], ..Batch::default() };
    let refused = spoilt.subject.store.write(&both).await.unwrap_err();
    assert!(matches!(&refused, StoreError::Unavailable(why) if why.contains("prefix")), "{refused}");
    assert!(spoilt.subject.get(&other.job).await.is_some());
}

/// A store, and a way to its keys.
struct Spoilt {
    subject: Subject,
    prefix: String,
    connection: MultiplexedConnection,
}

impl Spoilt {
    async fn new() -> Self {
        let url = shared(Kind::Redis).await.unwrap();
        let (clock, prefix) = (Arc::new(ManualClock::at(START)), unique_name());
        let store = RedisStore::builder(url).prefix(prefix.clone()).clock(clock.clone()).connect().await.unwrap();
        let connection = Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap();
        Self { subject: Subject::new(Arc::new(store), clock), prefix, connection }
    }

    fn key(&self, name: &str) -> Vec<u8> {
        format!("{{{}:{FLOW}}}{name}", self.prefix).into_bytes()
    }

    fn of_job(&self, kind: &str, job: &JobKey) -> Vec<u8> {
        [self.key(kind), job.id.as_u128().to_be_bytes().to_vec()].concat()
    }

    async fn run<T: redis::FromRedisValue>(&mut self, command: &mut redis::Cmd) -> T {
        command.query_async(&mut self.connection).await.unwrap()
    }

    async fn get(&mut self, key: &[u8]) -> Vec<u8> {
        self.run(cmd("GET").arg(key)).await
    }

    async fn set(&mut self, key: &[u8], value: &[u8]) {
        self.run::<()>(cmd("SET").arg(key).arg(value)).await;
    }

    /// All keys of the flow with what they hold, as the server dumps it.
    async fn dump(&mut self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut keys: Vec<Vec<u8>> = self.run(cmd("KEYS").arg(format!("*{}*", self.prefix))).await;
        keys.sort_unstable();
        let mut all = Vec::new();
        for key in keys {
            let held = self.run(cmd("DUMP").arg(&key)).await;
            all.push((key, held));
        }
        all
    }

    /// Other jobs go on: they are found when they are due, taken, and end.
    async fn untroubled(&self, what: &str) {
        let subject = &self.subject;
        let other = subject.running().await;
        subject.change(&other, Patch { to: Some(State::Cancelled), ..Patch::default() }).await;
        subject.store.due(100).await.unwrap_or_else(|error| panic!("{what}: due: {error}"));
        let job = subject.add(Insert { owner: Some("other".into()), ..subject.job() }).await;
        let pick = Pick::Next { flow: FLOW.into(), versions: Arc::new([0]), jobs: 100, bytes: usize::MAX };
        let taken = subject.take_within(&Limits::new().running_per_key(1), pick).await.jobs;
        let taken = taken.into_iter().find(|taken| taken.record.job == job.job);
        let taken = taken.unwrap_or_else(|| panic!("{what}: not taken within limits"));
        subject.change(&taken.record, Patch { to: Some(State::Cancelled), ..Patch::default() }).await;
        let job = subject.add(subject.job()).await;
        let taken = subject.take(100).await;
        assert!(taken.iter().any(|taken| taken.job == job.job), "{what}: not taken");
        subject.store.check().await.unwrap_or_else(|error| panic!("{what}: check: {error}"));
        subject.store.counts(FLOW).await.unwrap_or_else(|error| panic!("{what}: counts: {error}"));
    }

    /// Who means the job is told which one it is, or finds it as it stands.
    async fn refused_by_name(&self, job: &JobKey, what: &str) {
        let named = |error: StoreError| {
            assert!(matches!(error, StoreError::Rejected(_)), "{what}: {error}");
            assert!(error.to_string().contains(&job.id.to_string()), "{what}: {error}");
        };
        let store = &self.subject.store;
        let record = store.get(std::slice::from_ref(job)).await.unwrap_or_else(|error| {
            named(error);
            vec![None]
        });
        let _: Option<Option<Part>> = store.part(job, PartName::Request).await.map_err(named).ok();
        if let Some(record) = record.into_iter().flatten().next() {
            let change = Change { job: job.clone(), guard: Guard::Version(record.version), patch: Patch::default() };
            let _ = store.write(&Batch { changes: vec![change], ..Batch::default() }).await.map_err(named);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_makes_no_sense_blocks_nothing() {
    let mut spoilt = Spoilt::new().await;
    let named = |subject: &Subject| Insert { owner: Some("o".into()), limit_key: Some("k".into()), ..subject.job() };
    let size = {
        let job = spoilt.subject.add(named(&spoilt.subject)).await.job;
        let key = spoilt.of_job("j", &job);
        spoilt.get(&key).await.len()
    };
    // Each byte as high as can be, and each but the last few left out.
    let cuts = (0..size).step_by(7);
    for (at, cut) in (0..size).map(|at| (at, false)).chain(cuts.map(|at| (at, true))) {
        let waiting = spoilt.subject.add(named(&spoilt.subject)).await.job;
        let held = spoilt.subject.running().await.job;
        for job in [&waiting, &held] {
            let key = spoilt.of_job("j", job);
            let mut record = spoilt.get(&key).await;
            if cut {
                record.truncate(at);
            } else if let Some(byte) = record.get_mut(at) {
                *byte = 0xff;
            }
            spoilt.set(&key, &record).await;
        }
        let what = format!("byte {at}, cut: {cut}");
        spoilt.untroubled(&what).await;
        spoilt.refused_by_name(&waiting, &what).await;
        spoilt.refused_by_name(&held, &what).await;
        // Away with them, so that the next ones stand alone.
        let prefix = spoilt.prefix.clone();
        let keys: Vec<Vec<u8>> = spoilt.run(cmd("KEYS").arg(format!("*{prefix}*"))).await;
        spoilt.run::<()>(cmd("DEL").arg(keys)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_of_a_newer_format_blocks_nothing() {
    let mut spoilt = Spoilt::new().await;
    let subject = spoilt.subject.clone();
    let (newer, held) = (subject.add(subject.job()).await, subject.running().await);
    let (known, lease) = (subject.add(subject.job()).await, subject.running().await);
    for job in [&newer.job, &held.job] {
        let key = spoilt.of_job("j", job);
        let record = spoilt.get(&key).await;
        spoilt.set(&key, &[b"\x07of the future", &record[1..]].concat()).await;
    }
    let before = spoilt.dump().await;
    // Passed over where others stand behind it.
    subject.clock.advance(Duration::from_secs(31 * 24 * 3600));
    assert_eq!(subject.due(9).await, [lease.job.id, known.job.id]);
    // Refused by name where it is meant, and left as it is.
    let refused = |error: StoreError, job: &JobKey| {
        assert!(matches!(error, StoreError::Rejected(_)), "{error}");
        let text = error.to_string();
        assert!(text.contains(&job.id.to_string()) && text.contains("format 7"), "{text}");
    };
    refused(subject.store.get(std::slice::from_ref(&newer.job)).await.unwrap_err(), &newer.job);
    let change = |job: &JobKey| {
        let change = Change { job: job.clone(), guard: Guard::Version(2), patch: Patch::default() };
        Batch { changes: vec![change], ..Batch::default() }
    };
    refused(subject.store.write(&change(&held.job)).await.unwrap_err(), &held.job);
    let again = Batch { inserts: vec![Insert { job: newer.job.clone(), ..subject.job() }], ..Batch::default() };
    refused(subject.store.write(&again).await.unwrap_err(), &newer.job);
    assert!(subject.claim(Pick::Job(newer.job.clone()), subject.token()).await.is_empty());
    assert_eq!(spoilt.dump().await, before);
    assert_eq!(subject.take(9).await.len(), 1);
    // Its neighbours in a batch are not concerned.
    let other = Batch { inserts: vec![subject.job()], ..Batch::default() };
    let one = change(&held.job);
    let (error, inserted) = tokio::join!(subject.store.write(&one), subject.store.write(&other));
    refused(error.unwrap_err(), &held.job);
    assert!(matches!(inserted.unwrap().inserts[..], [Inserted::Created { .. } | Inserted::Existing { .. }]));
}

/// Something else in the place of any key that a batch writes is found before anything is written.
#[tokio::test(flavor = "multi_thread")]
async fn something_else_in_the_place_of_a_key_leaves_all_as_it_was() {
    for name in ["a", "b", "d0", "d1", "d2", "d3", "h", "n", "p", "q0", "s", "u", "v", "w", "x0", "y0"] {
        let mut spoilt = Spoilt::new().await;
        let subject = spoilt.subject.clone();
        let fair = asyncflow_core::Policy { spacing: Some(Duration::from_secs(1)), ..Default::default() };
        let owned = || Insert {
            owner: Some("o".into()),
            unique: Some(asyncflow_core::store::Unique { key: "u".into(), replace: None }),
            facts: state::submit(None, 0, &Arc::new(fair.clone())),
            ..subject.job()
        };
        let held = subject.running().await;
        let key = spoilt.key(name);
        spoilt.run::<()>(cmd("DEL").arg(&key)).await;
        spoilt.run::<()>(cmd("SET").arg(&key).arg("something else")).await;
        let before = spoilt.dump().await;
        let limits =
            Limits::new().running(9).running_per_key(9).rate(asyncflow_core::Rate::new(9, Duration::from_secs(9)));
        let (guard, patch) = state::decide(&held, Event::Succeeded(Part::json("1"))).unwrap();
        let later = state::submit(Some(Duration::from_secs(9)), 0, &Arc::default());
        let (one, other) = (owned(), Insert { facts: later, ..subject.job() });
        let pick = Pick::Job(one.job.clone());
        let claim = asyncflow_core::store::Claim {
            pick,
            limits: Some(Arc::new(limits)),
            token: subject.token(),
            patch: state::claim(Duration::from_secs(30)),
        };
        let batch = Batch {
            inserts: vec![one, other, subject.job(), Insert { owner: Some("o".into()), ..subject.job() }],
            changes: vec![Change { job: held.job.clone(), guard, patch }],
            claims: vec![claim],
        };
        let error = subject.store.write(&batch).await.map(drop);
        if let Err(error) = &error {
            assert!(matches!(error, StoreError::Unusable(why) if why.contains("something else")), "{name}: {error}");
            assert_eq!(spoilt.dump().await, before, "{name}: something was written");
        }
        assert!(error.is_err(), "{name}: it was not noticed");
    }
}
