//! For tests of what is built with AsyncFlow, and of what it is built on: an [engine] for an application's own tests, conformance suites
//! for stores and mounts, and a store that goes wrong when it is told to.

pub mod engine;
pub mod faults;
pub mod http;
pub mod model;
pub mod simulation;
pub mod store;

pub use engine::TestEngine;
