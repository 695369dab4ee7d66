//! Nodes that are killed in the middle of their work.

use crate::{
    backing::{Backing, Kind},
    dice::Dice,
    fleet::{Fleet, LEASE},
    judge::judge,
    load::Load,
    process::prove,
};

on_stores!(alone: alone_on_sqlite = Sqlite, alone_on_redis = Redis, alone_on_postgres = Postgres);
on_stores!(two: two_on_sqlite = Sqlite, two_on_redis = Redis, two_on_postgres = Postgres);

fn kills() -> u64 {
    if prove() { 200 } else { 20 }
}

/// One node, started again at once.
async fn alone(kind: Kind) {
    let mut dice = Dice::new("alone");
    let store = Backing::start(kind).await;
    let mut fleet = Fleet::start(&[store.url()], &["--lease", LEASE]);
    let load = Load::start(fleet.addresses(), &mut dice);
    for _ in 0..kills() {
        load.accepts(1 + dice.one_of(40)).await;
        dice.sleep(200).await;
        fleet.kill(0);
        fleet.up(0);
    }
    judge(load.stop().await, &store, kills()).await;
}

/// Two nodes, of which either is killed, and started again once the other may have taken over.
async fn two(kind: Kind) {
    let mut dice = Dice::new("two");
    let store = Backing::start(kind).await;
    let mut fleet = Fleet::start(&[store.url(), store.url()], &["--lease", LEASE]);
    let load = Load::start(fleet.addresses(), &mut dice);
    for _ in 0..kills() {
        load.accepts(1 + dice.one_of(40)).await;
        let node = dice.one_of(2);
        fleet.kill(node);
        dice.sleep(1500).await;
        fleet.up(node);
    }
    judge(load.stop().await, &store, kills()).await;
}
