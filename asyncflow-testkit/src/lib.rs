//! Conformance suites for AsyncFlow's stores, executors and mounts.

pub mod faults;
pub mod http;
pub mod simulation;
pub mod store;
