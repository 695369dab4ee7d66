//! The wire contract, under every framework alike.

mod on_axum;
mod on_hyper;
mod on_poem;
mod on_warp;
