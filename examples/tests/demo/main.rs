//! The demo server as its users start it: as a process, over its socket.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

#[path = "../common/mod.rs"]
mod common;

mod command_line;
mod examples;
mod first_minute;
mod flows;
mod hostile;
mod kill;
mod load;
mod settings;
mod shutdown;
mod sqlite;

use common::{client, jobs, process};
