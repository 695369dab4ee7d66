//! The store, asked as an engine asks it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use asyncflow_core::{
    JobId, JobKey, Policy, Token,
    state::{self, Event},
    store::{Batch, Change, Changed, Claim, Insert, Part, Pick, Room, Store},
};
use asyncflow_postgres::PostgresStore;
use asyncflow_testkit::servers::unique_name;

#[derive(Clone)]
pub(crate) struct Flow {
    store: Arc<PostgresStore>,
    name: Arc<str>,
    policy: Arc<Policy>,
}

pub(crate) async fn start(url: &str, hints: bool) -> Flow {
    let store = PostgresStore::builder(url).schema(unique_name()).listen(hints).connect().await.unwrap();
    Flow { store: Arc::new(store), name: "f".into(), policy: Arc::default() }
}

/// A new id of version 7.
pub(crate) fn id() -> JobId {
    static MADE: AtomicU64 = AtomicU64::new(0);
    let millis = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
    let made = u128::from(MADE.fetch_add(1, Ordering::Relaxed));
    JobId::from_u128(
        millis << 80 | 0x7000 << 64 | (made >> 50 & 0xfff) << 64 | 0x8 << 60 | (made & 0x0fff_ffff_ffff_ffff),
    )
}

pub(crate) async fn life(flow: Flow) {
    let job = JobKey { flow: flow.name.clone(), id: id() };
    let insert = Insert {
        job: job.clone(),
        flow_version: 0,
        facts: state::submit(None, 0, &flow.policy),
        owner: None,
        limit_key: None,
        unique: None,
        request: Part::json(vec![b'1'; 100]),
        idempotency: None,
        room: Room { waiting: 1_000_000, waiting_per_owner: None },
    };
    let token = Token::from_u128(job.id.as_u128().rotate_left(64));
    let claim = Claim { pick: Pick::Job(job), limits: None, token, patch: state::claim(Duration::from_secs(30)) };
    let batch = Batch { inserts: vec![insert], claims: vec![claim], ..Batch::default() };
    let claimed = flow.store.write(&batch).await.unwrap().claims.remove(0).jobs.remove(0);
    let result = Event::Succeeded(Part::json(vec![b'1'; 100]));
    let (guard, patch) = state::decide(&claimed.record, result).unwrap();
    let changes = vec![Change { job: claimed.record.job, guard, patch }];
    let answers = flow.store.write(&Batch { changes, ..Batch::default() }).await.unwrap();
    assert!(matches!(answers.changes[..], [Changed::Applied(_)]));
}
