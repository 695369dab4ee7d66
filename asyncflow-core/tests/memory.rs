//! The memory store at its edges: pages of what is due, listings, and room.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use asyncflow_core::{
    FlowEngine, JobContext, JobId, JobKey, ManualClock, MemoryStore, Policy, Stamp, State, Store, SubmitOptions, Token,
    state,
    store::{Batch, Change, Changed, Claim, Due, Guard, Insert, Part, Patch, Pick, Query, Room},
};

const SECOND: Duration = Duration::from_secs(1);

fn key(n: u128) -> JobKey {
    JobKey { flow: "f".into(), id: JobId::from_u128(n) }
}

fn insert(n: u128, run_in: Duration) -> Insert {
    Insert {
        job: key(n),
        flow_version: 0,
        facts: state::submit(Some(run_in), 0, &Arc::new(Policy::default())),
        owner: None,
        limit_key: None,
        unique: None,
        request: Part::json("1"),
        idempotency: None,
        room: Room { waiting: 1_000_000, waiting_per_owner: None },
    }
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(Stamp::from_micros(1_700_000_000_000_000)))
}

async fn with(clock: &Arc<ManualClock>, inserts: impl IntoIterator<Item = Insert>) -> MemoryStore {
    let store = MemoryStore::with_clock(clock.clone());
    store.write(&Batch { inserts: inserts.into_iter().collect(), ..Batch::default() }).await.unwrap();
    store
}

async fn change(store: &MemoryStore, n: u128, patch: Patch) -> Changed {
    let record = store.get(&[key(n)]).await.unwrap().pop().unwrap().unwrap();
    let change = Change { job: key(n), guard: Guard::Version(record.version), patch };
    store.write(&Batch { changes: vec![change], ..Batch::default() }).await.unwrap().changes.pop().unwrap()
}

#[tokio::test]
async fn what_is_due_comes_in_pages_the_longest_past_first_however_ids_are_spread() {
    // In the second case all jobs lie in one shard.
    for step in [1, 64] {
        let clock = clock();
        let delay = |n: u128| SECOND + Duration::from_millis((n * 7919 % 5000) as u64);
        let store = with(&clock, (1..=1000).map(|n| insert(n * step, delay(n)))).await;
        assert!(store.due(10).await.unwrap().records.is_empty());
        clock.advance(10 * SECOND);
        for limit in [1, 10, 256, 999, 1000, 2000] {
            let page = store.due(limit).await.unwrap().records;
            assert_eq!(page.len(), limit.min(1000));
            assert!(page.is_sorted_by_key(|record| record.due));
        }
        // Page after page, each job comes once.
        let mut seen = BTreeSet::new();
        loop {
            let page = store.due(100).await.unwrap().records;
            if page.is_empty() {
                break;
            }
            for record in page {
                assert!(seen.insert(record.job.id));
                let purged = change(&store, record.job.id.as_u128(), Patch { purge: true, ..Patch::default() }).await;
                assert!(matches!(purged, Changed::Applied(_)));
            }
        }
        assert_eq!(seen.len(), 1000);
        assert_eq!(store.counts("f").await.unwrap().states, [0; 6]);
    }
}

#[tokio::test]
async fn a_job_that_comes_back_to_a_time_is_due_once() {
    let clock = clock();
    let store = with(&clock, [insert(1, Duration::ZERO)]).await;
    let put_off = |by| Patch { due: Some(Due::In(by)), ..Patch::default() };
    // Away from a time and back to it, with a look in between.
    for _ in 0..20 {
        change(&store, 1, put_off(30 * SECOND)).await;
        change(&store, 1, put_off(Duration::ZERO)).await;
        assert_eq!(store.due(10).await.unwrap().records.len(), 1);
        change(&store, 1, put_off(30 * SECOND)).await;
        assert!(store.due(10).await.unwrap().records.is_empty());
        clock.advance(Duration::from_millis(1));
    }
    clock.advance(40 * SECOND);
    assert_eq!(store.due(10).await.unwrap().records.len(), 1);
}

#[tokio::test]
async fn a_clock_that_is_set_back_or_far_ahead_loses_no_job() {
    let clock = clock();
    let began = Stamp::from_micros(1_700_000_000_000_000);
    let store = with(&clock, (1..=100).map(|n| insert(n, 60 * SECOND))).await;
    clock.set(began + 30 * SECOND);
    assert!(store.due(1000).await.unwrap().records.is_empty());
    clock.set(Stamp::from_micros(0));
    assert!(store.due(1000).await.unwrap().records.is_empty());
    clock.set(began + 10_000 * SECOND);
    assert_eq!(store.due(1000).await.unwrap().records.len(), 100);
}

#[tokio::test]
async fn a_listing_goes_on_where_its_page_ends() {
    let store = with(&clock(), (1..=250).map(|n| insert(n, SECOND))).await;
    let mut query = Query::new("f").limit(100);
    let mut pages = Vec::new();
    loop {
        let page = store.list(&query).await.unwrap();
        pages.push(page.records.iter().map(|record| record.job.id.as_u128()).collect::<Vec<_>>());
        let Some(next) = page.next else { break };
        query = query.after(next);
    }
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [100, 100, 50]);
    assert!(pages.concat().into_iter().eq(1..=250));
}

#[tokio::test]
async fn a_claim_that_bytes_cut_short_leaves_the_rest_ready() {
    let store = with(&clock(), (1..=10).map(|n| insert(n, Duration::ZERO))).await;
    let claim = |token, bytes| Claim {
        limits: None,
        pick: Pick::Next { flow: "f".into(), versions: Arc::new([0]), jobs: 10, bytes },
        token: Token::from_u128(token),
        patch: state::claim(SECOND),
    };
    let claims = vec![claim(1, 3), claim(2, 0), claim(1, 3), claim(3, 1000)];
    let claimed = store.write(&Batch { claims, ..Batch::default() }).await.unwrap().claims;
    let ids = |at: usize| claimed[at].jobs.iter().map(|claimed| claimed.record.job.id.as_u128()).collect::<Vec<_>>();
    assert_eq!([ids(0), ids(1), ids(2), ids(3)], [vec![1, 2, 3], vec![4], vec![1, 2, 3], (5..=10).collect()]);
    assert_eq!(store.counts("f").await.unwrap().of(State::Processing), 10);
}

#[tokio::test]
async fn an_engines_clock_is_that_of_its_own_store() {
    let clock = clock();
    let engine = FlowEngine::builder()
        .clock(clock.clone())
        .flow("echo", |n: u32, _: JobContext| async move { Ok::<_, String>(n) })
        .start()
        .await
        .unwrap();
    let later = SubmitOptions::new().run_in(60 * SECOND);
    let job = engine.flow::<u32, u32>("echo").unwrap().submit_with(1, later).await.unwrap();
    assert_eq!(job.status().await.unwrap().unwrap().created(), Stamp::from_micros(1_700_000_000_000_000));
}
