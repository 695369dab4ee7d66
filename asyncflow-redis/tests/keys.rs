//! What the keys of a store hold, and for how long.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{sync::Arc, time::Duration};

use asyncflow_core::{
    JobId, JobKey, ManualClock, Policy, Progress, Retention, State, Token,
    state::{self, Event},
    store::{Batch, Claim, Idempotency, Insert, Part, Patch, Pick, Unique},
};
use asyncflow_redis::RedisStore;
use asyncflow_testkit::{
    servers::{Kind, Server, shared, unique_name},
    store::{FLOW, START, Subject},
};
use redis::{Client, aio::MultiplexedConnection, cmd};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

struct Kept {
    subject: Subject,
    prefix: String,
    connection: MultiplexedConnection,
}

async fn kept(url: &str) -> Kept {
    let (clock, prefix) = (Arc::new(ManualClock::at(START)), unique_name());
    let store = RedisStore::builder(url).prefix(prefix.clone()).clock(clock.clone()).connect().await.unwrap();
    let connection = Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap();
    Kept { subject: Subject::new(Arc::new(store), clock), prefix, connection }
}

impl Kept {
    fn key(&self, name: &str, rest: &[u8]) -> Vec<u8> {
        [format!("{{{}:{FLOW}}}{name}", self.prefix).as_bytes(), rest].concat()
    }

    fn of_job(&self, kind: &str, job: &JobKey) -> Vec<u8> {
        self.key(kind, &job.id.as_u128().to_be_bytes())
    }

    async fn ask<T: redis::FromRedisValue>(&mut self, command: &mut redis::Cmd) -> T {
        command.query_async(&mut self.connection).await.unwrap()
    }

    /// For how many hours the key lasts; none where it does not end.
    async fn hours(&mut self, key: Vec<u8>) -> Option<i64> {
        let left: i64 = self.ask(cmd("PTTL").arg(&key)).await;
        assert_ne!(left, -2, "there is no key {}", String::from_utf8_lossy(&key));
        Some(left).filter(|left| *left >= 0).map(|left| (left + 1_800_000) / 3_600_000)
    }
}

/// What nodes purge is gone long before; where none is left to purge, it goes by itself.
#[tokio::test(flavor = "multi_thread")]
async fn what_has_ended_goes_by_itself_in_the_end() {
    let mut kept = kept(shared(Kind::Redis).await.unwrap()).await;
    let subject = kept.subject.clone();
    let hours = |n: u64| Duration::from_secs(n * 3600);
    let retention = Retention::default().succeeded(hours(5)).failed(hours(7)).cancelled(hours(9));
    let policy = Arc::new(Policy { retention, ..Policy::default() });
    let key = Idempotency { key: "k".into(), fingerprint: 1, keep: hours(3) };
    let job = || Insert { facts: state::submit(None, 0, &policy), ..subject.job() };
    let succeeded = subject.add(Insert { idempotency: Some(key), ..job() }).await;
    let (failed, waiting) = (subject.add(job()).await, subject.add(job()).await);
    assert_eq!(kept.hours(kept.key("i", b":k")).await, Some(24 + 3));
    for kind in ["j", "r"] {
        assert_eq!(kept.hours(kept.of_job(kind, &succeeded.job)).await, None);
    }
    let held = subject.take(2).await;
    let failure = asyncflow_core::JobError::new("E", "e");
    subject.event(&held[0], Event::Succeeded(Part::json("1"))).await;
    let failing = Event::Failed { error: failure, wish: asyncflow_core::state::Wish::Never, chance: 0.0 };
    let failed_now = subject.event(&held[1], failing).await;
    for (job, kinds, hours) in [(&succeeded.job, ["j", "o"].as_slice(), 5), (&failed.job, &["j", "o", "r"], 7)] {
        for kind in kinds {
            assert_eq!(kept.hours(kept.of_job(kind, job)).await, Some(24 + hours), "{kind}");
        }
    }
    // What goes on after all does not end.
    subject.change(&failed_now, Patch { to: Some(State::Enqueued), ..Patch::default() }).await;
    for (job, kinds) in [(&failed.job, ["j", "o", "r"].as_slice()), (&waiting.job, &["j", "r"])] {
        for kind in kinds {
            assert_eq!(kept.hours(kept.of_job(kind, job)).await, None, "{kind}");
        }
    }
    // Nothing but the record's own keys is left behind by one that went by itself, once somebody looks.
    kept.ask::<()>(cmd("DEL").arg(kept.of_job("j", &succeeded.job)).arg(kept.of_job("o", &succeeded.job))).await;
    assert_eq!(subject.states().await, [0, 2, 0, 1, 0, 0]);
    subject.clock.advance(hours(6));
    assert!(subject.due(9).await.is_empty());
    assert_eq!(subject.states().await, [0, 2, 0, 0, 0, 0]);
    assert_eq!(kept.ask::<i64>(cmd("ZCARD").arg(kept.key("a", b""))).await, 2);
}

