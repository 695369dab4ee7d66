//! Whole lives of jobs a second in the store, beside a loop written by hand that gathers calls for the same client and the same rows.
//! Compare the ratios: rates are the disk's, and whoever else works with it disturbs both alike, since they take turns of a fraction of a
//! second.
//!
//! `cargo bench -p asyncflow-postgres --bench lives [-- ROUNDS]`
#![allow(clippy::unwrap_used, reason = "a benchmark may fail")]

mod by_hand;
mod by_store;
mod meter;

use std::time::Duration;

use asyncflow_testkit::servers::{Kind, Server};

use self::meter::{Meter, Spent};

/// One turn of one measurement.
const TURN: Duration = Duration::from_millis(400);
/// Callers that go at once.
const MANY: usize = 64;
const MORE: usize = 256;

#[tokio::main]
async fn main() {
    let rounds = std::env::args().filter_map(|arg| arg.parse().ok()).next().unwrap_or(15);
    let server = Server::start(Kind::Postgres).await.unwrap();
    let meter = Meter::new(&server.url()).await;
    let hand = by_hand::start(&server.url()).await;
    let store = by_store::start(&server.url(), true).await;
    let deaf = by_store::start(&server.url(), false).await;
    let mut spent: [Vec<Spent>; 4] = Default::default();
    for round in 0..=rounds {
        // Each has to bear what another left for the disk to do, so every other round goes the other way.
        let order = if round % 2 == 0 { [0, 1, 2, 3] } else { [3, 2, 1, 0] };
        for which in order {
            let turn = match which {
                0 => meter.measure(MANY, &hand, by_hand::life).await,
                1 => meter.measure(MANY, &store, by_store::life).await,
                2 => meter.measure(MORE, &store, by_store::life).await,
                _ => meter.measure(MANY, &deaf, by_store::life).await,
            };
            spent[which].extend((round > 0).then_some(turn));
        }
    }
    let names = ["by hand, 64 in flight", "store, 64 in flight", "store, 256 in flight", "store without hints, 64"];
    for (name, spent) in names.iter().zip(&spent) {
        let of = |part: fn(&Spent) -> f64| median(spent.iter().map(part));
        println!(
            "{name:24} {:6.0} jobs/s, a job: {:5.1} µs CPU of the client, {:5.1} of the server, {:.3} commits, {:5.0} B of WAL",
            of(|spent| spent.rate),
            of(|spent| spent.client),
            of(|spent| spent.server),
            of(|spent| spent.commits),
            of(|spent| spent.wal),
        );
    }
    let ratio = median(spent[1].iter().zip(&spent[0]).map(|(store, hand)| store.rate / hand.rate));
    println!("64 whole lives against by hand: {ratio:.2}");
    let cpu = median(spent[1].iter().map(|spent| spent.client + spent.server));
    println!("64 whole lives, µs CPU a job: {cpu:.1}");
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
