//! Nodes, servers and the ways between them break, again and again, while clients submit jobs: every accepted job ends once, and right.
//!
//! What happens when is drawn from a seed, which is printed; `ASYNCFLOW_SEED` draws it again, as far as processes repeat themselves.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]
#![cfg(unix)]

#[path = "../common/mod.rs"]
mod common;

/// A test of a function that takes a kind of store, for each of some.
macro_rules! on_stores {
    ($test:ident: $($name:ident = $kind:ident),+) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            $test($crate::backing::Kind::$kind).await;
        }
    )+};
}

mod dice;
mod fleet;
mod frozen;
mod judge;
mod load;
mod network;
mod nodes;
mod pair;
mod redeploy;
mod servers;

use common::{backing, client, jobs, process};
