//! A Redis and a Postgres for hand use, until this ends: prints what tells the tests of them.
//!
//! `cargo xtask servers`

use std::process::ExitCode;

#[cfg(unix)]
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    use asyncflow_testkit::servers::{Kind, Server};

    let mut servers = Vec::new();
    for kind in [Kind::Redis, Kind::Postgres] {
        match Server::start(kind).await {
            Ok(server) => {
                println!("export {}={}", kind.variable(), server.url());
                servers.push(server);
            }
            Err(error) => {
                eprintln!("error: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    std::future::pending().await
}

#[cfg(not(unix))]
fn main() -> ExitCode {
    eprintln!("error: servers are started on Unix alone");
    ExitCode::FAILURE
}
