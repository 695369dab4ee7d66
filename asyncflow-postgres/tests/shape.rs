//! How the tables are used: what a reader would not see, and a server would feel.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use std::{sync::Arc, time::Duration};

use asyncflow_core::{
    Limits, Policy, Progress, Retention,
    state::{self, Event},
    store::{Batch, Change, Changed, Claim, Insert, Part, PartName, Pick},
};
use asyncflow_testkit::{
    servers::{Kind, Server, unique_name},
    store::{FLOW, LEASE},
};

use self::common::Behind;

const HOUR: Duration = Duration::from_secs(3600);

/// Sessions tell the server what they did at most once a second, with their next statement: no clock of ours turns that.
async fn a_second() {
    tokio::time::sleep(Duration::from_millis(1200)).await;
}

/// What the server counted, once it has been told.
async fn counted(behind: &Behind, sql: &str) -> i64 {
    a_second().await;
    behind.subject.store.check().await.unwrap();
    a_second().await;
    behind.run("SELECT pg_stat_clear_snapshot()").await;
    behind.ask(sql).await
}

/// How many rows of jobs that live were changed.
const CHANGED: &str = "SELECT n_tup_upd FROM pg_stat_user_tables WHERE relid = 'asyncflow.jobs'::regclass";
/// And how many of them without a change of an index.
const HOT: &str = "SELECT n_tup_hot_upd FROM pg_stat_user_tables WHERE relid = 'asyncflow.jobs'::regclass";
/// How many blocks of the jobs that live, and of their indexes, have been looked at.
const BLOCKS: &str = "SELECT heap_blks_hit + heap_blks_read + idx_blks_hit + idx_blks_read FROM pg_statio_user_tables
    WHERE relid = 'asyncflow.jobs'::regclass";
/// How often something was looked for among the values that are too long for their tables' rows.
const LONG_ONES: &str = "SELECT sum(seq_scan + coalesce(idx_scan, 0))::bigint
    FROM pg_stat_all_tables s JOIN pg_class c ON c.reltoastrelid = s.relid
    WHERE c.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'asyncflow.jobs'::regclass)";

#[tokio::test]
async fn heartbeats_and_reports_touch_no_index() {
    // Nobody else's snapshot may keep what is dead.
    let server = Server::start(Kind::Postgres).await.unwrap();
    let behind = Behind::at(&server.url()).await;
    let subject = &behind.subject;
    let mut held = Vec::new();
    for _ in 0..20 {
        held.push(subject.running().await);
    }
    let before = (counted(&behind, CHANGED).await, counted(&behind, HOT).await);
    for n in 0..10 {
        let changes = held.iter().map(|record| {
            let event = match n % 2 {
                0 => Event::Heartbeat(LEASE),
                _ => Event::Progress(Arc::new(Progress::new(format!("step {n}"))), LEASE),
            };
            let (guard, patch) = state::decide(record, event).unwrap();
            Change { job: record.job.clone(), guard, patch }
        });
        let changed = subject.write(Batch { changes: changes.collect(), ..Batch::default() }).await.changes;
        assert!(changed.iter().all(|changed| matches!(changed, Changed::Applied(_))));
    }
    let after = (counted(&behind, CHANGED).await, counted(&behind, HOT).await);
    let (updates, hot) = (after.0 - before.0, after.1 - before.1);
    assert!(updates >= 200 && hot * 10 >= updates * 9, "{hot} of {updates} touched no index");
}

#[tokio::test]
async fn a_claim_looks_at_no_more_of_the_line_than_it_takes() {
    const WAITING: usize = 10_000;
    let server = Server::start(Kind::Postgres).await.unwrap();
    let behind = Behind::at(&server.url()).await;
    let subject = &behind.subject;
    let next = |jobs| Pick::Next { flow: FLOW.into(), versions: Arc::new([0]), jobs, bytes: usize::MAX };
    let claim = |pick| Claim { pick, limits: None, token: subject.token(), patch: state::claim(LEASE) };
    let take = async || {
        let claims: Vec<_> = (0..10).map(|_| claim(next(1))).chain([claim(next(5))]).collect();
        let taken = subject.write(Batch { claims, ..Batch::default() }).await.claims;
        taken.iter().map(|taken| taken.jobs.len()).sum::<usize>()
    };
    // Plans are made where next to nothing is there, and are kept.
    let first = subject.add(subject.job()).await;
    subject.claim(Pick::Job(first.job), subject.token()).await;
    assert_eq!(take().await, 0);
    let mut last = None;
    for _ in 0..WAITING / 1000 {
        let inserts: Vec<_> = (0..1000).map(|_| subject.job()).collect();
        last = inserts.last().map(|insert| insert.job.clone());
        subject.write(Batch { inserts, ..Batch::default() }).await;
    }
    let before = counted(&behind, BLOCKS).await;
    let mut taken = 0;
    for _ in 0..10 {
        taken += take().await;
    }
    taken += subject.claim(Pick::Job(last.unwrap()), subject.token()).await.len();
    assert_eq!(taken, 151);
    let blocks = counted(&behind, BLOCKS).await - before;
    assert!(blocks < 151 * 30, "{blocks} blocks for 151 jobs");
}