/// A ready job whose record is gone is passed over, and stands in line no more.
#[tokio::test(flavor = "multi_thread")]
async fn what_dangles_in_line_is_dropped() {
    let mut kept = kept(shared(Kind::Redis).await.unwrap()).await;
    let subject = kept.subject.clone();
    for owner in [None, Some("o".into())] {
        let (gone, there) = (
            subject.add(Insert { owner: owner.clone(), ..subject.job() }).await,
            subject.add(Insert { owner, ..subject.job() }).await,
        );
        kept.ask::<()>(cmd("DEL").arg(kept.of_job("j", &gone.job))).await;
        assert_eq!(subject.take(1).await[0].job, there.job);
        assert_eq!(subject.states().await[1], 0);
        for line in ["q0", "y0"] {
            assert_eq!(kept.ask::<i64>(cmd("ZCARD").arg(kept.key(line, b""))).await, 0);
        }
        assert!(subject.take(1).await.is_empty());
    }
}

/// Nothing is left of jobs that were purged but what is kept of the flow itself.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_of_what_was_purged() {
    let mut kept = kept(shared(Kind::Redis).await.unwrap()).await;
    let subject = kept.subject.clone();
    let fair = Arc::new(Policy { spacing: Some(Duration::from_secs(1)), ..Policy::default() });
    for n in 0..20 {
        let unique = Some(Unique { key: format!("u{n}").into(), replace: None });
        let owner = Some(format!("o{}", n % 3).into());
        let facts = state::submit(None, 0, &fair);
        let record = subject.add(Insert { owner, unique, facts, ..subject.job() }).await;
        let held = subject.take(1).await.remove(0);
        assert_eq!(held.job, record.job);
        let report = Event::Progress(Arc::new(Progress::new("half")), Duration::from_secs(9));
        let held = subject.event(&held, report).await;
        let done = subject.event(&held, Event::Succeeded(Part::json("1"))).await;
        subject.clock.advance(Duration::from_secs(48 * 3600));
        subject.event(&done, Event::Due).await;
    }
    let mut left: Vec<String> = kept.ask(cmd("KEYS").arg(format!("{{{}*", kept.prefix))).await;
    left.sort_unstable();
    let own = |name| format!("{{{}:{FLOW}}}{name}", kept.prefix);
    assert_eq!(left, ["h", "p", "v"].map(own));
}

/// Read by its status, a job is two keys, and neither is a part: as the server saw it.
#[tokio::test(flavor = "multi_thread")]
async fn a_status_read_loads_no_part() {
    let server = Server::start(Kind::Redis).await.unwrap();
    let kept = kept(&server.url()).await;
    let record = kept.subject.running().await;
    let record = kept.subject.event(&record, Event::Succeeded(Part::json("1"))).await;
    let mut monitor = BufReader::new(TcpStream::connect(server.address()).await.unwrap());
    monitor.write_all(b"MONITOR\r\n").await.unwrap();
    let mut seen = String::new();
    monitor.read_line(&mut seen).await.unwrap();
    assert_eq!(kept.subject.get(&record.job).await, Some(record.clone()));
    kept.subject.store.check().await.unwrap();
    let mut commands = Vec::new();
    loop {
        seen.clear();
        monitor.read_line(&mut seen).await.unwrap();
        if seen.contains(":check") {
            break;
        }
        // How a new connection names itself to newer servers.
        if !seen.contains("\"CLIENT\"") {
            commands.push(seen.clone());
        }
    }
    assert_eq!(commands.len(), 1, "{commands:?}");
    let key = |kind| format!("\"{{{}:{FLOW}}}{kind}", kept.prefix);
    assert!(commands[0].contains("\"MGET\"") && commands[0].contains(&key('j')), "{commands:?}");
    assert!(!commands[0].contains(&key('r')) && !commands[0].contains(&key('o')), "{commands:?}");
}

/// Short jobs on a node with room are two round trips: insert and claim in one, and the end.
#[tokio::test(flavor = "multi_thread")]
async fn a_short_life_is_two_round_trips() {
    let server = Server::start(Kind::Redis).await.unwrap();
    let mut kept = kept(&server.url()).await;
    let subject = kept.subject.clone();
    subject.running().await;
    kept.ask::<()>(cmd("CONFIG").arg("RESETSTAT")).await;
    let insert = subject.job();
    let claim = Claim {
        pick: Pick::Job(insert.job.clone()),
        limits: None,
        token: subject.token(),
        patch: state::claim(Duration::from_secs(30)),
    };
    let batch = Batch { inserts: vec![insert], claims: vec![claim], ..Batch::default() };
    let held = subject.write(batch).await.claims.remove(0).jobs.remove(0).record;
    subject.event(&held, Event::Succeeded(Part::json("1"))).await;
    let stats: String = kept.ask(cmd("INFO").arg("commandstats")).await;
    assert!(stats.contains("cmdstat_evalsha:calls=2,"), "{stats}");
    assert!(!stats.contains("cmdstat_eval:"), "{stats}");
}

