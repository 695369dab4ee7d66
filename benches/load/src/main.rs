//! Asks a server over keep-alive connections, one request at a time on each, and checks every answer. One thread. Prints lines of
//! `name value`, which `cargo xtask bench` reads.
//!
//! ```text
//! bench-load enqueue --addr IP:PORT [--pid SERVER] [--conns 32] [--secs 5 | --count N] [--body 100]
//! bench-load get     --addr IP:PORT --path /echo/ID/status … [--secs 5 | --count N]
//! bench-load life    --addr IP:PORT …
//! bench-load readers --addr IP:PORT --pid SERVER [--conns 10000] [--secs 5]
//! ```
#![allow(clippy::unwrap_used, reason = "a measurement may fail")]

mod answer;
mod conn;
mod epoll;
mod readers;
mod turn;

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use bench_load::Failed;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Enqueue,
    Get,
    /// Post, poll, result.
    Life,
    /// Many that wait.
    Readers,
}

struct Args {
    mode: Mode,
    addr: String,
    conns: usize,
    secs: f64,
    /// How many in all; as many as there is time for where it is 0.
    count: u64,
    body: usize,
    path: String,
    pid: u32,
}

impl Args {
    fn read() -> Result<Self, Failed> {
        let mut words = std::env::args().skip(1);
        let mode = match words.next().as_deref() {
            Some("enqueue") => Mode::Enqueue,
            Some("get") => Mode::Get,
            Some("life") => Mode::Life,
            Some("readers") => Mode::Readers,
            _ => return Err("the first argument is enqueue, get, life or readers".into()),
        };
        let (addr, path) = Default::default();
        let mut args = Self { mode, addr, conns: 32, secs: 5.0, count: 0, body: 100, path, pid: 0 };
        while let Some(name) = words.next() {
            let value = words.next().ok_or_else(|| format!("{name} has no value"))?;
            match name.as_str() {
                "--addr" => args.addr = value,
                "--conns" => args.conns = value.parse()?,
                "--secs" => args.secs = value.parse()?,
                "--count" => args.count = value.parse()?,
                "--body" => args.body = value.parse()?,
                "--path" => args.path = value,
                "--pid" => args.pid = value.parse()?,
                _ => return Err(format!("there is no {name}").into()),
            }
        }
        Ok(args)
    }

    /// Whether another request is to be made after so many.
    fn goes_on(&self, made: u64, began: Instant) -> bool {
        if self.count > 0 { made < self.count } else { began.elapsed() < Duration::from_secs_f64(self.secs) }
    }
}

fn main() -> ExitCode {
    let measured = Args::read().and_then(|args| match args.mode {
        Mode::Readers => readers::run(&args),
        Mode::Enqueue | Mode::Get | Mode::Life => turn::run(&args),
    });
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
