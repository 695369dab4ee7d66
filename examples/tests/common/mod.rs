//! The demo as a process, its clients, and jobs of every kind.
#![allow(dead_code, reason = "each test program uses its part")]

#[cfg(unix)]
pub(crate) mod backing;
pub(crate) mod client;
pub(crate) mod jobs;
pub(crate) mod process;
