//! Servers that die, and connections that are slow, cut and stalled: a call answers in time, and the store heals by itself.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use asyncflow_core::{
    Clock, ManualClock, Record, Settings,
    state::{self, Event},
    store::{Batch, Change, Changed, Insert, Inserted, Part, StoreError},
};
use asyncflow_postgres::PostgresStore;
use asyncflow_testkit::{
    proxy::{Mode, Proxy},
    servers::{Kind, Server, unique_name},
    store::{START, Subject},
};

use self::common::{Behind, connect, shared_url};

/// For how long the engine waits for a store.
const CALL: Duration = Duration::from_secs(5);

async fn open(url: &str) -> Subject {
    let clock = Arc::new(ManualClock::at(START));
    let store = PostgresStore::builder(url).schema(unique_name()).clock(clock.clone() as Arc<dyn Clock>);
    Subject::new(Arc::new(store.connect().await.unwrap()), clock)
}

/// A way to the shared server that can be spoiled.
async fn proxied() -> (Proxy, String) {
    let url = shared_url().await;
    let (before, after) = url.rsplit_once('@').unwrap();
    let (address, database) = after.split_once('/').unwrap();
    let proxy = Proxy::start(address.parse().unwrap()).await.unwrap();
    let url = format!("{before}@{}/{database}", proxy.address());
    (proxy, url)
}

fn insert(insert: Insert) -> Batch {
    Batch { inserts: vec![insert], ..Batch::default() }
}

