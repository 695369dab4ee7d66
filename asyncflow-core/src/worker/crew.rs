//! The jobs that a node runs.

use std::{
    pin::pin,
    sync::{Arc, PoisonError},
};

use crate::{
    by_id::{ById, HasId},
    flow::{Running, Stop},
    job::JobId,
    sync::{
        Mutex, MutexGuard, Notify,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

const SHARDS: usize = 16;

/// The jobs that a node runs, by id, and how many slots are taken.
#[derive(Default)]
pub(crate) struct Crew {
    shards: [Mutex<ById<Arc<Running>>>; SHARDS],
    taken: AtomicUsize,
    idle: Notify,
    /// Somebody waits for a job to run.
    awaited: AtomicBool,
    busy: Notify,
}

impl Crew {
    /// Adds a job, until the guard is dropped. Who runs it here under an earlier claim has lost it: that may be this one, where its claim's
    /// answer took longer.
    pub(super) fn enter(&self, running: Arc<Running>) -> Member<'_> {
        let version = running.record().version;
        let mut shard = self.shard(running.id);
        match shard.get(running.id) {
            Some(later) if later.record().version > version => running.tell(Stop::Lost),
            _ => {
                if let Some(before) = shard.insert(running.clone()) {
                    before.tell(Stop::Lost);
                }
            }
        }
        drop(shard);
        if self.awaited.load(Ordering::SeqCst) {
            self.busy.notify_one();
        }
        Member { crew: self, running }
    }

    pub(crate) fn get(&self, id: JobId) -> Option<Arc<Running>> {
        self.shard(id).get(id).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Running>> {
        let jobs = |shard: &Mutex<ById<_>>| lock(shard).values().cloned().collect::<Vec<_>>();
        self.shards.iter().flat_map(jobs).collect()
    }

    /// Jobs that run.
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).len()).sum()
    }

    pub(super) fn slot_taken(&self) {
        self.taken.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn slot_given(&self) {
        if self.taken.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.idle.notify_waiters();
        }
    }

    /// Slots that are taken: by jobs that run, and by claims on their way.
    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::SeqCst)
    }

    /// Waits until no slot is taken.
    pub(crate) async fn idle(&self) {
        while self.taken() > 0 {
            let mut notified = pin!(self.idle.notified());
            notified.as_mut().enable();
            if self.taken() > 0 {
                notified.await;
            }
        }
    }

    /// Waits until a job runs, or has run: for one task. Short jobs wake it once, not each.
    pub(super) async fn busy(&self) {
        self.awaited.store(true, Ordering::SeqCst);
        if self.shards.iter().all(|shard| lock(shard).is_empty()) {
            self.busy.notified().await;
        }
        self.awaited.store(false, Ordering::SeqCst);
    }

    fn shard(&self, id: JobId) -> MutexGuard<'_, ById<Arc<Running>>> {
        lock(&self.shards[id.as_u128() as usize % SHARDS])
    }
}

impl HasId for Arc<Running> {
    fn id(&self) -> JobId {
        self.id
    }
}

/// A job's place in the crew.
pub(super) struct Member<'a> {
    crew: &'a Crew,
    running: Arc<Running>,
}

impl Drop for Member<'_> {
    fn drop(&mut self) {
        // The job may have come back to this node under a new claim, whose entry it is then.
        let id = self.running.id;
        let mut shard = self.crew.shard(id);
        if shard.get(id).is_some_and(|other| Arc::ptr_eq(other, &self.running)) {
            shard.remove(id);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
