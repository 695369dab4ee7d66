//! Conformance suites for AsyncFlow's stores, executors and mounts.

pub mod store;
