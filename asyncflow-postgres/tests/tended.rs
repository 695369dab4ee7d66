//! What nodes that pass give up of what they share, and how seldom they look for it.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use self::common::Behind;

const MINUTE: i64 = 60_000_000;

/// Tends as a node does, at this time.
async fn tend(behind: &Behind, at: i64) {
    behind.run(&format!("SELECT asyncflow.tend_1({at}, 1, '{{}}')")).await;
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
