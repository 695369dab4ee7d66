//! Connecting to a server: what cannot be used is said clearly, and no password is shown.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::time::Duration;

use asyncflow_core::store::{Batch, Store, StoreError};
use asyncflow_redis::RedisStore;
use asyncflow_testkit::{
    servers::{Kind, Server, shared, unique_name},
    store::{START, Subject},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

const SECRET: &str = "s3cr3t-w0rd";

fn unusable(error: &StoreError, says: &str) {
    assert!(matches!(error, StoreError::Unusable(_)), "{error}");
    let text = format!("{error} {error:?}");
    assert!(text.contains(says) && !text.contains(SECRET), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_password_is_ever_shown() {
    let server = Server::start_with(Kind::Redis, &["--requirepass", SECRET]).await.unwrap();
    let address = server.address();
    let with = |user: &str, password: &str| RedisStore::connect(format!("redis://{user}:{password}@{address}"));
    unusable(&RedisStore::connect(server.url()).await.unwrap_err(), "does not let this user in");
    unusable(&with("", &SECRET.to_uppercase()).await.unwrap_err(), "see to the user and the password");
    unusable(&with(SECRET, SECRET).await.unwrap_err(), "does not let this user in");
    let store = with("", SECRET).await.unwrap();
    store.check().await.unwrap();
    let shown = format!("{store:?}");
    assert!(shown.contains(&address.to_string()) && !shown.contains(SECRET), "{shown}");
    let builder = RedisStore::builder(format!("redis://:{SECRET}@{address}"));
    assert!(!format!("{builder:?}").contains(SECRET));
    drop(server);
    let error = store.check().await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)) && !error.to_string().contains(SECRET), "{error}");
    for url in [
        format!("redis//{SECRET}"),
        format!("postgres://u:{SECRET}@host"),
        format!("redis://:{SECRET}@:99999999"),
        format!("rediss://:{SECRET}@{address}"),
        SECRET.to_owned(),
    ] {
        let error = RedisStore::builder(url).patience(Duration::ZERO).connect().await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains(SECRET), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_full_is_not_said_to_refuse_the_password() {
    let server = Server::start_with(Kind::Redis, &["--requirepass", SECRET, "--maxclients", "2"]).await.unwrap();
    let mut held = Vec::new();
    for _ in 0..2 {
        held.push(tokio::net::TcpStream::connect(server.address()).await.unwrap());
    }
    let url = format!("redis://:{SECRET}@{}", server.address());
    let error = RedisStore::builder(&*url).patience(Duration::ZERO).connect().await.unwrap_err();
    // Why, its answer may not say before the connection is closed.
    assert!(matches!(&error, StoreError::Unavailable(_)), "{error}");
}

/// A user that may do what the store needs, on its own keys alone, and may not ask for settings.
#[tokio::test(flavor = "multi_thread")]
async fn a_user_of_few_rights_is_enough() {
    let server = Server::start(Kind::Redis).await.unwrap();
    let admin = redis::Client::open(server.url()).unwrap();
    let mut admin = admin.get_multiplexed_async_connection().await.unwrap();
    let rights =
        ["on", ">word", "resetkeys", "~asyncflow:*", "~{asyncflow:*", "resetchannels", "&asyncflow:*", "-@all"];
    let commands = ["+@read", "+@write", "+@scripting", "+@pubsub", "+@connection", "+time"];
    let mut set = redis::cmd("ACL");
    set.arg("SETUSER").arg("jobs").arg(&rights[..]).arg(&commands[..]);
    set.exec_async(&mut admin).await.unwrap();
    let store = RedisStore::connect(format!("redis://jobs:word@{}", server.address())).await.unwrap();
    let subject = Subject::new(std::sync::Arc::new(store), std::sync::Arc::new(asyncflow_core::ManualClock::at(START)));
    subject.store.check().await.unwrap();
    let batch = Batch { inserts: vec![subject.job()], ..Batch::default() };
    subject.store.write(&batch).await.unwrap();
    assert_eq!(subject.take(9).await.len(), 1);
    assert!(subject.store.due(9).await.unwrap().records.is_empty());
    // It hears too.
    let hints = subject.store.hints();
    hints.want_jobs(true);
    loop {
        subject.store.write(&Batch { inserts: vec![subject.job()], ..Batch::default() }).await.unwrap();
        if tokio::time::timeout(Duration::from_millis(100), hints.next()).await.is_ok() {
            break;
        }
    }
    // Elsewhere it may not.
    let elsewhere = RedisStore::builder(format!("redis://jobs:word@{}", server.address())).prefix("other");
    let store = elsewhere.connect().await.unwrap();
    unusable(&store.write(&batch).await.unwrap_err(), "does not let this user do what is needed");
}

#[tokio::test]
async fn what_cannot_be_used_is_said() {
    let url = shared(Kind::Redis).await.unwrap();
    for prefix in ["", "a{b", "}"] {
        unusable(&RedisStore::builder(url).prefix(prefix).connect().await.unwrap_err(), "prefix");
    }
    // Nobody listens.
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let nobody = RedisStore::builder(format!("redis://{free}")).patience(Duration::ZERO);
    let error = nobody.connect().await.unwrap_err();
    assert!(matches!(&error, StoreError::Unavailable(why) if why.contains(&free.to_string())), "{error}");
}

#[test]
fn without_a_runtime_it_says_so() {
    let mut connecting = std::pin::pin!(RedisStore::connect("redis://localhost"));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match connecting.as_mut().poll(&mut context) {
        std::task::Poll::Ready(Err(error)) => unusable(&error, "no tokio runtime"),
        other => panic!("{other:?}"),
    }
}

/// One that answers as a server of that age does.
#[tokio::test]
async fn an_old_server_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut asked = vec![0; 4096];
                while let Ok(1..) = stream.read(&mut asked).await {
                    let text = String::from_utf8_lossy(&asked).into_owned();
                    for _ in 0..text.matches("CLIENT").count() {
                        stream.write_all(b"+OK\r\n").await.unwrap();
                    }
                    if text.contains("INFO") {
                        let info = "redis_version:6.0.16\r\n";
                        let answer = format!("${}\r\n{info}\r\n$0\r\n\r\n*0\r\n*0\r\n", info.len());
                        stream.write_all(answer.as_bytes()).await.unwrap();
                    }
                    asked.fill(0);
                }
            });
        }
    });
    let error = RedisStore::builder(format!("redis://{address}")).prefix(unique_name()).connect().await.unwrap_err();
    unusable(&error, "of version 6.0: 6.2 is the oldest");
}
