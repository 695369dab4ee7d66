//! A proxy does to bytes what it is told to.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{net::SocketAddr, time::Duration};

use asyncflow_testkit::proxy::{Mode, Proxy};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{TcpListener, TcpStream},
    time::{Instant, sleep, timeout},
};

/// A server that sends back what it is sent.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut reader, mut writer) = stream.split();
                let _ = copy(&mut reader, &mut writer).await;
            });
        }
    });
    address
}

async fn there_and_back(stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    stream.write_all(bytes).await?;
    let mut back = vec![0; bytes.len()];
    stream.read_exact(&mut back).await?;
    assert_eq!(back, bytes);
    Ok(())
}

async fn start() -> (Proxy, TcpStream) {
    let proxy = Proxy::start(echo().await).await.unwrap();
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    there_and_back(&mut stream, &[7; 100_000]).await.unwrap();
    (proxy, stream)
}

#[tokio::test]
async fn what_is_delayed_comes_later() {
    let (proxy, mut stream) = start().await;
    proxy.set(Mode::Delay(Duration::from_millis(20)));
    let started = Instant::now();
    there_and_back(&mut stream, b"hello").await.unwrap();
    assert!(started.elapsed() >= Duration::from_millis(40));
}

#[tokio::test]
async fn what_stalls_arrives_in_the_end() {
    let (proxy, mut stream) = start().await;
    proxy.set(Mode::Stall);
    stream.write_all(b"hello").await.unwrap();
    let mut other = TcpStream::connect(proxy.address()).await.unwrap();
    other.write_all(b"hello").await.unwrap();
    for stream in [&mut stream, &mut other] {
        assert!(timeout(Duration::from_millis(50), stream.read_u8()).await.is_err());
    }
    proxy.set(Mode::Pass);
    for stream in [&mut stream, &mut other] {
        let mut back = [0; 5];
        stream.read_exact(&mut back).await.unwrap();
        assert_eq!(&back, b"hello");
    }
}

#[tokio::test]
async fn a_cut_breaks_what_is_open_and_a_refusal_what_is_new() {
    let (proxy, mut stream) = start().await;
    proxy.cut();
    assert!(there_and_back(&mut stream, b"hello").await.is_err());
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    there_and_back(&mut stream, b"hello").await.unwrap();
    proxy.set(Mode::Refuse);
    there_and_back(&mut stream, b"hello").await.unwrap();
    let mut other = TcpStream::connect(proxy.address()).await.unwrap();
    assert!(there_and_back(&mut other, b"hello").await.is_err());
    let address = proxy.address();
    drop(proxy);
    assert!(there_and_back(&mut stream, b"hello").await.is_err());
    while TcpStream::connect(address).await.is_ok() {
        // Its end is seen by asking alone.
        sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_flapping_way_breaks_again_and_again() {
    let (proxy, mut stream) = start().await;
    proxy.set(Mode::Flap { seed: 1, bytes: 1000 });
    let mut messages = 0;
    while proxy.cuts() < 20 {
        match there_and_back(&mut stream, b"hello").await {
            Ok(()) => messages += 1,
            Err(_) => stream = TcpStream::connect(proxy.address()).await.unwrap(),
        }
    }
    // Each takes ten bytes.
    assert!((20 * 50..20 * 150).contains(&messages), "{messages}");
}
