//! One connection, on which one request at a time is on its way.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    time::Instant,
};

use bench_load::Failed;

use crate::{Args, answer::Answer, epoll::Epoll};

pub(crate) struct Conn {
    socket: TcpStream,
    received: Vec<u8>,
    request: Vec<u8>,
    /// When the request was sent.
    pub(crate) sent: Instant,
}

impl Conn {
    pub(crate) fn open(addr: &str, epoll: &Epoll, name: usize) -> io::Result<Self> {
        let socket = TcpStream::connect(addr)?;
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;
        epoll.add(&socket, name)?;
        Ok(Self { socket, received: Vec::new(), request: Vec::new(), sent: Instant::now() })
    }

    /// Posts the job of this number.
    pub(crate) fn post(&mut self, args: &Args, number: u64) -> io::Result<()> {
        let (addr, length) = (&args.addr, args.body);
        self.request.clear();
        write!(
            self.request,
            "POST /echo HTTP/1.1\r\nhost: {addr}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
        )?;
        let head = format!("{{\"n\":{},\"pad\":\"", mark(number));
        let pad = length.saturating_sub(head.len() + 2);
        write!(self.request, "{head}{:x<pad$}\"}}", "")?;
        self.send()
    }

    /// Gets this path, with these lines of headers.
    pub(crate) fn get(&mut self, args: &Args, path: &str, headers: &str) -> io::Result<()> {
        self.request.clear();
        write!(self.request, "GET {path} HTTP/1.1\r\nhost: {}\r\n{headers}\r\n", args.addr)?;
        self.send()
    }

    fn send(&mut self) -> io::Result<()> {
        self.received.clear();
        self.sent = Instant::now();
        let mut left = &self.request[..];
        while !left.is_empty() {
            match self.socket.write(left) {
                Ok(written) => left = &left[written..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::thread::yield_now(),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The answer, once it is all there.
    pub(crate) fn answer(&mut self) -> Result<Option<Answer<'_>>, Failed> {
        let mut chunk = [0; 4096];
        loop {
            match self.socket.read(&mut chunk) {
                Ok(0) => return Err("the server closed a connection".into()),
                Ok(read) => {
                    self.received.extend_from_slice(&chunk[..read]);
                    if read < chunk.len() {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Answer::parse(&self.received))
    }
}

/// What tells the job of this number from all others.
pub(crate) fn mark(number: u64) -> u64 {
    1_000_000_000 + number
}
