//! Postgres.

use std::{
    io::{self, Read, Write},
    net::SocketAddr,
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{
    ServerError,
    kind::{Kind, program},
    place::connect,
};

/// Makes its files, and where we are root gives the folder to the user that it runs as.
pub(super) fn prepare(folder: &Path) -> Result<(), ServerError> {
    if let Some(user) = user()? {
        chown(folder, Some(user), Some(user))
            .map_err(|error| ServerError(format!("cannot give {} to postgres: {error}", folder.display())))?;
    }
    let mut command = postgres("initdb")?;
    command.arg("-D").arg(data(folder));
    command.args(["-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]);
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| ServerError(format!("initdb cannot be started: {error}")))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(ServerError(format!("initdb failed: {}", String::from_utf8_lossy(&output.stderr).trim()))),
    }
}

pub(super) fn command(folder: &Path, port: u16) -> Result<Command, ServerError> {
    let mut command = postgres("postgres")?;
    command.arg("-D").arg(data(folder)).args(["-p", &port.to_string()]);
    for setting in ["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=on", "max_connections=400"] {
        command.args(["-c", setting]);
    }
    Ok(command)
}

/// Ready to be asked: it takes connections sooner.
pub(super) fn is_ready(address: SocketAddr) -> io::Result<bool> {
    const START: &[u8] = b"\0\x03\0\0user\0postgres\0database\0postgres\0\0";
    let mut stream = connect(address)?;
    stream.write_all(&[&(START.len() as u32 + 4).to_be_bytes(), START].concat())?;
    loop {
        let mut head = [0; 5];
        stream.read_exact(&mut head)?;
        let [kind, length @ ..] = head;
        match kind {
            b'Z' => return Ok(true),
            b'E' => return Ok(false),
            _ => {
                io::copy(&mut (&stream).take(u64::from(u32::from_be_bytes(length)).saturating_sub(4)), &mut io::sink())?
            }
        };
    }
}

fn data(folder: &Path) -> PathBuf {
    folder.join("data")
}

/// One of its programs. Debian keeps them where no `PATH` leads.
fn postgres(name: &str) -> Result<Command, ServerError> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<_> = versions.map(|version| version.path().join("bin")).collect();
    versions.sort_by_key(|bin| {
        let version = bin.parent().and_then(Path::file_name).and_then(|name| name.to_str()?.parse::<u32>().ok());
        std::cmp::Reverse(version)
    });
    as_its_user(&program(Kind::Postgres, &[name], &versions)?)
}

/// A program that refuses to run as root.
pub(super) fn as_its_user(program: &Path) -> Result<Command, ServerError> {
    let mut command = Command::new(program);
    if let Some(user) = user()? {
        command.uid(user).gid(user);
    }
    // Wherever we are, that user may not be.
    command.current_dir("/");
    Ok(command)
}

/// Who it runs as, if that is not who we are.
fn user() -> Result<Option<u32>, ServerError> {
    let id = |of: &[&str]| {
        let output = Command::new("id").arg("-u").args(of).output().ok()?;
        String::from_utf8_lossy(&output.stdout).trim().parse::<u32>().ok()
    };
    if id(&[]) != Some(0) {
        return Ok(None);
    }
    let none = || {
        ServerError(
            "Postgres refuses to run as root, and there is no user `postgres`: Debian's package makes one".into(),
        )
    };
    id(&["postgres"]).map(Some).ok_or_else(none)
}
