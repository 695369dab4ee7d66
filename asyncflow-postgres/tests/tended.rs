//! What nodes that pass give up of what they share, and how seldom they look for it.

mod common;

use std::{sync::Arc, time::Duration};

use asyncflow_core::{
    Policy,
    state::{self, Event},
    store::{Insert, Pick},
};

use self::common::{Behind, connect, shared_url};

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60_000_000;

/// Tends as a node does, at this time.
async fn tend(behind: &Behind, at: i64) {
    behind.run(&format!("SELECT asyncflow.tend_1({at}, hashtext('{}'), '{{}}')", behind.schema)).await;
}

#[tokio::test]
async fn starts_that_are_paid_back_are_looked_for_once_a_minute() {
    let behind = Behind::new().await;
    let start = async |rows: i64, paid: i64| {
        let rows =
            format!("INSERT INTO asyncflow.started SELECT 1, false, n, {paid} FROM generate_series(1, {rows}) n");
        behind.run(&rows).await;
    };
    let left = async || behind.ask::<i64>("SELECT count(*) FROM asyncflow.started").await;
    // More than are given up at once, and so a second later again.
    start(10_001, MINUTE).await;
    tend(&behind, MINUTE).await;
    assert_eq!(left().await, 1);
    tend(&behind, MINUTE + 1).await;
    assert_eq!(left().await, 0);
    start(3, MINUTE).await;
    tend(&behind, 2 * MINUTE).await;
    assert_eq!(left().await, 3, "nobody looks yet");
    tend(&behind, 2 * MINUTE + 1).await;
    assert_eq!(left().await, 0);
    // By a clock that was put back too.
    start(1, 0).await;
    tend(&behind, 1).await;
    assert_eq!(left().await, 0);
}

#[tokio::test]
async fn an_owner_of_whom_no_job_waits_keeps_no_place() {
    let behind = Behind::new().await;
    let subject = &behind.subject;
    let policy = Arc::new(Policy { spacing: Some(Duration::from_secs(1)), ..Policy::default() });
    let mut waiting = Vec::new();
    for owner in [Some("ended"), Some("runs"), Some("waits"), Some("waits later"), Some(""), None] {
        let later = owner == Some("waits later");
        let facts = state::submit(later.then_some(Duration::from_secs(3600)), 0, &policy);
        waiting.push(subject.add(Insert { facts, owner: owner.map(Into::into), ..subject.job() }).await);
    }
    let owned = "SELECT array_agg(owner || unowned::text ORDER BY owner, unowned) FROM asyncflow.owners";
    let places = async || behind.ask::<Option<Vec<String>>>(owned).await.unwrap_or_default();
    let all = ["false", "true", "endedfalse", "runsfalse", "waitsfalse"];
    assert_eq!(places().await, all);
    tend(&behind, SECOND).await;
    assert_eq!(places().await, all, "each has a job that waits");
    for nth in [0, 1, 4] {
        subject.claim(Pick::Job(waiting[nth].job.clone()), subject.token()).await;
    }
    let ended = subject.get(&waiting[0].job).await.unwrap();
    subject.event(&ended, Event::Succeeded(asyncflow_core::store::Part::json("1"))).await;
    // Whoever is in the flow for long is not waited for.
    let other = connect(shared_url().await).await;
    let enter = format!("BEGIN; SELECT pg_advisory_xact_lock_shared(hashtext('{}'), id) FROM {0}.flows", behind.schema);
    other.batch_execute(&enter).await.unwrap();
    for seconds in 2..5 {
        tend(&behind, seconds * SECOND).await;
    }
    assert_eq!(places().await, all);
    other.batch_execute("COMMIT").await.unwrap();
    tend(&behind, 5 * SECOND).await;
    assert_eq!(places().await, ["true", "waitsfalse"]);
    subject.take(9).await;
    // Round it goes.
    for seconds in 6..9 {
        tend(&behind, seconds * SECOND).await;
    }
    assert!(places().await.is_empty());
}
