//! The demo with its jobs in servers that it reaches by TLS: where their certificate is trusted, and where it is not.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]
#![cfg(unix)]

mod common;

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use asyncflow_testkit::servers::{Kind, Server};
use common::process::{Demo, command, run};
use serde_json::json;
use tempfile::TempDir;

/// A certificate that signs itself, and its key, in files that the servers can read.
struct Identity {
    folder: TempDir,
}

impl Identity {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let identity = Self { folder };
        let own = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        fs::write(identity.certificate(), own.cert.pem()).unwrap();
        fs::write(identity.key(), own.signing_key.serialize_pem()).unwrap();
        identity
    }

    fn certificate(&self) -> PathBuf {
        self.folder.path().join("certificate.pem")
    }

    fn key(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }

    /// Gives the key to this user, if we are another: Postgres takes none that others can read.
    fn give_to(&self, user: &str) {
        fs::set_permissions(self.key(), fs::Permissions::from_mode(0o600)).unwrap();
        let root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
        assert!(!root || Command::new("chown").arg(user).arg(self.key()).status().unwrap().success());
    }
}

fn demo(store: &str, trusted: &Path) -> Command {
    let mut command = command(&["--store", store, "--addr", "127.0.0.1:0"]);
    command.env("SSL_CERT_FILE", trusted).env_remove("SSL_CERT_DIR");
    command
}

async fn is_reached_if_it_is_trusted(store: &str, identity: &Identity) {
    let trusting = Demo::spawn(&mut demo(store, &identity.certificate()));
    let mut client = trusting.client().await;
    let job = client.submit("/echo", "[1]").await;
    assert_eq!(client.result(&job).await, json!([1]));

    let stranger = Identity::new();
    let output = run(&mut demo(store, &stranger.certificate()));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && error.to_lowercase().contains("certificate"), "{error}");
    assert!(!error.contains("tried again"), "no later try will see another certificate: {error}");
}

#[tokio::test]
async fn a_redis_server() {
    let identity = Identity::new();
    let port = (20_000..30_000).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap();
    let (certificate, key, port) =
        (identity.certificate().display().to_string(), identity.key().display().to_string(), port.to_string());
    let options =
        ["--tls-port", &port, "--tls-auth-clients", "no", "--tls-cert-file", &certificate, "--tls-key-file", &key];
    let server = Server::start_with(Kind::Redis, &options).await.unwrap();
    is_reached_if_it_is_trusted(&format!("rediss://127.0.0.1:{port}"), &identity).await;
    drop(server);
}

#[tokio::test]
async fn a_postgres_server() {
    let identity = Identity::new();
    identity.give_to("postgres");
    let certificate = format!("ssl_cert_file={}", identity.certificate().display());
    let key = format!("ssl_key_file={}", identity.key().display());
    let server = Server::start_with(Kind::Postgres, &["-c", "ssl=on", "-c", &certificate, "-c", &key]).await.unwrap();
    is_reached_if_it_is_trusted(&format!("{}?sslmode=require", server.url()), &identity).await;
}
