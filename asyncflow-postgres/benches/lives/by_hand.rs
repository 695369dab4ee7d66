//! The same rows, written as one would by hand who needs nothing else: calls are gathered for a few connections, and each goes out as one
//! prepared statement.

use std::sync::Arc;

use asyncflow_postgres::PostgresStore;
use asyncflow_testkit::servers::unique_name;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio_postgres::{Client, Statement};
use uuid::Uuid;

use crate::{by_store, meter::connect};

const CONNECTIONS: usize = 3;
const MOST: usize = 256;

pub(crate) enum Ask {
    Start(Uuid),
    Finish(Uuid),
}

type Queue = mpsc::UnboundedSender<(Ask, oneshot::Sender<()>)>;

/// Connections that take turns at gathering.
pub(crate) async fn start(url: &str) -> Queue {
    let schema = unique_name();
    // Its tables are the store's.
    drop(PostgresStore::builder(url).schema(schema.clone()).listen(false).connect().await.unwrap());
    let (asks, queue) = mpsc::unbounded_channel();
    let queue = Arc::new(Mutex::new(queue));
    for _ in 0..CONNECTIONS {
        let client = connect(url).await;
        client.batch_execute("SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off").await.unwrap();
        let both = [prepare(&client, START, &schema).await, prepare(&client, FINISH, &schema).await];
        let queue = queue.clone();
        tokio::spawn(async move {
            loop {
                let mut gathered = Vec::new();
                {
                    let mut queue = queue.lock().await;
                    if queue.recv_many(&mut gathered, MOST).await == 0 {
                        return;
                    }
                    for _ in 0..3 {
                        tokio::task::yield_now().await;
                        while let Ok(ask) = queue.try_recv() {
                            gathered.push(ask);
                        }
                    }
                }
                send(&client, &both, &gathered).await;
                for (_, reply) in gathered {
                    let _ = reply.send(());
                }
            }
        });
    }
    asks
}

async fn prepare(client: &Client, sql: &str, schema: &str) -> Statement {
    client.prepare(&sql.replace("asyncflow.", &format!("{schema}."))).await.unwrap()
}

async fn send(client: &Client, [start, finish]: &[Statement; 2], gathered: &[(Ask, oneshot::Sender<()>)]) {
    let (mut new, mut done) = (Vec::new(), Vec::new());
    for (ask, _) in gathered {
        match ask {
            Ask::Start(id) => new.push(*id),
            Ask::Finish(id) => done.push(*id),
        }
    }
    let bytes = vec![&[b'1'; 100][..]; gathered.len()];
    // Sent together where there are both.
    let start = async {
        if !new.is_empty() {
            let rows = client.query(start, &[&new, &&bytes[..new.len()]]).await.unwrap();
            assert_eq!(rows.len(), new.len());
        }
    };
    let finish = async {
        if !done.is_empty() {
            let rows = client.query(finish, &[&done, &&bytes[..done.len()]]).await.unwrap();
            assert_eq!(rows.len(), done.len());
        }
    };
    tokio::join!(start, finish);
}

pub(crate) async fn life(asks: Queue) {
    let id = Uuid::from_u128(by_store::id().as_u128());
    for ask in [Ask::Start(id), Ask::Finish(id)] {
        let (reply, answer) = oneshot::channel();
        asks.send((ask, reply)).ok().unwrap();
        answer.await.unwrap();
    }
}

const START: &str = "
WITH c AS (SELECT * FROM unnest($1::uuid[], $2::bytea[]) c (id, bytes)),
made AS (
    INSERT INTO asyncflow.jobs (id, version, created, due, rank, flow, policy, flow_version, format, state, priority, lease, started, token,
        request_type, request)
    SELECT id, 2, n, n, n, 1, 1, 0, 1, 2, 0, n, n, id, 'application/json', bytes FROM c, (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint) t (n)
    RETURNING id
),
counted AS (INSERT INTO asyncflow.counts SELECT 1, NULL, 0, 0, count(*), 0, 0, 0 FROM c)
SELECT id FROM made";

const FINISH: &str = "
WITH c AS (SELECT * FROM unnest($1::uuid[], $2::bytea[]) c (id, bytes)),
gone AS (DELETE FROM asyncflow.jobs j USING c WHERE j.id = c.id AND j.state = 2 AND j.token = c.id RETURNING j.*, c.bytes),
filed AS (
    INSERT INTO asyncflow.ended (id, version, created, due, rank, attempts, failures, flow, policy, flow_version, snoozes, format, state,
        mark, priority, crashes, crashes_in_all, shelf, started, ended, outcome_type, outcome)
    SELECT id, 3, created, due + 86400000000, rank, 1, 0, flow, policy, flow_version, 0, 1, 3, 0, priority, 0, 0, 0, started, lease,
        'application/json', bytes FROM gone
),
counted AS (
    INSERT INTO asyncflow.counts SELECT 1, NULL, 0, 0, -count(*), 0, 0, 0 FROM gone
    UNION ALL SELECT 1, 1, 0, 0, 0, count(*), 0, 0 FROM gone
)
SELECT id, version, created, due, rank, flow, policy, flow_version, state, priority, started, token FROM gone";
