//! The jobs of one shard, with what is due among them.

use std::sync::Arc;

use super::{
    kept::Kept,
    queue::{Queue, Stood},
    wheel::Wheel,
};
use crate::{
    by_id::{ById, HasId},
    job::{JobId, JobKey, Record, Stamp, Token},
    store::{Part, PartName, Parts, Patch},
};

/// One job.
pub(super) struct Entry {
    pub(super) record: Record,
    parts: Kept,
    queue: Arc<Queue>,
    /// The bucket of the wheel in which the job is found next.
    pub(super) bucket: u64,
}

impl Entry {
    pub(super) fn new(record: Record, request: &Part, queue: Arc<Queue>) -> Self {
        Self { record, parts: Kept::default().with(PartName::Request, request), queue, bucket: u64::MAX }
    }

    pub(super) fn queue(&self) -> &Arc<Queue> {
        &self.queue
    }

    pub(super) fn part(&self, name: PartName) -> Option<Part> {
        self.parts.get(name)
    }

    pub(super) fn request_len(&self) -> usize {
        self.parts.len(PartName::Request)
    }

    fn put(&mut self, parts: &Parts) {
        self.parts = match parts {
            Parts::Keep => return,
            Parts::Result(part) => Kept::default().with(PartName::Outcome, part),
            Parts::Error(part) => std::mem::take(&mut self.parts).with(PartName::Outcome, part),
            Parts::Drop => Kept::default(),
        };
    }
}

impl HasId for Box<Entry> {
    fn id(&self) -> JobId {
        self.record.job.id
    }
}

#[derive(Default)]
pub(super) struct Shard {
    jobs: ById<Box<Entry>>,
    wheel: Wheel,
}

impl Shard {
    /// The job of this key.
    pub(super) fn get(&self, job: &JobKey) -> Option<&Entry> {
        self.any(job.id).filter(|entry| entry.record.job.flow == job.flow)
    }

    /// The job of this id, whichever flow it is of.
    pub(super) fn any(&self, id: JobId) -> Option<&Entry> {
        self.jobs.get(id).map(|entry| &**entry)
    }

    pub(super) fn records(&self) -> impl Iterator<Item = &Record> {
        self.jobs.values().map(|entry| &entry.record)
    }

    /// Adds a job that its queue has let in.
    pub(super) fn insert(&mut self, mut entry: Entry, now: Stamp) {
        self.wheel.put_new(&mut entry, now);
        self.jobs.insert(Box::new(entry));
    }

    /// Applies a patch that is no purge; says too whether jobs that were held back may be taken now.
    pub(super) fn apply(
        &mut self,
        id: JobId,
        patch: &Patch,
        token: Option<Token>,
        now: Stamp,
    ) -> Option<(&Entry, bool)> {
        let entry = self.jobs.get_mut(id)?;
        let stood = Stood::of(&entry.record);
        patch.apply(&mut entry.record, token, now);
        entry.put(&patch.parts);
        let moves = patch.to.is_some() || patch.lead.is_some() || patch.mark.is_some();
        let freed = moves && entry.queue.moved(&mut entry.record, &stood, patch.lead.is_some());
        self.wheel.put(entry, now);
        Some((entry, freed))
    }

    /// Removes a job; says too whose jobs were held back and may be taken now.
    pub(super) fn remove(&mut self, id: JobId) -> Option<(Record, Option<Arc<Queue>>)> {
        let entry = self.jobs.remove(id)?;
        let freed = entry.queue.left(&entry.record);
        self.jobs.give_back();
        Some((entry.record, freed.then_some(entry.queue)))
    }

    /// Adds to `due` at most `limit` jobs that are due; says whether there may be more.
    pub(super) fn due(&mut self, now: Stamp, limit: usize, due: &mut Vec<(Stamp, JobId)>) -> bool {
        let before = due.len();
        self.wheel.due(&mut self.jobs, now, limit, |entry| due.push((entry.record.due, entry.record.job.id)));
        due.len() - before >= limit
    }
}
