//! The way from a node to the store, which is cut, stalls, and loses what is on it.

use asyncflow_testkit::proxy::{Mode, Proxy};
use tokio::time::Instant;

use crate::{
    backing::{Backing, Kind},
    dice::Dice,
    fleet::{Fleet, LEASE},
    judge::judge,
    load::Load,
    process::{PATIENCE, pause, prove},
};

on_stores!(spoiled: way_to_redis_is_spoiled = Redis, way_to_postgres_is_spoiled = Postgres);
on_stores!(stalled: way_to_redis_stalls = Redis, way_to_postgres_stalls = Postgres);

/// Two nodes under load, one of which has a bad way.
async fn spoiled(kind: Kind) {
    let times = if prove() { 200 } else { 20 };
    let mut dice = Dice::new("spoiled");
    let store = Backing::start(kind).await;
    let proxy = Proxy::start(store.server().address()).await.unwrap();
    let fleet = Fleet::start(&[store.url_by(proxy.address()), store.url()], &["--lease", LEASE]);
    let load = Load::start(fleet.addresses(), &mut dice);
    for _ in 0..times {
        load.accepts(1 + dice.one_of(20)).await;
        match dice.one_of(5) {
            0 => {
                proxy.set(Mode::Stall);
                // Perhaps beyond a lease.
                dice.sleep(3000).await;
            }
            1 => proxy.set(Mode::Flap { seed: dice.seed(), bytes: 20_000 }),
            2 => proxy.set(Mode::Delay(dice.millis(50))),
            3 => {
                proxy.set(Mode::Refuse);
                proxy.cut();
            }
            _ => proxy.cut(),
        }
        dice.sleep(1000).await;
        proxy.set(Mode::Pass);
    }
    // The node with the bad way takes jobs again.
    let mut client = fleet.node(0).client().await;
    let end = Instant::now() + PATIENCE;
    while client.send("POST", "/echo", &[("idempotency-key", "job-0")], r#"{"n":0}"#).await.status != 202 {
        assert!(Instant::now() < end, "it does not heal");
        pause().await;
    }
    judge(load.stop().await, &store, times).await;
}

/// A node whose way stalls: what it ends meanwhile comes too late, and who asks it is answered.
async fn stalled(kind: Kind) {
    let store = Backing::start(kind).await;
    let proxy = Proxy::start(store.server().address()).await.unwrap();
    let fleet = Fleet::start(&[store.url_by(proxy.address()), store.url()], &["--lease", LEASE]);
    let mut one = fleet.node(0).client().await.patient();
    let mut other = fleet.node(1).client().await.patient();
    let mut jobs = Vec::new();
    for _ in 0..5 {
        jobs.push(one.submit("/stubborn", r#"{"ms":1000}"#).await);
    }
    proxy.set(Mode::Stall);
    // Within the time that a call may take, which is a sixth of the lease.
    for (method, path, body) in [("POST", "/echo", "1"), ("GET", &*format!("{}/status", jobs[0]), "")] {
        let answer = one.try_send(method, path, &[], body).await.unwrap();
        assert_eq!(answer.status, 503, "{answer:?}");
        assert!(!answer.header("retry-after").is_empty(), "{answer:?}");
    }
    let mut ends = Vec::new();
    for job in &jobs {
        let end = other.ended(job).await;
        assert_eq!((&end["Status"], &end["Attempt"]), (&"Succeeded".into(), &2.into()), "{end}");
        ends.push(end);
    }
    proxy.set(Mode::Pass);
    let end = Instant::now() + PATIENCE;
    loop {
        // Answered with 200 once its store can be used.
        let health = one.get("/health").await.json();
        if health["running"] == 0 {
            break;
        }
        assert!(Instant::now() < end, "it does not heal: {health}");
        pause().await;
    }
    for (job, end) in jobs.iter().zip(&ends) {
        assert_eq!(one.get(&format!("{job}/status")).await.json(), *end, "an end was overwritten");
    }
    let job = one.submit("/echo", "1").await;
    assert_eq!(one.result(&job).await, 1);
}
