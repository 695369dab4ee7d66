//! The same keys, written as one would by hand who needs nothing else.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use asyncflow_testkit::servers::{Server, unique_name};
use redis::{Client, aio::MultiplexedConnection, cmd};
use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot},
};

use crate::{MANY, Meter, Rate, together};

/// As many bytes as a record of the store has.
const RECORD: usize = 141;

enum Ask {
    Start(u64, oneshot::Sender<()>),
    Finish(u64, oneshot::Sender<()>),
}

/// A task that sends what has gathered while the last batch was on its way.
pub(crate) fn lives(server: &Server, meter: Meter, callers: usize) -> impl FnMut() -> Rate + use<> {
    let (asks, queue) = mpsc::channel(MANY);
    let client = Client::open(server.url()).unwrap();
    let connection = Handle::current().block_on(client.get_multiplexed_async_connection()).unwrap();
    tokio::spawn(drive(connection, queue));
    let made = Arc::new(AtomicU64::new(1));
    move || together(&meter, callers, (asks.clone(), made.clone()), life)
}

async fn life((asks, made): (mpsc::Sender<Ask>, Arc<AtomicU64>)) {
    let id = made.fetch_add(1, Ordering::Relaxed);
    let (reply, answer) = oneshot::channel();
    asks.send(Ask::Start(id, reply)).await.unwrap();
    answer.await.unwrap();
    let (reply, answer) = oneshot::channel();
    asks.send(Ask::Finish(id, reply)).await.unwrap();
    answer.await.unwrap();
}

async fn drive(mut connection: MultiplexedConnection, mut queue: mpsc::Receiver<Ask>) {
    let base = format!("{{{}:f}}", unique_name());
    let load = cmd("SCRIPT").arg("LOAD").arg(include_str!("by_hand.lua")).query_async::<String>(&mut connection).await;
    let script = load.unwrap();
    while let Some(first) = queue.recv().await {
        let (mut starts, mut finishes) = (Vec::new(), Vec::new());
        let mut next = Some(first);
        while let Some(ask) = next.take() {
            match ask {
                Ask::Start(id, reply) => starts.push((id, reply)),
                Ask::Finish(id, reply) => finishes.push((id, reply)),
            }
            next = queue.try_recv().ok();
        }
        let mut call = cmd("EVALSHA");
        call.arg(&script).arg(1).arg(&base).arg(starts.len());
        for (id, _) in starts.iter().chain(&finishes) {
            let id = u128::from(*id).to_be_bytes();
            let mut record = [0; RECORD];
            record[60..76].copy_from_slice(&id);
            call.arg(&id[..]).arg(&id[..]).arg(&record[..]).arg(&[b'1'; 101][..]);
        }
        let answers: Vec<Vec<u8>> = call.query_async(&mut connection).await.unwrap();
        assert_eq!(answers.len(), starts.len() + finishes.len());
        for (_, reply) in starts.into_iter().chain(finishes) {
            let _ = reply.send(());
        }
    }
}
