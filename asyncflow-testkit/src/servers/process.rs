//! A server's processes, and their end.

use std::{
    fs,
    io::{self, Write},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::Arc,
    thread,
    time::Duration,
};

use super::ServerError;

/// A server that runs. Dropped, it is killed with all processes that it started.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    watcher: Arc<Watcher>,
}

impl Process {
    pub(super) fn start(command: &mut Command, watcher: &Arc<Watcher>) -> io::Result<Self> {
        // Ctrl-c must not reach it.
        let child = command.process_group(0).spawn()?;
        watcher.watch(Some(child.id()));
        Ok(Self { child, watcher: watcher.clone() })
    }

    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended().is_none() {
            // Held first, so that it starts no more. Those of Postgres are in sessions of their own; one that is left would hold
            // memory which the next server wants.
            signal("STOP", &[self.child.id()]);
            let children = children(self.child.id());
            // Nothing is left to do for what cannot be killed.
            let _ = self.child.kill();
            let _ = self.child.wait();
            signal("KILL", &children);
            while children.iter().any(|child| is_alive(*child)) {
                // They are not children of ours, which could be waited for.
                thread::sleep(Duration::from_millis(5));
            }
        }
        self.watcher.watch(None);
    }
}

fn signal(name: &str, processes: &[u32]) {
    let ids: Vec<_> = processes.iter().map(u32::to_string).collect();
    let script = format!("kill -s {name} {}", ids.join(" "));
    let _ = Command::new("sh").args(["-c", &script]).stderr(Stdio::null()).status();
}

/// Where there is no `/proc` we know of none; they end soon after their parent then.
fn children(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = processes.filter_map(|process| process.file_name().to_str()?.parse().ok());
    ids.filter(|id| stat(*id).is_some_and(|(_, of)| of == parent)).collect()
}

/// A zombie is gone: who should take notice of it may never do.
fn is_alive(process: u32) -> bool {
    stat(process).is_some_and(|(state, _)| state != "Z" && state != "X")
}

/// A process's state and parent.
fn stat(process: u32) -> Option<(String, u32)> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // Behind its name, which may hold anything.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
}

/// A small shell that ends a server and removes its folder once our end of its input closes, for whatever reason.
#[derive(Debug)]
pub(super) struct Watcher {
    shell: Child,
    input: Option<ChildStdin>,
}

impl Watcher {
    pub(super) fn start(folder: &Path) -> Result<Self, ServerError> {
        let mut shell = Command::new("sh");
        shell.args(["-c", WATCH, "sh"]).arg(folder).process_group(0);
        let shell = shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut shell = shell.map_err(|error| ServerError(format!("sh cannot be started: {error}")))?;
        Ok(Self { input: shell.stdin.take(), shell })
    }

    /// Says which server runs now, if any.
    fn watch(&self, server: Option<u32>) {
        let server = server.map_or_else(String::new, |id| id.to_string());
        if let Some(mut input) = self.input.as_ref() {
            let _ = writeln!(input, "{server}");
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.shell.wait();
    }
}

/// Asks first, as a server ends its own processes best; kills after 5 s.
const WATCH: &str = r#"
    trap '' HUP INT TERM
    cd /
    while read -r next; do server=$next; done
    if [ -n "$server" ] && kill -s INT "$server"; then
        for second in 1 2 3 4 5; do
            kill -s 0 "$server" || break
            sleep 1
        done
        kill -s KILL "$server"
    fi
    rm -rf -- "$1"
"#;
