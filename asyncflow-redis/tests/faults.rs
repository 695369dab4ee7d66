//! A server or a connection that goes wrong while it is used: a clear error in time, nothing that was accepted is lost, and it heals.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{sync::Arc, time::Duration};

use asyncflow_core::{
    Settings, State,
    state::Event,
    store::{Changed, Guard, Insert, Inserted, Part, PartName, Patch, Store, StoreError},
};
use asyncflow_redis::{RedisStore, RedisStoreBuilder};
use asyncflow_testkit::{
    proxy::{Mode, Proxy},
    servers::{Kind, Server, shared, unique_name},
    store::{START, Subject},
};
use tokio::time::Instant;

async fn subject(builder: RedisStoreBuilder) -> Subject {
    let clock = Arc::new(asyncflow_core::ManualClock::at(START));
    let store = builder.prefix(unique_name()).clock(clock.clone()).connect().await.unwrap();
    Subject::new(Arc::new(store), clock)
}

async fn through(proxy: &Proxy, patience: Duration) -> Subject {
    subject(RedisStore::builder(format!("redis://{}", proxy.address())).response_timeout(patience)).await
}

async fn shared_proxy() -> Proxy {
    let url = shared(Kind::Redis).await.unwrap();
    let address = url.trim_start_matches("redis://").trim_end_matches('/');
    Proxy::start(address.parse().unwrap()).await.unwrap()
}

