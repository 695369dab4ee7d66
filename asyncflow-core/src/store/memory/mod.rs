//! A store in this process's memory: nothing outlives the process.

mod entry;
mod kept;
mod keys;
mod line;
mod queue;
mod wheel;

use std::{
    fmt,
    sync::{Arc, PoisonError},
};

use async_trait::async_trait;

use self::{
    entry::{Entry, Shard},
    keys::Keys,
    queue::{Entered, Queue},
};
use super::{
    Answers, Attention, Batch, Change, Changed, Claim, Claimed, Counts, HintStream, Hints, Insert, Inserted, Page,
    Part, PartName, Patch, Pick, Query, Store, StoreError, Taken, Unique,
};
use crate::{
    clock::{Clock, SystemClock},
    job::{JobId, JobKey, Record, Stamp, State, Token},
    policy::Settings,
    sync::{Mutex, MutexGuard, RwLock},
};

/// A power of two. More than any machine has cores that would meet in one.
const SHARDS: usize = 64;

/// Keeps jobs in this process's memory: the fastest store, and none of it outlives the process. Clones share the jobs.
///
/// Jobs are spread over shards by their ids, so a read meets nobody but who works on a job of the same shard. What is ready, held and
/// counted lies with the flow. Where two locks are held at once, a key's comes before a shard's and a shard's before a flow's; a claim's turn comes before both.
#[derive(Clone)]
pub struct MemoryStore {
    inner: Arc<Inner>,
}

struct Inner {
    shards: Box<[Mutex<Shard>]>,
    queues: RwLock<Vec<Arc<Queue>>>,
    keys: Keys,
    settings: RwLock<Arc<Settings>>,
    clock: Arc<dyn Clock>,
    hints: Hints,
}

impl MemoryStore {
    /// An empty store on the machine's clock.
    pub fn new() -> Self {
        Self::with_clock(Arc::new(SystemClock))
    }

    /// An empty store on this clock.
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        Self {
            inner: Arc::new(Inner {
                shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
                queues: RwLock::default(),
                keys: Keys::default(),
                settings: RwLock::default(),
                clock,
                hints: Hints::new(),
            }),
        }
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn write(&self, batch: &Batch) -> Result<Answers, StoreError> {
        let inner = &*self.inner;
        let now = inner.clock.now();
        let mut fresh = Fresh::new(&inner.hints);
        let answers = Answers {
            inserts: batch.inserts.iter().map(|insert| inner.insert(insert, now, &mut fresh)).collect(),
            changes: batch.changes.iter().map(|change| inner.change(change, now, &mut fresh)).collect(),
            claims: batch.claims.iter().map(|claim| inner.claim(claim, now)).collect(),
        };
        fresh.tell();
        Ok(answers)
    }

    async fn get(&self, jobs: &[JobKey]) -> Result<Vec<Option<Record>>, StoreError> {
        let record = |job: &JobKey| self.inner.shard(job.id).get(job).map(|entry| entry.record.clone());
        Ok(jobs.iter().map(record).collect())
    }

    async fn part(&self, job: &JobKey, name: PartName) -> Result<Option<Part>, StoreError> {
        Ok(self.inner.shard(job.id).get(job).and_then(|entry| entry.part(name)))
    }

    async fn due(&self, limit: usize) -> Result<Attention, StoreError> {
        let now = self.inner.clock.now();
        self.inner.keys.expire(now);
        let mut due = Vec::new();
        // Ids are spread evenly: a few times its share of each shard is more than enough, or else they are not so even.
        for most in [limit.min(limit / SHARDS * 4 + 16), limit] {
            due.clear();
            let mut more = false;
            for shard in &self.inner.shards {
                more |= lock(shard).due(now, most, &mut due);
            }
            if !more || due.len() >= limit {
                break;
            }
        }
        due.sort_unstable();
        due.dedup();
        due.truncate(limit);
        let record = |(_, id): &(Stamp, JobId)| self.inner.shard(*id).any(*id).map(|entry| entry.record.clone());
        let settings = self.inner.settings.read().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(Attention { records: due.iter().filter_map(record).collect(), settings })
    }

    async fn put_settings(&self, settings: &Settings) -> Result<bool, StoreError> {
        let mut known = self.inner.settings.write().unwrap_or_else(PoisonError::into_inner);
        let follows = settings.version == known.version + 1;
        if follows {
            *known = Arc::new(settings.clone());
            drop(known);
            self.inner.hints.anything();
        }
        Ok(follows)
    }

    /// Looks at every job: its cost grows with them.
    async fn list(&self, query: &Query) -> Result<Page, StoreError> {
        let mut ids = Vec::new();
        for shard in &self.inner.shards {
            ids.extend(lock(shard).records().filter(|record| query.admits(record)).map(|record| record.job.id));
        }
        ids.sort_unstable();
        let more = ids.len() > query.limit;
        ids.truncate(query.limit);
        let record = |id: &JobId| self.inner.shard(*id).any(*id).map(|entry| entry.record.clone());
        let records = ids.iter().filter_map(record).filter(|record| query.admits(record)).collect();
        Ok(Page { records, next: ids.pop().filter(|_| more) })
    }

