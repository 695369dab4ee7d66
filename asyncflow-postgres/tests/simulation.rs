//! Fleets over a store in a Postgres server, in simulated time: none breaks a rule.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::sync::Arc;

use asyncflow_core::Store;
use asyncflow_postgres::PostgresStore;
use asyncflow_testkit::{
    servers::{Kind, shared, unique_name},
    simulation::Simulation,
};

#[test]
fn no_fleet_breaks_a_rule() {
    let seeds = if std::env::var_os("ASYNCFLOW_PROVE").is_some() { 300 } else { 4 };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let url = runtime.block_on(shared(Kind::Postgres)).unwrap();
    for seed in 0..seeds {
        let simulation = Simulation::new(seed).clients(100).store_apart(move |clock| {
            let store = PostgresStore::builder(url).schema(unique_name()).listen(false).clock(clock);
            async move { Arc::new(store.connect().await.unwrap()) as Arc<dyn Store> }
        });
        simulation.run().unwrap_or_else(|failure| panic!("{failure}"));
    }
}
