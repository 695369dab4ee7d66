//! The log: to stderr, by a thread of its own, so that no job waits for whoever reads it, or does not.

use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use tracing_subscriber::{
    EnvFilter,
    filter::{FromEnvError, LevelFilter},
};

/// Lines that may wait to be written; what comes then is lost, and counted.
const WAITING: usize = 8192;
/// How long the end of the process waits for the last lines.
const PATIENCE: Duration = Duration::from_secs(1);

/// Where lines go.
#[derive(Clone)]
pub(crate) struct Log {
    sender: SyncSender<Entry>,
    lost: Arc<AtomicUsize>,
}

enum Entry {
    Line(Vec<u8>),
    Written(SyncSender<()>),
}

/// Logs whatever `RUST_LOG` asks for, and panics; what is off costs nothing.
pub(crate) fn start() -> Result<Log, FromEnvError> {
    let filter = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).from_env()?;
    let (sender, entries) = sync_channel(WAITING);
    let log = Log { sender, lost: Arc::default() };
    let (writer, lost) = (log.clone(), log.lost.clone());
    thread::spawn(move || write(&entries, &lost));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(move || writer.clone()).init();
    std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
    Ok(log)
}

fn write(entries: &Receiver<Entry>, lost: &AtomicUsize) {
    let mut stderr = io::stderr();
    // Nobody is left to be told of a stderr that is closed.
    for entry in entries {
        match entry {
            Entry::Line(line) => drop(stderr.write_all(&line)),
            Entry::Written(waiter) => drop(waiter.try_send(())),
        }
        match lost.swap(0, Ordering::Relaxed) {
            0 => {}
            lost => drop(writeln!(stderr, "{lost} lines of the log are lost: it is read too slowly")),
        }
    }
}

impl Log {
    /// Waits until what was logged so far is written, but not for long.
    pub(crate) fn written(&self) {
        let (waiter, written) = sync_channel(1);
        if self.sender.try_send(Entry::Written(waiter)).is_ok() {
            let _ = written.recv_timeout(PATIENCE);
        }
    }
}

impl Write for Log {
    /// Takes a whole event at once.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.sender.try_send(Entry::Line(line.to_vec())).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
