//! For tests of what is built with AsyncFlow, and of what it is built on: an [engine] for an application's own tests, conformance suites
//! for stores and mounts, a store that goes wrong when it is told to, and for stores behind a server: private [servers], and a [proxy] that
//! spoils the way to them.

pub mod engine;
pub mod faults;
pub mod growth;
pub mod http;
pub mod model;
pub mod proxy;
#[cfg(unix)]
pub mod servers;
pub mod simulation;
pub mod store;

pub use engine::TestEngine;
