//! Fleets over a store in a file, in simulated time: none breaks a rule.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use asyncflow_core::Store;
use asyncflow_sqlite::{SqliteStore, Synchronous};
use asyncflow_testkit::simulation::Simulation;

#[test]
fn no_fleet_breaks_a_rule() {
    let seeds = if std::env::var_os("ASYNCFLOW_PROVE").is_some() { 2_000 } else { 8 };
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let made = Arc::new(AtomicU64::new(0));
    for seed in 0..seeds {
        let (folder, made) = (folder.clone(), made.clone());
        let simulation = Simulation::new(seed).clients(100).store_apart(move |clock| {
            let path = folder.path().join(format!("{}.db", made.fetch_add(1, Ordering::SeqCst)));
            async move {
                let store = SqliteStore::builder(path).synchronous(Synchronous::Normal).readers(1).clock(clock);
                Arc::new(store.open().await.unwrap()) as Arc<dyn Store>
            }
        });
        simulation.run().unwrap_or_else(|failure| panic!("{failure}"));
    }
}