/// Asks until it is answered, with a pause between two tries: that it has healed, nothing tells.
async fn at_last<T, F: Future<Output = Result<T, StoreError>>>(ask: impl Fn() -> F) -> T {
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(StoreError::Unavailable(_)) => tokio::time::sleep(Duration::from_millis(1)).await,
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_starts_anew_forgets_scripts_and_nothing_else() {
    let mut server = Server::start(Kind::Redis).await.unwrap();
    let subject = subject(RedisStore::builder(server.url())).await;
    let hints = subject.store.hints();
    let (waiting, held) = (subject.add(subject.job()).await, subject.running().await);
    let done = subject.running().await;
    let done = subject.event(&done, Event::Succeeded(Part::json("7"))).await;
    server.kill().await;
    let began = Instant::now();
    let batch = asyncflow_core::store::Batch { inserts: vec![subject.job()], ..Default::default() };
    for asked in [subject.store.write(&batch).await.map(drop), subject.store.check().await] {
        let error = asked.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    }
    assert!(began.elapsed() < Duration::from_secs(4), "a server that is away is not waited for");
    // Who comes meanwhile waits until it is there.
    let url = server.url();
    let (late, ()) = tokio::join!(RedisStore::connect(url), async { server.restart().await.unwrap() });
    late.unwrap();
    at_last(|| subject.store.check()).await;
    for record in [waiting, held.clone(), done.clone()] {
        assert_eq!(subject.get(&record.job).await.as_ref(), Some(&record));
    }
    assert_eq!(subject.part(&done.job, PartName::Outcome).await, Some(Part::json("7")));
    assert_eq!(subject.states().await, [0, 1, 1, 1, 0, 0]);
    assert_eq!(subject.take(9).await.len(), 1);
    subject.event(&held, Event::Succeeded(Part::json("1"))).await;
    // Who listens is told to look: what was told meanwhile is lost.
    while !hints.next().await.anything {}
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_connection_is_given_up_in_time() {
    let proxy = shared_proxy().await;
    let subject = through(&proxy, Duration::from_millis(300)).await;
    let record = subject.add(subject.job()).await;
    proxy.set(Mode::Stall);
    let began = Instant::now();
    for _ in 0..2 {
        let error = subject.store.get(std::slice::from_ref(&record.job)).await.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    }
    assert!(began.elapsed() >= Duration::from_millis(300));
    proxy.set(Mode::Pass);
    at_last(|| subject.store.check()).await;
    assert_eq!(subject.get(&record.job).await, Some(record));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_was_lost_while_idle_is_made_anew_unnoticed() {
    let proxy = shared_proxy().await;
    let subject = through(&proxy, Duration::from_secs(4)).await;
    for _ in 0..5 {
        at_last(|| subject.store.check()).await;
        proxy.cut();
        // Until the client's task has seen the end of its connection, which nothing tells.
        tokio::time::sleep(Duration::from_millis(50)).await;
        subject.add(subject.job()).await;
        subject.running().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn conforms_over_a_slow_connection() {
    let proxy = shared_proxy().await;
    proxy.set(Mode::Delay(Duration::from_micros(500)));
    asyncflow_testkit::store::all(async |clock| {
        let url = format!("redis://{}", proxy.address());
        let store = RedisStore::builder(url).prefix(unique_name());
        Arc::new(store.clock(clock).connect().await.unwrap()) as _
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn conforms_over_a_connection_that_stalls_and_breaks_in_between() {
    let proxy = Arc::new(shared_proxy().await);
    let stalling = proxy.clone();
    let stalls = tokio::spawn(async move {
        loop {
            for mode in [Mode::Stall, Mode::Pass] {
                stalling.set(mode);
                // For how long it stalls, and passes.
                tokio::time::sleep(Duration::from_millis(30)).await;
            }
        }
    });
    asyncflow_testkit::store::all(async |clock| {
        let url = format!("redis://{}", proxy.address());
        let store = RedisStore::builder(url).prefix(unique_name());
        let store = at_last(|| store.clone().clock(clock.clone()).connect()).await;
        proxy.cut();
        at_last(|| store.check()).await;
        Arc::new(store) as _
    })
    .await;
    stalls.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn over_a_connection_that_breaks_in_mid_message_nothing_is_lost_or_done_twice() {
    let proxy = shared_proxy().await;
    let subject = through(&proxy, Duration::from_secs(4)).await;
    proxy.set(Mode::Flap { seed: 7, bytes: 20_000 });
    const CALLERS: usize = 10;
    const EACH: usize = 30;
    let lives = |subject: Subject| async move {
        for _ in 0..EACH {
            live(&subject).await;
        }
    };
    subject.at_once(CALLERS, lives).await;
    proxy.set(Mode::Pass);
    at_last(|| subject.store.check()).await;
    assert_eq!(subject.states().await, [0, 0, 0, (CALLERS * EACH) as u64, 0, 0]);
    assert!(proxy.cuts() > 10, "{}", proxy.cuts());
}

/// A job's whole life, each step asked until it is answered.
async fn live(subject: &Subject) {
    use asyncflow_core::store::{Batch, Change, Claim, Pick};
    let (insert, token) = (subject.job(), subject.token());
    let inserting = Batch { inserts: vec![insert.clone()], ..Batch::default() };
    match at_last(|| subject.store.write(&inserting)).await.inserts[..] {
        [Inserted::Created { .. }] => {}
        [Inserted::Existing { id, .. }] => assert_eq!(id, insert.job.id),
        ref other => panic!("{other:?}"),
    }
    let patch = asyncflow_core::state::claim(Duration::from_secs(30));
    let claim = Claim { pick: Pick::Job(insert.job.clone()), limits: None, token, patch };
    let claiming = Batch { claims: vec![claim], ..Batch::default() };
    let held = at_last(|| subject.store.write(&claiming)).await.claims.remove(0).jobs.remove(0);
    assert_eq!(held.request, insert.request);
    let (guard, patch) = asyncflow_core::state::decide(&held.record, Event::Succeeded(Part::json("1"))).unwrap();
    let finishing = Batch { changes: vec![Change { job: insert.job, guard, patch }], ..Batch::default() };
    match &at_last(|| subject.store.write(&finishing)).await.changes[..] {
        [Changed::Applied(record) | Changed::Refused(record)] => {
            assert_eq!((record.state, record.version), (State::Succeeded, 3));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_memory_says_so_and_takes_nothing_in_part() {
    let server = Server::start_with(Kind::Redis, &["--maxmemory", "16mb"]).await.unwrap();
    let subject = subject(RedisStore::builder(server.url())).await;
    let mut accepted = Vec::new();
    // Small ones too, until nothing fits at all.
    let mut fill = async |size| loop {
        let job = Insert { request: Part::json(vec![b' '; size]), ..subject.job() };
        let batch = asyncflow_core::store::Batch { inserts: vec![job.clone()], ..Default::default() };
        match subject.store.write(&batch).await {
            Ok(_) => accepted.push(job),
            Err(error) => break (error, job),
        }
        assert!(accepted.len() < 1000, "the memory does not fill");
    };
    fill(200_000).await;
    let (error, refused) = fill(0).await;
    assert!(matches!(&error, StoreError::Unusable(why) if why.contains("`maxmemory`")), "{error}");
    assert!(subject.store.check().await.is_err());
    assert_eq!(subject.get(&refused.job).await, None);
    assert_eq!(subject.states().await[1], accepted.len() as u64);
    let first = subject.get(&accepted[0].job).await.unwrap();
    let cancel = asyncflow_core::state::decide(&first, Event::Cancel).unwrap();
    let change = asyncflow_core::store::Change { job: first.job.clone(), guard: cancel.0, patch: cancel.1 };
    let batch = asyncflow_core::store::Batch { changes: vec![change], ..Default::default() };
    subject.store.write(&batch).await.unwrap_err();
    assert_eq!(subject.get(&first.job).await, Some(first));
    // What gives memory back is done all the same, and then it goes on.
    for job in accepted.drain(..10) {
        let purge = Patch { purge: true, ..Patch::default() };
        assert!(matches!(subject.ask(&job.job, Guard::Version(1), purge).await, Changed::Applied(_)));
    }
    at_last(|| subject.store.check()).await;
    subject.add(subject.job()).await;
    for job in &accepted {
        assert_eq!(subject.part(&job.job, PartName::Request).await.as_ref(), Some(&job.request));
    }
    assert_eq!(subject.states().await[1], accepted.len() as u64 + 1);
}

/// A replica takes the server's place that has not heard of what was set last.
#[tokio::test]
async fn settings_that_a_failover_lost_are_set_anew() {
    let (url, prefix) = (shared(Kind::Redis).await.unwrap(), unique_name());
    let store = RedisStore::builder(url).prefix(prefix.clone()).connect().await.unwrap();
    let subject = Subject::new(Arc::new(store), Arc::new(asyncflow_core::ManualClock::at(START)));
    let client = redis::Client::open(url).unwrap();
    let mut admin = client.get_multiplexed_async_connection().await.unwrap();
    let first = Settings { version: 1, ..Settings::default() };
    for _ in 0..2 {
        assert_eq!(*subject.store.due(0).await.unwrap().settings, Settings::default());
        assert!(subject.store.put_settings(&first).await.unwrap());
        assert_eq!(*subject.store.due(0).await.unwrap().settings, first);
        redis::cmd("DEL").arg(format!("{prefix}:settings")).exec_async(&mut admin).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_hear_each_other() {
    let url = shared(Kind::Redis).await.unwrap();
    let prefix = unique_name();
    let connect = || RedisStore::builder(url).prefix(prefix.clone()).connect();
    let (one, other) = (connect().await.unwrap(), connect().await.unwrap());
    let subject = Subject::new(Arc::new(one), Arc::new(asyncflow_core::ManualClock::at(START)));
    let hints = other.hints();
    hints.want_jobs(true);
    hints.want_changes(1);
    // Until it listens.
    loop {
        let batch = asyncflow_core::store::Batch { inserts: vec![subject.job()], ..Default::default() };
        subject.store.write(&batch).await.unwrap();
        match tokio::time::timeout(Duration::from_millis(100), hints.next()).await {
            Ok(news) if news.ready.contains("flow") => break,
            _ => {}
        }
    }
    let held = subject.take(1).await.remove(0);
    while !hints.next().await.changed.contains(&held.job) {}
    subject.event(&held, Event::Cancel).await;
    while !hints.next().await.marked.contains(&held.job) {}
}