/// A large request does not pass through the script that claims its job, and is the job's all the same; also where it is asked again.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_request_passes_by_the_script_that_claims() {
    let server = Server::start(Kind::Redis).await.unwrap();
    let mut kept = kept(&server.url()).await;
    let subject = kept.subject.clone();
    let requests = [100, 70_000, 200, 300_000].map(|bytes| Part::json(vec![b'1'; bytes]));
    for request in &requests {
        subject.add(Insert { request: request.clone(), ..subject.job() }).await;
    }
    let (pick, token) =
        (Pick::Next { flow: FLOW.into(), versions: Arc::new([0]), jobs: 9, bytes: usize::MAX }, subject.token());
    for _ in 0..2 {
        kept.ask::<()>(cmd("CONFIG").arg("RESETSTAT")).await;
        let claimed = subject.claim(pick.clone(), token).await;
        assert!(claimed.iter().map(|claimed| &claimed.request).eq(&requests));
        let stats: String = kept.ask(cmd("INFO").arg("commandstats")).await;
        assert!(stats.contains("cmdstat_get:calls=2,"), "{stats}");
    }
}

/// The form in which records are kept is as it was released: what is written today is the fixture, byte by byte.
#[tokio::test(flavor = "multi_thread")]
async fn records_are_written_as_released() {
    let mut kept = kept(shared(Kind::Redis).await.unwrap()).await;
    let subject = kept.subject.clone();
    let policy = Arc::new(Policy { spacing: Some(Duration::from_millis(100)), ..Policy::default() });
    let insert = Insert {
        job: JobKey { flow: FLOW.into(), id: JobId::from_u128(0x0123_4567_89ab_7def_8123_4567_89ab_cdef) },
        flow_version: 3,
        facts: state::submit(None, -2, &policy),
        owner: Some("ownér".into()),
        limit_key: Some(String::new().into()),
        unique: Some(Unique { key: "\0unique".into(), replace: None }),
        request: Part::json("[1]"),
        ..subject.job()
    };
    subject.insert(&insert).await;
    let job = insert.job;
    let token = Token::from_u128(0xfedc_ba98_7654_3210_0123_4567_89ab_cdef);
    let held = subject.claim(Pick::Job(job.clone()), token).await.remove(0).record;
    let report = Arc::new(Progress::new("half").percentage(50));
    let held = subject.event(&held, Event::Progress(report, Duration::from_secs(7))).await;
    let record: Vec<u8> = kept.ask(cmd("GET").arg(kept.of_job("j", &job))).await;
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/record_1.bin");
    if std::env::var_os("ASYNCFLOW_NEW_FIXTURES").is_some() {
        std::fs::write(path, &record).unwrap();
    }
    assert_eq!(record, std::fs::read(path).unwrap());
    // And the fixture is read as what it was.
    kept.ask::<()>(cmd("SET").arg(kept.of_job("j", &job)).arg(std::fs::read(path).unwrap())).await;
    let read = subject.get(&job).await.unwrap();
    assert_eq!(read, held);
    assert_eq!((read.flow_version, read.priority, read.token, read.version), (3, -2, Some(token), 3));
    assert_eq!(read.owner.as_deref(), Some("ownér"));
}

/// However much a claim may take, it takes no more at once than holds up the server for a moment, and says that there is more.
#[tokio::test(flavor = "multi_thread")]
async fn a_claim_of_large_requests_is_bounded() {
    let subject = kept(shared(Kind::Redis).await.unwrap()).await.subject;
    const JOBS: usize = 20;
    for _ in 0..JOBS {
        subject.add(Insert { request: Part::json(vec![b'1'; 2 << 20]), ..subject.job() }).await;
    }
    let (mut taken, mut claims) = (0, 0);
    while taken < JOBS {
        let pick = Pick::Next { flow: FLOW.into(), versions: Arc::new([0]), jobs: 100, bytes: usize::MAX };
        let claim = Claim { pick, limits: None, token: subject.token(), patch: state::claim(Duration::from_secs(30)) };
        let some = subject.write(Batch { claims: vec![claim], ..Batch::default() }).await.claims.remove(0);
        let bytes: usize = some.jobs.iter().map(|claimed| claimed.request.bytes.len()).sum();
        assert!((1..=16 << 20).contains(&bytes), "{bytes}");
        taken += some.jobs.len();
        assert_eq!(some.after.is_some(), taken < JOBS, "whether there is more");
        claims += 1;
    }
    assert_eq!(claims, 3);
}
