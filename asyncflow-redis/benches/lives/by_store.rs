//! The store, asked as an engine asks it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use asyncflow_core::{
    JobId, JobKey, Policy, Record, Token,
    state::{self, Event},
    store::{Batch, Change, Changed, Claim, HintStream, Insert, Part, Pick, Room, Store},
};
use asyncflow_redis::RedisStore;
use asyncflow_testkit::servers::{Server, unique_name};
use tokio::runtime::Handle;

use crate::{MANY, Meter, Rate, together};

#[derive(Clone)]
struct Flow {
    store: Arc<RedisStore>,
    name: Arc<str>,
    policy: Arc<Policy>,
    made: Arc<AtomicU64>,
    _hints: Arc<HintStream>,
}

impl Flow {
    fn new(server: &Server, hints: bool) -> Self {
        let store = RedisStore::builder(server.url()).prefix(unique_name()).hints(hints).connect();
        let store = Arc::new(Handle::current().block_on(store).unwrap());
        let listens = store.hints();
        Self { store, name: "f".into(), policy: Arc::default(), made: Arc::default(), _hints: Arc::new(listens) }
    }

    fn number(&self) -> u128 {
        self.made.fetch_add(1, Ordering::Relaxed).into()
    }

    fn job(&self) -> Insert {
        Insert {
            job: JobKey { flow: self.name.clone(), id: JobId::from_u128(self.number()) },
            flow_version: 0,
            facts: state::submit(None, 0, &self.policy),
            owner: None,
            limit_key: None,
            unique: None,
            request: Part::json(vec![b'1'; 100]),
            idempotency: None,
            room: Room { waiting: 1_000_000, waiting_per_owner: None },
        }
    }

    fn claim(&self, pick: Pick) -> Claim {
        let token = Token::from_u128(self.number() + 1);
        Claim { pick, limits: None, token, patch: state::claim(Duration::from_secs(30)) }
    }

    async fn finish(&self, record: Record) {
        let result = Event::Succeeded(Part::json(vec![b'1'; 100]));
        let (guard, patch) = state::decide(&record, result).unwrap();
        let changes = vec![Change { job: record.job, guard, patch }];
        let answers = self.store.write(&Batch { changes, ..Batch::default() }).await.unwrap();
        assert!(matches!(answers.changes[..], [Changed::Applied(_)]));
    }
}

/// Jobs that a node with room takes up as it inserts them.
pub(crate) fn lives(server: &Server, meter: Meter, callers: usize, hints: bool) -> impl FnMut() -> Rate + use<> {
    let flow = Flow::new(server, hints);
    move || {
        together(&meter, callers, flow.clone(), |flow| async move {
            let insert = flow.job();
            let claims = vec![flow.claim(Pick::Job(insert.job.clone()))];
            let batch = Batch { inserts: vec![insert], claims, ..Batch::default() };
            let claimed = flow.store.write(&batch).await.unwrap().claims.remove(0).jobs.remove(0);
            flow.finish(claimed.record).await;
        })
    }
}

/// Jobs that wait in line first.
pub(crate) fn queued(server: &Server, meter: Meter) -> impl FnMut() -> Rate + use<> {
    let flow = Flow::new(server, true);
    move || {
        together(&meter, MANY, flow.clone(), |flow| async move {
            flow.store.write(&Batch { inserts: vec![flow.job()], ..Batch::default() }).await.unwrap();
            let pick = Pick::Next { flow: flow.name.clone(), versions: Arc::new([0]), jobs: 1, bytes: usize::MAX };
            let claims = vec![flow.claim(pick)];
            let taken = flow.store.write(&Batch { claims, ..Batch::default() }).await.unwrap().claims.remove(0);
            for claimed in taken.jobs {
                flow.finish(claimed.record).await;
            }
        })
    }
}
