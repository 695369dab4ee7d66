//! The same rows, written as one would by hand who needs nothing else.

use std::{
    sync::mpsc,
    time::{Duration, Instant},
};

use rusqlite::{Connection, params};
use tokio::sync::oneshot;

use crate::{MANY, PREPARED, Rate, Turn, fresh, together};

const REQUEST: [u8; 100] = [b'1'; 100];

struct Table {
    db: Connection,
    _folder: tempfile::TempDir,
    next: u64,
}

impl Table {
    fn new() -> Self {
        let (folder, path) = fresh();
        let db = Connection::open(path).unwrap();
        db.pragma_update(None, "journal_mode", "WAL").unwrap();
        db.pragma_update(None, "synchronous", "FULL").unwrap();
        db.set_prepared_statement_cache_capacity(64);
        db.execute_batch(concat!(
            include_str!("../../migrations/1.sql"),
            include_str!("../../migrations/2.sql"),
            include_str!("../../migrations/3.sql")
        ))
        .unwrap();
        db.execute_batch(
            "INSERT INTO flows (name, latest) VALUES ('f', 0); INSERT INTO policies (policy) VALUES ('{}')",
        )
        .unwrap();
        Self { db, _folder: folder, next: 0 }
    }

    fn transaction<T>(&mut self, what: impl FnOnce(&mut Self) -> T) -> T {
        self.db.prepare_cached("BEGIN IMMEDIATE").unwrap().execute([]).unwrap();
        let done = what(self);
        self.db.prepare_cached("COMMIT").unwrap().execute([]).unwrap();
        done
    }

    fn run(&self, sql: &str, params: impl rusqlite::Params) {
        self.db.prepare_cached(sql).unwrap().execute(params).unwrap();
    }

    fn insert(&mut self) -> [u8; 16] {
        self.next += 1;
        let id = u128::from(self.next).to_be_bytes();
        let now = self.next as i64;
        self.run(
            include_str!("../../queries/insert.sql"),
            params![1, id, 1, 0, 1, 1, now, now, now, 0, None::<String>, 1, None::<String>, None::<String>],
        );
        self.put_part(id, 0);
        self.run("UPDATE flows SET enqueued = enqueued + 1, latest = ?1 WHERE id = 1", [now]);
        id
    }

    fn put_part(&self, id: [u8; 16], name: i64) {
        let all = params![1, id, name, "application/json", REQUEST, None::<i64>];
        self.run(include_str!("../../queries/put_part.sql"), all);
    }

    fn claim(&mut self, id: [u8; 16]) -> Vec<u8> {
        let mut next = self.db.prepare_cached(include_str!("../../queries/ready_by_id.sql")).unwrap();
        let request = next.query_row((1, id), |row| row.get(25)).unwrap();
        drop(next);
        self.transition(id, 2, Some(id));
        self.run(
            "UPDATE flows SET enqueued = enqueued - 1, processing = processing + 1, latest = ?1 WHERE id = 1",
            [1],
        );
        request
    }

    fn finish(&mut self, id: [u8; 16]) {
        let mut held = self.db.prepare_cached(include_str!("../../queries/record.sql")).unwrap();
        let token: [u8; 16] = held.query_row((1, id), |row| row.get(12)).unwrap();
        assert_eq!(token, id);
        drop(held);
        self.transition(id, 3, None);
        self.put_part(id, 1);
        self.run(include_str!("../../queries/drop_request.sql"), params![1, id]);
        self.run(
            "UPDATE flows SET succeeded = succeeded + 1, processing = processing - 1, latest = ?1 WHERE id = 1",
            [1],
        );
    }

    fn transition(&self, id: [u8; 16], state: i64, token: Option<[u8; 16]>) {
        let all = params![1, id, 9, 2, 0, 0, 0, 0, 0, 0, None::<String>, state, 5, None::<i64>, 7, token];
        self.run(include_str!("../../queries/transition.sql"), all);
    }
}

pub(crate) fn submit() -> impl FnMut() -> Rate {
    let mut table = Table::new();
    move || {
        let (turn, mut jobs) = (Turn::begin(), 0);
        while turn.goes_on() {
            table.transaction(|table| table.insert());
            jobs += 1;
        }
        turn.end(jobs)
    }
}

pub(crate) fn claim() -> impl FnMut() -> Rate {
    each(Table::insert, |table, id| drop(table.claim(id)))
}

pub(crate) fn finish() -> impl FnMut() -> Rate {
    let held = |table: &mut Table| {
        let id = table.insert();
        table.claim(id);
        id
    };
    each(held, Table::finish)
}

/// Prepares jobs, and measures one transaction for each.
fn each(prepare: fn(&mut Table) -> [u8; 16], what: fn(&mut Table, [u8; 16])) -> impl FnMut() -> Rate {
    let mut table = Table::new();
    move || {
        let mut ready =
            table.transaction(|table| (0..PREPARED).map(|_| prepare(table)).collect::<Vec<_>>()).into_iter();
        let turn = Turn::begin();
        while turn.goes_on()
            && let Some(id) = ready.next()
        {
            table.transaction(|table| what(table, id));
        }
        turn.end(PREPARED - ready.len())
    }
}

enum Ask {
    Start(oneshot::Sender<[u8; 16]>),
    Finish([u8; 16], oneshot::Sender<[u8; 16]>),
}

/// A thread that writes what has gathered in one transaction, waiting 200 µs for those that it has just woken.
pub(crate) fn lives() -> impl FnMut() -> Rate {
    let (asks, queue) = mpsc::channel();
    std::thread::spawn(move || {
        let mut table = Table::new();
        while let Ok(first) = queue.recv() {
            let mut gathered = vec![first];
            let end = Instant::now() + Duration::from_micros(200);
            while gathered.len() < MANY {
                let Ok(ask) = queue.recv_timeout(end.saturating_duration_since(Instant::now())) else { break };
                gathered.push(ask);
            }
            let answers = table.transaction(|table| {
                let one = |ask| match ask {
                    Ask::Start(reply) => {
                        let id = table.insert();
                        table.claim(id);
                        (reply, id)
                    }
                    Ask::Finish(id, reply) => {
                        table.finish(id);
                        (reply, id)
                    }
                };
                gathered.into_iter().map(one).collect::<Vec<_>>()
            });
            for (reply, id) in answers {
                let _ = reply.send(id);
            }
        }
    });
    move || together(MANY, asks.clone(), life)
}

async fn life(asks: mpsc::Sender<Ask>) {
    let (reply, answer) = oneshot::channel();
    asks.send(Ask::Start(reply)).unwrap();
    let id = answer.await.unwrap();
    let (reply, answer) = oneshot::channel();
    asks.send(Ask::Finish(id, reply)).unwrap();
    answer.await.unwrap();
}