    async fn counts(&self, flow: &str) -> Result<Counts, StoreError> {
        let Some(queue) = self.inner.known(flow) else { return Ok(Counts::default()) };
        let (states, first) = queue.counts();
        let oldest = first.and_then(|id| {
            let job = JobKey { flow: queue.flow().clone(), id };
            self.inner.shard(id).get(&job).map(|entry| entry.record.created)
        });
        Ok(Counts { states, oldest })
    }

    async fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn largest_part(&self) -> usize {
        usize::MAX
    }

    fn hints(&self) -> HintStream {
        self.inner.hints.subscribe()
    }
}

impl Inner {
    fn shard(&self, id: JobId) -> MutexGuard<'_, Shard> {
        // The low bits of a version 7 id are random.
        lock(&self.shards[id.as_u128() as usize % SHARDS])
    }

    fn known(&self, flow: &str) -> Option<Arc<Queue>> {
        let queues = self.queues.read().unwrap_or_else(PoisonError::into_inner);
        queues.iter().find(|queue| std::ptr::eq(&**queue.flow(), flow) || **queue.flow() == *flow).cloned()
    }

    fn queue(&self, flow: &Arc<str>) -> Arc<Queue> {
        if let Some(queue) = self.known(flow) {
            return queue;
        }
        let mut queues = self.queues.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = queues.iter().find(|queue| queue.flow() == flow) {
            return queue.clone();
        }
        let queue = Arc::new(Queue::new(flow.clone()));
        queues.push(queue.clone());
        queue
    }

    fn insert(&self, insert: &Insert, now: Stamp, fresh: &mut Fresh<'_>) -> Inserted {
        let Some(idempotency) = &insert.idempotency else { return self.insert_job(insert, now, fresh) };
        let name = (insert.job.flow.clone(), insert.owner.clone(), idempotency.key.clone());
        self.keys.first(name, idempotency, insert.job.id, now, || self.insert_job(insert, now, fresh))
    }

    fn insert_job(&self, insert: &Insert, now: Stamp, fresh: &mut Fresh<'_>) -> Inserted {
        let queue = self.queue(&insert.job.flow);
        let mut replaced = false;
        loop {
            let mut shard = self.shard(insert.job.id);
            if let Some(existing) = shard.any(insert.job.id) {
                return Inserted::Existing { id: insert.job.id, created: existing.record.created };
            }
            let mut record = insert.record(now);
            let other = match queue.enter(&mut record, (!replaced).then_some(insert.room)) {
                Entered::In => {
                    let ready = record.state == State::Enqueued;
                    shard.insert(Entry::new(record, &insert.request, queue.clone()), now);
                    if ready {
                        fresh.add(queue);
                    }
                    return Inserted::Created { created: now };
                }
                Entered::Refused(why) => return why,
                Entered::Beside(other) => other,
            };
            drop(shard);
            match self.give_way(other, insert.unique.as_ref(), now) {
                Ok(gave_way) => replaced |= gave_way,
                Err(existing) => return existing,
            }
        }
    }

    /// Lets a job that waits give way to another of its unique key; says whether it did, or is gone anyway. One that runs stays.
    fn give_way(&self, id: JobId, to: Option<&Unique>, now: Stamp) -> Result<bool, Inserted> {
        let mut shard = self.shard(id);
        let Some(entry) = shard.any(id).filter(|entry| entry.record.is_live()) else { return Ok(false) };
        let (job, created) = (entry.record.job.clone(), entry.record.created);
        let replace = to.and_then(|unique| unique.replace.as_ref()).filter(|_| entry.record.state.is_waiting());
        let Some(replace) = replace else { return Err(Inserted::Existing { id, created }) };
        shard.apply(id, replace, None, now);
        drop(shard);
        self.hints.changed(&job);
        Ok(true)
    }

    fn change(&self, change: &Change, now: Stamp, fresh: &mut Fresh<'_>) -> Changed {
        let mut shard = self.shard(change.job.id);
        let Some(entry) = shard.get(&change.job) else { return Changed::Missing };
        if !change.guard.admits(&entry.record, now) {
            return Changed::Refused(entry.record.clone());
        }
        let (quiet, marks) = (change.patch.quiet, change.patch.mark.is_some());
        let ready = change.patch.to == Some(State::Enqueued);
        let changed = if change.patch.purge {
            shard.remove(change.job.id)
        } else {
            let applied = shard.apply(change.job.id, &change.patch, None, now);
            applied.map(|(entry, freed)| (entry.record.clone(), (freed || ready).then(|| entry.queue().clone())))
        };
        drop(shard);
        if !quiet {
            self.hints.changed(&change.job);
        }
        if marks {
            self.hints.marked(&change.job);
        }
        let Some((record, queue)) = changed else { return Changed::Missing };
        queue.into_iter().for_each(|queue| fresh.add(queue));
        Changed::Applied(record)
    }

    fn claim(&self, claim: &Claim, now: Stamp) -> Taken {
        let flow = match &claim.pick {
            Pick::Job(job) => &job.flow,
            Pick::Next { flow, .. } => flow,
        };
        let queue = self.queue(flow);
        // One claim of a flow at a time: two asks with one token must not both find that it holds nothing.
        let _turn = queue.turn();
        let held = queue.held(claim.token);
        if !held.is_empty() {
            let renewed = Patch { due: claim.patch.due, quiet: true, ..Patch::default() };
            let again = |id: JobId| self.take(id, |record| record.token == Some(claim.token), &renewed, None, now);
            let mut claimed: Vec<_> = held.into_iter().filter_map(again).collect();
            claimed.sort_by_key(|claimed| (claimed.record.rank, claimed.record.job.id));
            if !claimed.is_empty() {
                return Taken { jobs: claimed, after: None };
            }
        }
        match &claim.pick {
            Pick::Job(job) => self.claim_job(&queue, job, claim, now),
            Pick::Next { versions, jobs, bytes, .. } => {
                let mut taken = Taken { jobs: Vec::with_capacity((*jobs).min(8)), after: None };
                let mut room = *bytes;
                while taken.jobs.len() < *jobs {
                    let next = match queue.pop(versions, claim.limits.as_ref(), now) {
                        Ok(next) => next,
                        Err(after) => {
                            taken.after = after;
                            break;
                        }
                    };
                    let (rank, id) = next.ready;
                    let most = if taken.jobs.is_empty() { usize::MAX } else { room };
                    match self.take_ready(&queue, id, most, claim, now) {
                        Some(job) => {
                            room = room.saturating_sub(job.request.bytes.len());
                            taken.jobs.push(job);
                        }
                        None if self.still_ready(id, rank) => {
                            queue.push_back(next);
                            break;
                        }
                        // It was cancelled in between.
                        None => {}
                    }
                }
                taken
            }
        }
    }

    fn claim_job(&self, queue: &Queue, job: &JobKey, claim: &Claim, now: Stamp) -> Taken {
        // A job of this id may be of another flow: then it is not meant.
        let ready = |entry: &&Entry| entry.record.state == State::Enqueued;
        let key = self.shard(job.id).get(job).filter(ready).map(|entry| entry.record.limited_by().cloned());
        let Some(key) = key else { return Taken::default() };
        match queue.admits(key.as_ref(), claim.limits.as_ref(), now) {
            Ok(()) => {
                let job = self.take_ready(queue, job.id, usize::MAX, claim, now);
                Taken { jobs: job.into_iter().collect(), after: None }
            }
            Err(after) => Taken { jobs: Vec::new(), after },
        }
    }

    fn take_ready(&self, queue: &Queue, id: JobId, most: usize, claim: &Claim, now: Stamp) -> Option<Claimed> {
        let shard = self.shard(id);
        let fits = shard.any(id)?.request_len() <= most;
        drop(shard);
        if !fits {
            return None;
        }
        let ready = |record: &Record| record.state == State::Enqueued;
        let claimed = self.take(id, ready, &claim.patch, Some(claim.token), now)?;
        if let Some(limits) = &claim.limits {
            queue.started(claimed.record.limited_by(), limits, now);
        }
        self.hints.changed(&claimed.record.job);
        Some(claimed)
    }

    fn take(
        &self,
        id: JobId,
        fits: impl Fn(&Record) -> bool,
        patch: &Patch,
        token: Option<Token>,
        now: Stamp,
    ) -> Option<Claimed> {
        let mut shard = self.shard(id);
        if !fits(&shard.any(id)?.record) {
            return None;
        }
        let (entry, _) = shard.apply(id, patch, token, now)?;
        let request = entry.part(PartName::Request).unwrap_or_else(|| Part::json(bytes::Bytes::new()));
        Some(Claimed { record: entry.record.clone(), request })
    }

    fn still_ready(&self, id: JobId, rank: i64) -> bool {
        self.shard(id).any(id).is_some_and(|entry| entry.record.state == State::Enqueued && entry.record.rank == rank)
    }
}

/// The flow that has something ready which it had not before; of several, the last one, the others having been told.
struct Fresh<'a> {
    hints: &'a Hints,
    queue: Option<Arc<Queue>>,
}

impl<'a> Fresh<'a> {
    fn new(hints: &'a Hints) -> Self {
        Self { hints, queue: None }
    }

    fn add(&mut self, queue: Arc<Queue>) {
        if self.queue.as_ref().is_none_or(|fresh| !Arc::ptr_eq(fresh, &queue)) {
            self.tell();
            self.queue = Some(queue);
        }
    }

    /// Tells of it, unless what was ready has been claimed at once.
    fn tell(&mut self) {
        if let Some(queue) = self.queue.take().filter(|queue| queue.has_ready()) {
            self.hints.ready(queue.flow());
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