/// Asks until it is answered: each time within what an engine waits.
async fn until_answered(subject: &Subject, batch: &Batch) -> asyncflow_core::store::Answers {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let began = Instant::now();
        let answer = subject.store.write(batch).await;
        assert!(began.elapsed() < CALL, "it took {:?}", began.elapsed());
        match answer {
            Ok(answers) => return answers,
            Err(error) => assert!(matches!(error, StoreError::Unavailable(_)) && Instant::now() < end, "{error}"),
        }
        // Between two tries: that it has healed, nothing tells.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_dies_and_comes_back_has_all_that_was_answered() {
    let mut server = Server::start(Kind::Postgres).await.unwrap();
    let subject = open(&server.url()).await;
    let mut kept = Vec::new();
    for _ in 0..3 {
        for _ in 0..10 {
            kept.push(subject.add(subject.job()).await);
        }
        server.kill().await;
        let late = subject.job();
        let began = Instant::now();
        let error = subject.store.write(&insert(late.clone())).await.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
        assert!(began.elapsed() < CALL);
        let check = subject.store.check().await.unwrap_err();
        assert!(matches!(check, StoreError::Unavailable(_)), "{check}");
        let asked = late.clone();
        // It is asked while it starts, and refuses then; who comes meanwhile waits.
        let later = PostgresStore::connect(server.url());
        let asks = async { until_answered(&subject, &insert(asked)).await };
        let (answers, later, ()) = tokio::join!(asks, later, async { server.restart().await.unwrap() });
        later.unwrap();
        assert!(matches!(answers.inserts[..], [Inserted::Created { .. } | Inserted::Existing { .. }]));
        kept.push(late.record(subject.now()));
        for record in &kept {
            assert_eq!(subject.get(&record.job).await.as_ref(), Some(record));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_connection_answers_in_time_and_heals() {
    let (proxy, url) = proxied().await;
    let subject = open(&url).await;
    subject.add(subject.job()).await;
    proxy.set(Mode::Stall);
    let late = subject.job();
    let began = Instant::now();
    let ask = insert(late.clone());
    let (write, read) = tokio::join!(subject.store.write(&ask), subject.store.get(std::slice::from_ref(&late.job)));
    assert!(matches!(write.unwrap_err(), StoreError::Unavailable(_)) && read.is_err());
    assert!(began.elapsed() < CALL);
    proxy.set(Mode::Pass);
    let answers = until_answered(&subject, &ask).await;
    assert!(matches!(answers.inserts[..], [Inserted::Created { .. } | Inserted::Existing { .. }]));
}

/// A replica takes the server's place that has not heard of what it gave numbers to last.
#[tokio::test(flavor = "multi_thread")]
async fn numbers_that_a_failover_lost_are_given_anew() {
    let (proxy, url) = proxied().await;
    let (schema, clock) = (unique_name(), Arc::new(ManualClock::at(START)));
    let open = async |url: &str| {
        let store = PostgresStore::builder(url).schema(&schema).clock(clock.clone() as Arc<dyn Clock>);
        Subject::new(Arc::new(store.connect().await.unwrap()), clock.clone())
    };
    let subject = open(&url).await;
    subject.add(subject.job()).await;
    let admin = connect(shared_url().await).await;
    let lost = format!(
        "DELETE FROM {schema}.jobs; DELETE FROM {schema}.flows; DELETE FROM {schema}.policies;
        INSERT INTO {schema}.flows (id, name) OVERRIDING SYSTEM VALUE SELECT id, 'other' FROM generate_series(1, 9) id LIMIT 1;"
    );
    admin.batch_execute(&lost).await.unwrap();
    // It has other connections from then on.
    proxy.set(Mode::Flap { seed: 7, bytes: 1 });
    assert!(subject.store.write(&insert(subject.job())).await.is_err());
    proxy.set(Mode::Pass);
    let job = subject.job();
    until_answered(&subject, &insert(job.clone())).await;
    let other = open(shared_url().await).await;
    assert_eq!(other.get(&job.job).await, Some(job.record(subject.now())));
    assert_eq!(subject.take(9).await.len(), 1);
}

/// A replica takes the server's place that has not heard of what was set last.
#[tokio::test]
async fn settings_that_a_failover_lost_are_set_anew() {
    let behind = Behind::new().await;
    let subject = &behind.subject;
    let first = Settings { version: 1, ..Settings::default() };
    for _ in 0..2 {
        assert_eq!(*subject.store.due(0).await.unwrap().settings, Settings::default());
        assert!(subject.store.put_settings(&first).await.unwrap());
        assert_eq!(*subject.store.due(0).await.unwrap().settings, first);
        behind.run("DELETE FROM asyncflow.settings").await;
    }
}

/// Whole lives of some jobs over a connection that is cut again and again: each ends once.
#[tokio::test(flavor = "multi_thread")]
async fn a_flapping_connection_loses_and_doubles_nothing() {
    let (proxy, url) = proxied().await;
    let subject = open(&url).await;
    proxy.set(Mode::Flap { seed: 7, bytes: 20_000 });
    let lives = subject
        .at_once(24, |subject| async move {
            for _ in 0..6 {
                let job = subject.job();
                until_answered(&subject, &insert(job.clone())).await;
                let claims = vec![asyncflow_core::store::Claim {
                    pick: asyncflow_core::store::Pick::Job(job.job.clone()),
                    limits: None,
                    token: subject.token(),
                    patch: state::claim(Duration::from_secs(3600)),
                }];
                let ask = Batch { claims, ..Batch::default() };
                let held = until_answered(&subject, &ask).await.claims.remove(0).jobs.remove(0).record;
                finish(&subject, held).await;
            }
        })
        .await;
    assert_eq!(lives.len(), 24);
    proxy.set(Mode::Pass);
    assert!(proxy.cuts() > 3, "it was cut {} times", proxy.cuts());
    assert_eq!(subject.states().await, [0, 0, 0, 24 * 6, 0, 0]);
}

async fn finish(subject: &Subject, held: Record) {
    let (guard, patch) = state::decide(&held, Event::Succeeded(Part::json("1"))).unwrap();
    let ask = Batch { changes: vec![Change { job: held.job, guard, patch }], ..Batch::default() };
    match until_answered(subject, &ask).await.changes.remove(0) {
        Changed::Applied(record) => assert_eq!(record.state, asyncflow_core::State::Succeeded),
        // The answer of the first try was lost.
        Changed::Refused(record) => assert_eq!(record.state, asyncflow_core::State::Succeeded),
        Changed::Missing => panic!("it is gone"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn conforms_over_a_slow_connection() {
    let (proxy, url) = proxied().await;
    asyncflow_testkit::store::all(async |clock| {
        proxy.set(Mode::Pass);
        let store = PostgresStore::builder(&url).schema(unique_name()).clock(clock as Arc<dyn Clock>);
        let store = store.connect().await.unwrap();
        proxy.set(Mode::Delay(Duration::from_micros(300)));
        Arc::new(store) as _
    })
    .await;
}

/// Two stores change the same jobs in opposite orders, again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_two_batches_wait_for_each_other() {
    // One of its own, as it counts the deadlocks of all.
    let server = Server::start(Kind::Postgres).await.unwrap();
    let behind = Behind::at(&server.url()).await;
    let clock = behind.subject.clock.clone();
    let other = PostgresStore::builder(server.url()).schema(&behind.schema).clock(clock.clone() as Arc<dyn Clock>);
    let other = Subject::new(Arc::new(other.connect().await.unwrap()), clock);
    let mut held = Vec::new();
    for _ in 0..64 {
        held.push(behind.subject.running().await);
    }
    let beats = |records: Vec<Record>| {
        let beat = |record: &Record| {
            let (guard, patch) = state::decide(record, Event::Heartbeat(Duration::from_secs(60))).unwrap();
            Change { job: record.job.clone(), guard, patch }
        };
        Batch { changes: records.iter().map(beat).collect(), ..Batch::default() }
    };
    let (forth, back) = (beats(held.clone()), beats(held.into_iter().rev().collect()));
    let both = [(behind.subject.clone(), forth), (other, back)].map(|(subject, batch)| {
        tokio::spawn(async move {
            for _ in 0..100 {
                let changed = subject.write(batch.clone()).await.changes;
                assert!(changed.iter().all(|changed| matches!(changed, Changed::Applied(_))));
            }
        })
    });
    for one in both {
        one.await.unwrap();
    }
    let deadlocks: i64 = behind.ask("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()").await;
    assert_eq!(deadlocks, 0);
}

/// A transaction that holds a job's row does not hold up others for long, nor is it waited for without end.
#[tokio::test(flavor = "multi_thread")]
async fn who_holds_a_row_holds_up_nobody_else() {
    let behind = Behind::new().await;
    let subject = &behind.subject;
    let (held, other) = (subject.running().await, subject.running().await);
    let waiting = subject.add(subject.job()).await;
    let client = connect(shared_url().await).await;
    let lock = format!(
        "BEGIN; SELECT FROM {}.jobs WHERE id IN ('{}', '{}') FOR UPDATE",
        behind.schema, held.job.id, waiting.job.id
    );
    client.batch_execute(&lock).await.unwrap();
    let began = Instant::now();
    let (guard, patch) = state::decide(&held, Event::Heartbeat(Duration::from_secs(60))).unwrap();
    let ask = Batch { changes: vec![Change { job: held.job.clone(), guard, patch }], ..Batch::default() };
    let stuck = tokio::spawn({
        let (subject, ask) = (subject.clone(), ask.clone());
        async move { subject.store.write(&ask).await }
    });
    // A claim by flow passes over it.
    assert!(subject.take(9).await.is_empty());
    subject.event(&other, Event::Succeeded(Part::json("1"))).await;
    let error = stuck.await.unwrap().unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)) && began.elapsed() < CALL, "{error}");
    client.batch_execute("COMMIT").await.unwrap();
    subject.write(ask).await;
    // A claim by id waits for the row.
    client.batch_execute(&lock).await.unwrap();
    let taken = tokio::spawn({
        let subject = subject.clone();
        async move { subject.claim(asyncflow_core::store::Pick::Job(waiting.job), subject.token()).await }
    });
    // So that it stands before the row by then, which nothing tells; where it does not yet, it finds the row free, and takes it too.
    tokio::time::sleep(Duration::from_millis(300)).await;
    client.batch_execute("COMMIT").await.unwrap();
    assert_eq!(taken.await.unwrap().len(), 1);
}
