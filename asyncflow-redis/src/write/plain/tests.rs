//! Batches at random, in two flows of one server: one goes the short way where it can, the other always the long one. What is answered and
//! what is kept must be the same, and where the short way is not gone, nothing of it may be left.

mod chance;

use std::sync::Arc;

use asyncflow_core::store::Batch;
use asyncflow_testkit::servers::{Kind, Server};
use redis::{Client, Cmd, RedisError, Value, aio::MultiplexedConnection, cmd};

use super::{MOST_JOBS, is_plain};
use crate::{
    policies::Policies,
    scripts,
    server::Flow,
    write::{Share, encode},
};
use chance::{Chance, Held};

const FLOW: &str = "f";
const HISTORIES: u64 = 100;
const BATCHES: usize = 20;

/// All keys of a flow with what they hold, and for how many milliseconds.
const KEPT: &str = "
    local all = {}
    for _, key in ipairs(redis.call('KEYS', KEYS[1] .. '*')) do
      all[#all + 1] = string.sub(key, #KEYS[1] + 1) .. redis.call('DUMP', key)
      all[#all + 1] = redis.call('PTTL', key)
    end
    return all";
/// Puts something else in the place of a key, or spoils the record that it holds at a place or at its end; and puts it back as it was.
const SPOIL: &str = "
    local key = KEYS[1] .. ARGV[1]
    redis.call('COPY', key, KEYS[1] .. 'aside')
    if ARGV[2] == '' then redis.call('DEL', key); redis.call('RPUSH', key, 'x')
    elseif ARGV[2] == 'end' then redis.call('APPEND', key, 'x')
    else redis.call('SETRANGE', key, ARGV[2], string.char(255)) end";
const RESTORE: &str = "
    local key = KEYS[1] .. ARGV[1]
    redis.call('DEL', key)
    if redis.call('EXISTS', KEYS[1] .. 'aside') == 1 then redis.call('RENAME', KEYS[1] .. 'aside', key) end";

#[tokio::test]
async fn the_short_way_writes_what_the_long_way_does_or_nothing() {
    let server = Server::start_with(Kind::Redis, &["--appendfsync", "no"]).await.unwrap();
    let client = Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let (mut short, mut gave_way) = (0, 0);
    for seed in 0..HISTORIES {
        let (mut both, mut chance) = (Both::new(connection.clone()), Chance::new(seed));
        for _ in 0..BATCHES {
            both.step(&mut chance).await;
        }
        short += both.short;
        gave_way += both.gave_way;
        cmd("FLUSHDB").exec_async(&mut connection).await.unwrap();
    }
    println!("{short} batches the short way, {gave_way} could not");
    assert!(short > 200 && gave_way > 200, "{short}, {gave_way}");
}

#[tokio::test]
async fn as_many_jobs_as_it_may_take_fit_in_its_commands() {
    let server = Server::start_with(Kind::Redis, &["--appendfsync", "no"]).await.unwrap();
    let connection = Client::open(server.url()).unwrap().get_multiplexed_async_connection().await.unwrap();
    let mut both = Both::new(connection);
    for jobs in [MOST_JOBS, MOST_JOBS + 1] {
        let held: Vec<_> = (1..=jobs).map(|n| Held::new((jobs << 10 | n) as u128, both.now)).collect();
        let (inserts, claims) = held.iter().map(|held| held.begins()).unzip();
        both.compare(&Batch { inserts, claims, ..Batch::default() }).await;
        let changes = held.iter().map(|held| held.ends()).collect();
        both.compare(&Batch { changes, ..Batch::default() }).await;
        assert_eq!((both.short, both.gave_way), (2, 0));
    }
}

#[tokio::test]
async fn a_record_that_is_not_as_it_should_be_is_left_to_the_long_way() {
    let server = Server::start_with(Kind::Redis, &["--appendfsync", "no"]).await.unwrap();
    let connection = Client::open(server.url()).unwrap().get_multiplexed_async_connection().await.unwrap();
    let mut both = Both::new(connection);
    // Its format, its state, its mark, whether it has progress and is held, its version, when it was claimed, its token, its request's size,
    // which names it has; what stands behind it; all of it.
    let places = ["0", "1", "2", "3", "4", "5", "13", "61", "113", "124", "end", ""];
    for (number, place) in (1_u128..).zip(places) {
        let held = Held::new(number, both.now);
        let (insert, claim) = held.begins();
        both.compare(&Batch { inserts: vec![insert], claims: vec![claim], ..Batch::default() }).await;
        both.script(SPOIL, &[b"j", &number.to_be_bytes()[..]].concat(), place).await;
        both.compare(&Batch { changes: vec![held.ends()], ..Batch::default() }).await;
    }
    assert_eq!((both.short, both.gave_way), (places.len(), places.len()));
}

type Kept = Vec<(Vec<u8>, i64)>;

struct Both {
    connection: MultiplexedConnection,
    policies: Policies,
    ways: [String; 2],
    now: i64,
    short: usize,
    gave_way: usize,
}

impl Both {
    fn new(connection: MultiplexedConnection) -> Self {
        // What is told is kept, so that it is compared.
        let ways = scripts::ways().map(|way| way.replace("'PUBLISH'", "'RPUSH'"));
        Self { connection, policies: Policies::default(), ways, now: 1 << 50, short: 0, gave_way: 0 }
    }

    /// Some time later, a batch comes, and something may be in its way.
    async fn step(&mut self, chance: &mut Chance) {
        self.now += chance.time();
        let batch = chance.batch(self.now);
        let plain = is_plain(&share("short", &batch), &batch);
        let spoils = if plain { chance.spoils() } else { None };
        let full = plain && chance.no_memory();
        if let Some(key) = &spoils {
            self.script(SPOIL, key, "").await;
        }
        if full {
            self.memory("1").await;
        }
        self.compare(&batch).await;
        if full {
            self.memory("0").await;
        }
        if let Some(key) = &spoils {
            self.script(RESTORE, key, "").await;
        }
    }

    /// Writes a batch both ways.
    async fn compare(&mut self, batch: &Batch) {
        let plain = is_plain(&share("short", batch), batch);
        let before = self.kept("short").await;
        let mut answer = self.write(0, "short", batch).await;
        if answer == Ok(Value::Nil) {
            assert!(alike(&self.kept("short").await, &before), "it gave way too late: {batch:#?}");
            answer = self.write(1, "short", batch).await;
            self.gave_way += usize::from(plain);
        } else {
            assert!(plain);
            self.short += usize::from(answer.is_ok());
        }
        let other = self.write(1, "long", batch).await;
        assert_eq!(answer, other, "{batch:#?}");
        let kept = self.kept("short").await;
        assert!(alike(&kept, &self.kept("long").await), "{batch:#?}");
        assert!(answer.is_ok() || !plain || alike(&kept, &before), "{answer:?} in part: {batch:#?}");
    }

    async fn write(&mut self, way: usize, prefix: &str, batch: &Batch) -> Result<Value, String> {
        let share = share(prefix, batch);
        let mut call = cmd("EVAL");
        call.arg(&self.ways[way]).arg(1).arg(&share.flow.base);
        call.arg(self.now).arg(format!("{}told", share.flow.base)).arg(FLOW);
        encode::arguments(&mut call, &share, batch, &self.policies).unwrap();
        call.query_async(&mut self.connection).await.map_err(why)
    }

    async fn kept(&mut self, prefix: &str) -> Kept {
        let base = share(prefix, &Batch::default()).flow.base.clone();
        let mut kept: Kept = cmd("EVAL").arg(KEPT).arg(1).arg(base).query_async(&mut self.connection).await.unwrap();
        kept.sort_unstable();
        kept
    }

    async fn script(&mut self, script: &str, key: &[u8], how: &str) {
        for prefix in ["short", "long"] {
            let base = share(prefix, &Batch::default()).flow.base.clone();
            let mut call = Cmd::new();
            call.arg("EVAL").arg(script).arg(1).arg(base).arg(key).arg(how);
            call.exec_async(&mut self.connection).await.unwrap();
        }
    }

    async fn memory(&mut self, most: &str) {
        cmd("CONFIG").arg("SET").arg("maxmemory").arg(most).exec_async(&mut self.connection).await.unwrap();
    }
}

/// What went wrong, without where in the script it was: newer servers say that behind it, 6.2 before.
fn why(error: RedisError) -> String {
    let text = error.to_string();
    let text = text.split(" script: ").next().unwrap_or_default();
    let begins = ["OOM ", "WRONGTYPE ", "ASYNCFLOW "].iter().find_map(|code| text.find(code));
    text[begins.unwrap_or_default()..].to_owned()
}

/// Whether both hold the same, for as long but for the time that the test takes.
fn alike(one: &Kept, other: &Kept) -> bool {
    let lasts_alike = |a: i64, b: i64| (a < 0) == (b < 0) && a.abs_diff(b) < 60_000;
    one.len() == other.len() && one.iter().zip(other).all(|(a, b)| a.0 == b.0 && lasts_alike(a.1, b.1))
}

/// All of a batch.
fn share(prefix: &str, batch: &Batch) -> Share {
    let flow = Arc::new(Flow::new(prefix, &FLOW.into()));
    let all = |entries| (0..entries).collect();
    let Batch { inserts, changes, claims, .. } = batch;
    Share { flow, inserts: all(inserts.len()), changes: all(changes.len()), claims: all(claims.len()) }
}
