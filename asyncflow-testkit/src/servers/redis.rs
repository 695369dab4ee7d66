//! Redis.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::Command,
};

use super::{
    ServerError,
    kind::{Kind, program},
    place::connect,
};

pub(super) fn command(folder: &Path, port: u16) -> Result<Command, ServerError> {
    let mut command = Command::new(program(Kind::Redis, &["redis-server", "valkey-server"], &[])?);
    command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--dir"]).arg(folder);
    command.args(["--save", "", "--appendonly", "yes", "--appendfsync", "always"]);
    Ok(command)
}

/// `-LOADING` until it knows again what it had stored.
pub(super) fn is_ready(address: SocketAddr) -> io::Result<bool> {
    let mut stream: TcpStream = connect(address)?;
    stream.write_all(b"PING\r\n")?;
    let mut answer = [0; 5];
    stream.read_exact(&mut answer)?;
    // Who asks for a password answers as well.
    Ok(matches!(&answer, b"+PONG" | b"-NOAU"))
}
