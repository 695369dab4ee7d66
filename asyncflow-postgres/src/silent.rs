//! A server for tests that lets everybody in, and answers next to nothing.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
};
use tokio_postgres::Config;

/// What a cancel says in the place of a version.
const CANCEL: i32 = 80_877_102;

pub(crate) struct Silent {
    answers: usize,
    let_in: AtomicUsize,
    pub(crate) asked: Notify,
}

impl Silent {
    /// It answers so many statements on each connection, with nothing.
    pub(crate) async fn start(answers: usize) -> (Arc<Self>, Config) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("postgres://user@{}/database?sslmode=disable", listener.local_addr().unwrap());
        let silent = Arc::new(Self { answers, let_in: AtomicUsize::new(0), asked: Notify::new() });
        tokio::spawn(silent.clone().serve(listener));
        (silent, url.parse().unwrap())
    }

    /// How many it let in.
    pub(crate) fn let_in(&self) -> usize {
        self.let_in.load(Ordering::SeqCst)
    }

    async fn serve(self: Arc<Self>, listener: TcpListener) {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(self.clone().attend(stream));
        }
    }

    async fn attend(self: Arc<Self>, mut stream: TcpStream) -> std::io::Result<()> {
        let length = stream.read_i32().await?;
        if stream.read_i32().await? == CANCEL {
            return Ok(());
        }
        let mut rest = vec![0; usize::try_from(length - 8).unwrap()];
        stream.read_exact(&mut rest).await?;
        self.let_in.fetch_add(1, Ordering::SeqCst);
        // Authentication is over, a key to cancel with, ready.
        stream.write_all(b"R\0\0\0\x08\0\0\0\0K\0\0\0\x0c\0\0\0\x01\0\0\0\x01Z\0\0\0\x05I").await?;
        for asked in 1.. {
            if stream.read(&mut [0; 1024]).await? == 0 {
                break;
            }
            self.asked.notify_one();
            if asked <= self.answers {
                // An empty statement, ready.
                stream.write_all(b"I\0\0\0\x04Z\0\0\0\x05I").await?;
            }
        }
        Ok(())
    }
}