#[tokio::test]
async fn a_claim_within_limits_leaps_over_what_a_key_holds_back() {
    const HELD_BACK: usize = 20_000;
    let server = Server::start(Kind::Postgres).await.unwrap();
    let behind = Behind::at(&server.url()).await;
    let subject = &behind.subject;
    let of = |key: &str| Insert { limit_key: Some(key.into()), ..subject.job() };
    let take = async || {
        let next = Pick::Next { flow: FLOW.into(), versions: Arc::new([0]), jobs: 1, bytes: usize::MAX };
        let taken = subject.take_within(&Limits::new().running_per_key(1), next).await;
        taken.jobs.into_iter().map(|claimed| claimed.record.job).collect::<Vec<_>>()
    };
    for _ in 0..HELD_BACK / 5000 {
        let inserts = (0..5000).map(|n| of(["a", "b", "c", "d"][n % 4])).collect();
        subject.write(Batch { inserts, ..Batch::default() }).await;
    }
    // Plans are made where nobody has counted yet what is there, and are kept.
    for _ in 0..4 {
        assert_eq!(take().await.len(), 1);
    }
    let before = counted(&behind, BLOCKS).await;
    for n in 0..10 {
        let other = subject.add(of(&n.to_string())).await;
        assert_eq!(take().await, [other.job]);
    }
    let blocks = counted(&behind, BLOCKS).await - before;
    assert!(blocks < 10 * 500, "{blocks} blocks for 10 jobs");
}

#[tokio::test]
async fn a_new_job_looks_at_none_of_those_of_another_owner() {
    let server = Server::start(Kind::Postgres).await.unwrap();
    let behind = Behind::at(&server.url()).await;
    let subject = &behind.subject;
    let policy = Arc::new(Policy { spacing: Some(Duration::from_millis(1)), ..Policy::default() });
    let of = |owner: Option<&str>| Insert {
        facts: state::submit(None, 0, &policy),
        owner: owner.map(Into::into),
        ..subject.job()
    };
    subject.add(of(Some("first"))).await;
    for _ in 0..3 {
        let inserts = (0..1000).map(|_| of(Some("greedy"))).collect();
        subject.write(Batch { inserts, ..Batch::default() }).await;
    }
    let before = counted(&behind, BLOCKS).await;
    for n in 0..50 {
        subject.add(of(Some(&n.to_string()))).await;
    }
    subject.add(of(None)).await;
    let blocks = counted(&behind, BLOCKS).await - before;
    assert!(blocks < 51 * 60, "{blocks} blocks for 51 jobs");
}

#[tokio::test]
async fn a_status_read_loads_no_part() {
    let behind = Behind::new().await;
    let subject = &behind.subject;
    // Too long for a row, whatever is made of it.
    let long = Part::json((0..1000).map(|_| unique_name()).collect::<String>());
    let mut jobs = Vec::new();
    for end in [false, true] {
        let waiting = subject.add(Insert { request: long.clone(), ..subject.job() }).await;
        if end {
            let held = subject.claim(Pick::Job(waiting.job.clone()), subject.token()).await.remove(0).record;
            subject.event(&held, Event::Succeeded(long.clone())).await;
        }
        jobs.push(waiting.job);
    }
    let before = counted(&behind, LONG_ONES).await;
    for _ in 0..20 {
        for job in &jobs {
            assert!(subject.get(job).await.is_some());
        }
        subject.states().await;
        subject.due(9).await;
    }
    assert_eq!(counted(&behind, LONG_ONES).await, before, "parts were looked at");
    for (job, name) in jobs.iter().zip([PartName::Request, PartName::Outcome]) {
        assert_eq!(subject.part(job, name).await.as_ref(), Some(&long));
    }
    assert!(counted(&behind, LONG_ONES).await > before, "what is counted is told");
}

/// A job that is kept for so long.
fn kept(behind: &Behind, keep: Duration) -> Insert {
    let policy = Policy { retention: Retention::of(keep), ..Policy::default() };
    Insert { facts: state::submit(None, 0, &Arc::new(policy)), ..behind.subject.job() }
}

