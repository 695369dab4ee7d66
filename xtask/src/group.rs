//! Runs a command so that nothing of it outlives us. It leads a process group of its own, over which a small shell
//! watches: once our end of the shell's input closes, for whatever reason (the command ended, time ran out, we were
//! killed), it ends what is left of the group.

use std::{
    io,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

#[derive(Debug)]
pub(crate) enum End {
    Exited(ExitStatus),
    OutOfTime,
}

/// Runs the command to its end, without input, but no longer than until `deadline`.
pub(crate) fn run(command: &mut Command, deadline: Instant) -> io::Result<End> {
    Group::spawn(command.stdin(Stdio::null()))?.wait(deadline)
}

/// A command that runs. Dropped, it is ended with all that it started.
#[derive(Debug)]
pub(crate) struct Group {
    child: Child,
    #[cfg(unix)]
    watcher: Child,
}

impl Group {
    #[cfg(unix)]
    pub(crate) fn spawn(command: &mut Command) -> io::Result<Self> {
        use std::{io::Write, os::unix::process::CommandExt};

        // The watcher has a group of its own too: ctrl-c must not reach it.
        let mut watcher = Command::new("sh");
        watcher.args(["-c", WATCHER]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut group = match (watcher.process_group(0).spawn()?, command.process_group(0).spawn()) {
            (watcher, Ok(child)) => Self { child, watcher },
            (mut watcher, Err(error)) => {
                drop(watcher.stdin.take());
                return watcher.wait().and(Err(error));
            }
        };
        if let Some(input) = &mut group.watcher.stdin {
            let id = group.child.id();
            writeln!(input, "{id}").inspect_err(|_| drop(group.child.kill()))?;
        }
        Ok(group)
    }

    /// Without process groups: ends the command itself, not what it started.
    #[cfg(not(unix))]
    pub(crate) fn spawn(command: &mut Command) -> io::Result<Self> {
        Ok(Self { child: command.spawn()? })
    }

    /// The command's process.
    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Waits until the command ends by itself, but no longer than until `deadline`.
    pub(crate) fn wait(&mut self, deadline: Instant) -> io::Result<End> {
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(End::Exited(status));
            }
            if Instant::now() >= deadline {
                return Ok(End::OutOfTime);
            }
            // The standard library has no wait for a child with an end to it.
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        #[cfg(unix)]
        drop(self.watcher.stdin.take());
        #[cfg(not(unix))]
        let _ = self.child.kill();
        // Nothing is left to do for what cannot be waited for.
        let _ = self.child.wait();
        #[cfg(unix)]
        let _ = self.watcher.wait();
    }
}

/// Asks first, since a test runner then ends its tests, which lead groups of their own; kills after 15 s.
#[cfg(unix)]
const WATCHER: &str = r#"
    trap '' HUP INT TERM
    read -r group && cat
    kill -s TERM -- "-$group" || exit 0
    for second in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
        sleep 1
        kill -s 0 -- "-$group" || exit 0
    done
    kill -s KILL -- "-$group"
"#;

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn what_a_command_leaves_behind_ends_with_it() {
        // The orphan holds the pipe open: reading to its end shows that it has ended.
        let (mut reader, writer) = io::pipe().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 1000 &"]).stdout(writer);
        let end = run(&mut command, Instant::now() + Duration::from_secs(600)).unwrap();
        drop(command);
        assert!(matches!(end, End::Exited(status) if status.success()), "{end:?}");
        assert_eq!(io::Read::read(&mut reader, &mut [0]).unwrap(), 0);
    }
}
