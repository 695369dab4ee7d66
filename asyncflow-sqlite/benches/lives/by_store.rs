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
    store::{Batch, Change, Changed, Claim, Insert, Part, Pick, Room, Store},
};
use asyncflow_sqlite::SqliteStore;
use tokio::runtime::Handle;

use crate::{MANY, PREPARED, Rate, Turn, fresh, together};

#[derive(Clone)]
struct Flow {
    store: Arc<SqliteStore>,
    name: Arc<str>,
    policy: Arc<Policy>,
    made: Arc<AtomicU64>,
    _folder: Arc<tempfile::TempDir>,
}

impl Flow {
    fn new() -> Self {
        let (folder, path) = fresh();
        let store = Arc::new(Handle::current().block_on(SqliteStore::open(path)).unwrap());
        Self { store, name: "f".into(), policy: Arc::default(), made: Arc::default(), _folder: Arc::new(folder) }
    }

    fn job(&self) -> Insert {
        let id = JobId::from_u128(self.made.fetch_add(1, Ordering::Relaxed).into());
        Insert {
            job: JobKey { flow: self.name.clone(), id },
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

    fn claim(&self, job: &JobKey) -> Claim {
        let token = Token::from_u128(job.id.as_u128() + 1);
        Claim { pick: Pick::Job(job.clone()), limits: None, token, patch: state::claim(Duration::from_secs(30)) }
    }

    async fn finish(&self, record: Record) {
        let result = Event::Succeeded(Part::json(vec![b'1'; 100]));
        let (guard, patch) = state::decide(&record, result).unwrap();
        let changes = vec![Change { job: record.job, guard, patch }];
        let answers = self.store.write(&Batch { changes, ..Batch::default() }).await.unwrap();
        assert!(matches!(answers.changes[..], [Changed::Applied(_)]));
    }

    /// Inserts jobs, and claims so many of them.
    fn prepared(&self, claims: usize) -> (Vec<JobKey>, Vec<Record>) {
        let inserts: Vec<_> = (0..PREPARED).map(|_| self.job()).collect();
        let jobs: Vec<_> = inserts.iter().map(|insert| insert.job.clone()).collect();
        let claims = jobs.iter().take(claims).map(|job| self.claim(job)).collect();
        let batch = Batch { inserts, claims, ..Batch::default() };
        let claimed = Handle::current().block_on(self.store.write(&batch)).unwrap().claims;
        (jobs, claimed.into_iter().flat_map(|taken| taken.jobs).map(|claimed| claimed.record).collect())
    }
}

pub(crate) fn submit(callers: usize) -> impl FnMut() -> Rate {
    let flow = Flow::new();
    move || {
        together(callers, flow.clone(), |flow| async move {
            flow.store.write(&Batch { inserts: vec![flow.job()], ..Batch::default() }).await.unwrap();
        })
    }
}

pub(crate) fn lives() -> impl FnMut() -> Rate {
    let flow = Flow::new();
    move || {
        together(MANY, flow.clone(), |flow| async move {
            let insert = flow.job();
            let claims = vec![flow.claim(&insert.job)];
            let batch = Batch { inserts: vec![insert], claims, ..Batch::default() };
            let claimed = flow.store.write(&batch).await.unwrap().claims.remove(0).jobs.remove(0);
            flow.finish(claimed.record).await;
        })
    }
}

pub(crate) fn claim() -> impl FnMut() -> Rate {
    let flow = Flow::new();
    move || {
        let jobs = flow.prepared(0).0;
        each(flow.clone(), jobs, |flow, job| async move {
            let claims = vec![flow.claim(&job)];
            let claimed = flow.store.write(&Batch { claims, ..Batch::default() }).await.unwrap().claims;
            assert_eq!(claimed[0].jobs.len(), 1);
        })
    }
}

pub(crate) fn finish() -> impl FnMut() -> Rate {
    let flow = Flow::new();
    move || {
        let held = flow.prepared(PREPARED).1;
        each(flow.clone(), held, |flow, record| async move { flow.finish(record).await })
    }
}

/// Has one caller work through jobs until the turn ends.
fn each<T: Send + 'static, F: Future<Output = ()> + Send>(
    flow: Flow,
    jobs: Vec<T>,
    one: impl Fn(Flow, T) -> F + Send + 'static,
) -> Rate {
    let work = tokio::spawn(async move {
        let (turn, mut jobs) = (Turn::begin(), jobs.into_iter());
        while turn.goes_on()
            && let Some(job) = jobs.next()
        {
            one(flow.clone(), job).await;
        }
        turn.end(PREPARED - jobs.len())
    });
    Handle::current().block_on(work).unwrap()
}