#[tokio::test]
async fn what_has_ended_goes_by_whole_tables_at_its_time() {
    let behind = Behind::new().await;
    let subject = &behind.subject;
    let mut ended = Vec::new();
    for _ in 0..30 {
        let held = {
            let waiting = subject.add(kept(&behind, 24 * HOUR)).await;
            subject.claim(Pick::Job(waiting.job), subject.token()).await.remove(0).record
        };
        ended.push(subject.event(&held, Event::Succeeded(Part::json("1"))).await);
    }
    let loose: i64 = behind.ask("SELECT count(*) FROM asyncflow.ended_0").await;
    assert_eq!(loose, 0, "all stand on a shelf");
    subject.clock.advance(24 * HOUR - Duration::from_micros(1));
    assert!(subject.due(9).await.is_empty());
    for record in &ended {
        assert_eq!(subject.get(&record.job).await.as_ref(), Some(record), "it is read until its time");
        assert!(subject.part(&record.job, PartName::Outcome).await.is_some());
    }
    assert_eq!(subject.states().await[3], 30);
    subject.clock.advance(Duration::from_micros(1));
    for record in &ended {
        assert_eq!(subject.get(&record.job).await, None, "and not beyond");
        assert_eq!(subject.part(&record.job, PartName::Outcome).await, None);
    }
    assert!(subject.due(9).await.is_empty(), "nobody has to purge it");
    subject.clock.advance(HOUR);
    assert_eq!(subject.states().await, [0; 6]);
    let rows: i64 = behind.ask("SELECT count(*) FROM asyncflow.ended").await;
    assert_eq!(rows, 30);
    subject.clock.advance(12 * HOUR);
    subject.due(9).await;
    let rows: i64 = behind.ask("SELECT count(*) FROM asyncflow.ended").await;
    assert_eq!(rows, 0, "its table is dropped");
    assert_eq!(subject.states().await, [0; 6]);
    // An id that has gone is as new.
    let again = Insert { job: ended[0].job.clone(), ..subject.job() };
    subject.add(again).await;
}

#[tokio::test]
async fn what_stands_on_a_shelf_is_deleted_like_anything() {
    let behind = Behind::new().await;
    let subject = &behind.subject;
    let waiting = subject.add(kept(&behind, 24 * HOUR)).await;
    let cancelled = subject.event(&waiting, Event::Cancel).await;
    assert!(subject.part(&cancelled.job, PartName::Request).await.is_some());
    let forgotten = subject.event(&cancelled, Event::Delete).await;
    assert_eq!(subject.get(&forgotten.job).await.as_ref(), Some(&forgotten));
    assert_eq!(subject.part(&forgotten.job, PartName::Request).await, None);
    assert_eq!(subject.states().await, [0, 0, 0, 0, 0, 1]);
    let stale = subject.ask(&forgotten.job, asyncflow_core::store::Guard::Version(1), Default::default()).await;
    assert_eq!(stale, Changed::Refused(forgotten.clone()));
    subject.clock.advance(HOUR);
    assert_eq!(subject.due(9).await, [forgotten.job.id]);
    subject.event(&forgotten, Event::Due).await;
    assert_eq!(subject.get(&forgotten.job).await, None);
    assert_eq!(subject.states().await, [0; 6]);
}

#[tokio::test]
async fn what_was_made_while_nobody_made_divisions_ends_all_the_same() {
    let behind = Behind::new().await;
    let subject = &behind.subject;
    let first = subject.add(kept(&behind, HOUR)).await;
    // A division is for an eighth of 6000 s, and there are three ahead.
    subject.clock.advance(5 * Duration::from_secs(750));
    let between = subject.add(kept(&behind, HOUR)).await;
    subject.clock.advance(3 * Duration::from_secs(750));
    subject.due(9).await;
    let last = subject.add(kept(&behind, HOUR)).await;
    for waiting in [between, first, last] {
        subject.event(&waiting, Event::Cancel).await;
    }
    let on_shelves: i64 = behind.ask("SELECT count(*) FROM asyncflow.ended WHERE shelf > 0").await;
    assert_eq!((subject.states().await, on_shelves), ([0, 0, 0, 0, 0, 3], 1));
}

#[tokio::test]
async fn whoever_reads_for_long_is_not_waited_for() {
    let behind = Behind::new().await;
    let subject = &behind.subject;
    let waiting = subject.add(kept(&behind, 24 * HOUR)).await;
    subject.event(&waiting, Event::Cancel).await;
    behind.run("BEGIN; SELECT count(*) FROM asyncflow.ended").await;
    subject.clock.advance(48 * HOUR);
    subject.due(9).await;
    let later: i64 = behind.ask("SELECT count(*) FROM asyncflow.divisions WHERE again IS NOT NULL").await;
    assert_eq!(later, 2, "as many as are dropped at once");
    // A shelf that was not used yet.
    let other = subject.add(kept(&behind, 100 * HOUR)).await;
    subject.event(&other, Event::Cancel).await;
    let waiting = subject.add(kept(&behind, 24 * HOUR)).await;
    subject.event(&waiting, Event::Cancel).await;
    behind.run("COMMIT").await;
    subject.clock.advance(HOUR);
    subject.due(9).await;
    let rows: i64 = behind.ask("SELECT count(*) FROM asyncflow.ended").await;
    assert_eq!(rows, 2, "what was to go is dropped as soon as may be");
}
