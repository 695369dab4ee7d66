//! Private servers: what they stored outlives them, and they do not outlive the test.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    process::{Command, Stdio},
    time::Duration,
};

use asyncflow_testkit::servers::{Kind, Server, shared, unique_name};

fn ask(address: SocketAddr, command: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(format!("{command}\r\nQUIT\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn is_there(address: SocketAddr) -> bool {
    TcpStream::connect(address).is_ok()
}

#[tokio::test]
async fn what_redis_stored_is_there_after_a_kill() {
    let mut server = Server::start_with(Kind::Redis, &["--maxmemory", "64mb"]).await.unwrap();
    let address = server.address();
    assert_eq!(ask(address, "SET key value"), "+OK\r\n+OK\r\n");
    server.kill().await;
    assert!(!is_there(address));
    server.restart().await.unwrap();
    assert_eq!(server.url(), format!("redis://{address}/"));
    assert_eq!(ask(address, "GET key"), "$5\r\nvalue\r\n+OK\r\n");
    assert!(ask(address, "CONFIG GET maxmemory").contains("67108864"));
    // One that runs is ended before.
    server.restart().await.unwrap();
    assert_eq!(ask(address, "GET key"), "$5\r\nvalue\r\n+OK\r\n");
    drop(server);
    assert!(!is_there(address));
}

#[tokio::test]
async fn postgres_comes_back_after_kills() {
    let mut server = Server::start(Kind::Postgres).await.unwrap();
    for _ in 0..2 {
        server.kill().await;
        assert!(!is_there(server.address()));
        server.restart().await.unwrap();
        assert!(is_there(server.address()));
    }
}

#[tokio::test]
async fn an_option_that_is_none_is_told() {
    let error = Server::start_with(Kind::Redis, &["--appendonly", "perhaps"]).await.unwrap_err().to_string();
    assert!(error.contains("redis-server ended (exit status: 1)") && error.contains("appendonly"), "{error}");
}

#[tokio::test]
async fn tests_share_one() {
    let first = shared(Kind::Redis).await.unwrap();
    assert_eq!(shared(Kind::Redis).await.unwrap(), first);
    assert_ne!(unique_name(), unique_name());
}

#[tokio::test]
#[ignore = "the test below runs it, as the process that it kills"]
async fn child() {
    let server = Server::start(Kind::Postgres).await.unwrap();
    println!("\nlistens on {}", server.address());
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn none_outlives_who_started_it() {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--ignored", "--nocapture"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let address = lines.find_map(|line| line.strip_prefix("listens on ")?.parse().ok()).unwrap();
    assert!(is_there(address));
    child.kill().unwrap();
    child.wait().unwrap();
    let mut tries = 0;
    while is_there(address) {
        tries += 1;
        assert!(tries < 600, "it is still there");
        // Who ends it is another process, of which nothing is heard.
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
