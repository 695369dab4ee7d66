//! Servers that are killed, and come back with what they had stored: nodes go on by themselves.

use crate::{
    backing::{Backing, Kind},
    dice::Dice,
    fleet::{Fleet, LEASE},
    judge::judge,
    load::Load,
    process::prove,
};

on_stores!(killed: redis_is_killed = Redis, postgres_is_killed = Postgres);

async fn killed(kind: Kind) {
    let kills = if prove() { 50 } else { 6 };
    let mut dice = Dice::new("killed");
    let mut store = Backing::start(kind).await;
    let fleet = Fleet::start(&[store.url(), store.url()], &["--lease", LEASE]);
    let load = Load::start(fleet.addresses(), &mut dice);
    for _ in 0..kills {
        load.accepts(1 + dice.one_of(40)).await;
        dice.sleep(200).await;
        store.server_mut().kill().await;
        dice.sleep(3000).await;
        store.server_mut().restart().await.unwrap();
    }
    load.accepts(20).await;
    judge(load.stop().await, &store, kills).await;
}
