//! Where a server lives: its folder, its port, and who sees to its end if we cannot.

use std::{
    env, fs,
    fs::File,
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::Stdio,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use super::{
    Kind, ServerError,
    process::{Process, Watcher},
    random, unique_name,
};

/// How long a server may take until it answers.
const PATIENCE: Duration = Duration::from_secs(60);
/// Ports that systems do not give to outgoing connections.
const PORTS: std::ops::Range<u16> = 15_000..32_000;

#[derive(Debug)]
pub(super) struct Place {
    pub(super) address: SocketAddr,
    folder: PathBuf,
    watcher: Arc<Watcher>,
}

impl Place {
    pub(super) fn new(kind: Kind) -> Result<Self, ServerError> {
        let folder = env::temp_dir().join(format!("asyncflow-{}-{}", kind.name(), unique_name()));
        let failed = |error: io::Error| ServerError(format!("cannot make {}: {error}", folder.display()));
        fs::create_dir(&folder).map_err(failed)?;
        // From now on it is removed, whatever happens.
        let watcher = Arc::new(Watcher::start(&folder)?);
        let place = Self { address: free_address()?, folder, watcher };
        kind.prepare(&place.folder)?;
        Ok(place)
    }

    /// Starts its server, and waits until it answers.
    pub(super) fn start(&self, kind: Kind, options: &[String]) -> Result<Process, ServerError> {
        let mut command = kind.command(&self.folder, self.address.port())?;
        let program = command.get_program().to_string_lossy().into_owned();
        let failed = |error: io::Error| ServerError(format!("{program} cannot be started: {error}"));
        let log = self.folder.join("log");
        let write = File::options().create(true).append(true).open(&log).map_err(failed)?;
        command.args(options).stdin(Stdio::null()).stdout(write.try_clone().map_err(failed)?).stderr(write);
        let mut process = Process::start(&mut command, &self.watcher).map_err(failed)?;

        let end = Instant::now() + PATIENCE;
        let why = loop {
            if let Some(status) = process.ended() {
                break format!("ended ({status})");
            } else if kind.is_ready(self.address) {
                return Ok(process);
            } else if Instant::now() > end {
                break format!("does not answer after {PATIENCE:?}");
            }
            // It says to nobody when it can be asked.
            thread::sleep(Duration::from_millis(10));
        };
        let log = fs::read_to_string(log).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        Err(ServerError(format!("{program} {why}; it said: {}", lines[lines.len().saturating_sub(5)..].join(" / "))))
    }
}

/// A connection that does not wait for long.
pub(super) fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    Ok(stream)
}

fn free_address() -> Result<SocketAddr, ServerError> {
    let at_random = std::iter::repeat_with(|| {
        let port = PORTS.start + random(u32::from(PORTS.end - PORTS.start)) as u16;
        SocketAddr::from((Ipv4Addr::LOCALHOST, port))
    });
    let free = at_random.take(1000).find(|address| TcpListener::bind(address).is_ok());
    free.ok_or_else(|| ServerError(format!("no port of {PORTS:?} is free")))
}
