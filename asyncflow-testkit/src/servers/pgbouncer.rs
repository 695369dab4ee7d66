//! PgBouncer.

use std::{fs, net::SocketAddr, path::Path, process::Command};

use super::{
    ServerError,
    kind::{Kind, program},
    postgres::as_its_user,
};

pub(super) fn command(folder: &Path, port: u16, before: SocketAddr) -> Result<Command, ServerError> {
    let config = folder.join("pgbouncer.ini");
    let (host, at) = (before.ip(), before.port());
    let settings = format!(
        "[databases]\n* = host={host} port={at} user=postgres\n\
         [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n\
         pool_mode = transaction\ndefault_pool_size = 10\nmax_client_conn = 1000\n"
    );
    fs::write(&config, settings).map_err(|error| ServerError(format!("{}: {error}", config.display())))?;
    let mut command = as_its_user(&program(Kind::PgBouncer(before), &["pgbouncer"], &["/usr/sbin".into()])?)?;
    command.arg(config);
    Ok(command)
}
