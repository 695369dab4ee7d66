//! The demo server as its users start it: as a process, over its socket.

mod client;
mod command_line;
mod flows;
mod process;
mod settings;
mod shutdown;
