//! A way to a server that can be spoiled: a TCP proxy on loopback which delays, stalls, cuts or refuses when it is told to.
//!
//! ```no_run
//! # async fn test(server: std::net::SocketAddr) -> std::io::Result<()> {
//! use asyncflow_testkit::proxy::{Mode, Proxy};
//!
//! let proxy = Proxy::start(server).await?;
//! let url = format!("redis://{}/", proxy.address());
//! // A store connects to this URL, and is used while:
//! proxy.set(Mode::Stall); // nothing arrives any more, and nobody is told
//! proxy.set(Mode::Pass); // all arrives that was on its way
//! proxy.cut(); // all connections break
//! # Ok(())
//! # }
//! ```

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
    time::sleep,
};

/// Bytes that are on their way at once, in each direction of a connection.
const CHUNK: usize = 16 * 1024;

/// What becomes of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {
    /// They pass.
    Pass,
    /// Each chunk of at most 16 KiB waits so long before it is passed on.
    Delay(Duration),
    /// They stop, in both directions, while connections stay open and can be opened.
    Stall,
    /// New connections are closed at once; those that are open pass.
    Refuse,
    /// They pass, but all connections are cut after so many bytes, drawn each time anew between 1 and twice `bytes`, wherever in a message
    /// that is.
    Flap {
        /// What is drawn from.
        seed: u64,
        /// How many bytes on average.
        bytes: usize,
    },
}

/// A proxy. Dropped, it is gone with all its connections.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    state: Arc<State>,
    acceptor: JoinHandle<()>,
}

#[derive(Debug)]
struct State {
    mode: watch::Sender<Mode>,
    /// Cuts so far.
    cuts: watch::Sender<u64>,
    flap: Mutex<Option<Flap>>,
}

#[derive(Debug)]
struct Flap {
    dice: StdRng,
    bytes: usize,
    left: usize,
}

impl Proxy {
    /// Starts a proxy that passes bytes to and from this address, which nobody needs to listen at yet. It lives in the runtime of the caller.
    ///
    /// # Errors
    ///
    /// Where no port of loopback is free.
    pub async fn start(upstream: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (mode, cuts) = (watch::Sender::new(Mode::Pass), watch::Sender::new(0));
        let state = Arc::new(State { mode, cuts, flap: Mutex::default() });
        let acceptor = tokio::spawn(accept(listener, upstream, state.clone()));
        Ok(Self { address, state, acceptor })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What becomes of all bytes from now on, those included that wait.
    pub fn set(&self, mode: Mode) {
        let flap = match mode {
            Mode::Flap { seed, bytes } => Some(Flap::new(seed, bytes)),
            _ => None,
        };
        *self.state.flap.lock().unwrap_or_else(PoisonError::into_inner) = flap;
        self.state.mode.send_replace(mode);
    }

    /// Cuts all connections that are open; what is on its way is lost.
    pub fn cut(&self) {
        self.state.cut();
    }

    /// How often all connections were cut so far.
    pub fn cuts(&self) -> u64 {
        *self.state.cuts.borrow()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.acceptor.abort();
        self.cut();
    }
}

impl State {
    fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// How many of these bytes pass before all connections are cut.
    fn pass(&self, bytes: usize) -> usize {
        match &mut *self.flap.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(flap) => flap.pass(bytes),
            None => bytes,
        }
    }
}

impl Flap {
    fn new(seed: u64, bytes: usize) -> Self {
        let mut flap = Self { dice: StdRng::seed_from_u64(seed), bytes: bytes.max(1), left: 0 };
        flap.draw();
        flap
    }

    fn draw(&mut self) {
        self.left = self.dice.random_range(1..=self.bytes.saturating_mul(2));
    }

    fn pass(&mut self, bytes: usize) -> usize {
        if bytes < self.left {
            self.left -= bytes;
            return bytes;
        }
        let passed = self.left - 1;
        self.draw();
        passed
    }
}

async fn accept(listener: TcpListener, upstream: SocketAddr, state: Arc<State>) {
    loop {
        // What cannot be accepted was closed meanwhile.
        let Ok((client, _)) = listener.accept().await else { continue };
        if *state.mode.borrow() != Mode::Refuse {
            tokio::spawn(carry(client, upstream, state.clone()));
        }
    }
}

/// Carries bytes until one side closes, or all connections are cut.
async fn carry(mut client: TcpStream, upstream: SocketAddr, state: Arc<State>) {
    let mut cuts = state.cuts.subscribe();
    let both = async {
        let mut server = TcpStream::connect(upstream).await?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let ((from_client, to_client), (from_server, to_server)) = (client.split(), server.split());
        tokio::select! {
            ended = pump(from_client, to_server, &state) => ended,
            ended = pump(from_server, to_client, &state) => ended,
        }
    };
    tokio::select! {
        _ = both => {}
        _ = cuts.changed() => {}
    }
}

async fn pump(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, state: &State) -> io::Result<()> {
    let mut mode = state.mode.subscribe();
    let mut chunk = vec![0; CHUNK];
    loop {
        let bytes = from.read(&mut chunk).await?;
        if bytes == 0 {
            return Ok(());
        }
        let now = *mode.borrow_and_update();
        if let Mode::Delay(delay) = now {
            sleep(delay).await;
        }
        // Gone with the proxy, it stays as it was.
        let _ = mode.wait_for(|mode| *mode != Mode::Stall).await;
        let passed = state.pass(bytes);
        to.write_all(&chunk[..passed]).await?;
        if passed < bytes {
            state.cut();
        }
    }
}
