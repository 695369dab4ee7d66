//! The demo server as its users start it: as a process, over its socket.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod client;
mod command_line;
mod examples;
mod first_minute;
mod flows;
mod hostile;
mod kill;
mod load;
mod process;
mod settings;
mod shutdown;
mod sqlite;
