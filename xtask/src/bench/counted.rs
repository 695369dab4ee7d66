//! Instructions that a request takes in the whole server, counted by callgrind: of N requests and of 2N, the difference over N.

use std::{fs, process::Command};

use super::server::{Kind, Server, folder};
use crate::steps::Failed;

pub(super) fn instructions(kind: Kind, what: &str, requests: usize) -> Result<f64, Failed> {
    let (once, twice) = (count(kind, what, requests)?, count(kind, what, 2 * requests)?);
    Ok((twice - once) / requests as f64)
}

fn count(kind: Kind, what: &str, requests: usize) -> Result<f64, Failed> {
    let (log, out) = (folder()?.join("callgrind.log"), folder()?.join("callgrind.out"));
    // On one core: threads that spin for one another would be counted.
    let mut valgrind = Command::new("taskset");
    valgrind.args(["-c", "0", "valgrind", "--tool=callgrind"]);
    valgrind.arg(format!("--log-file={}", log.display())).arg(format!("--callgrind-out-file={}", out.display()));
    let mut server = Server::start(kind, &[], Some(valgrind))?;
    let path = if what == "get" { server.ended()? } else { String::new() };
    server.ask(what, &[("--count", requests.to_string()), ("--path", path)])?;
    // Jobs may run a little longer than their posts.
    std::thread::sleep(std::time::Duration::from_secs(1));
    drop(server);
    let said = fs::read_to_string(&log).map_err(|error| Failed::new(format!("{}: {error}", log.display())))?;
    let collected = said.lines().rev().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok());
    collected.ok_or_else(|| Failed::new(format!("callgrind counted nothing: {said}")))
}
