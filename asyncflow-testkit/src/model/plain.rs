//! A store as plainly as it can be written: one map, looked through from end to end. It says what the right answers are.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use asyncflow_core::{
    JobId, JobKey, Limits, Record, Settings, Stamp, State, state,
    store::{
        Answers, Batch, Change, Changed, Claim, Claimed, Counts, Insert, Inserted, Page, Part, PartName, Parts, Patch,
        Pick, Query, Taken,
    },
};

/// Everything that a store keeps.
#[derive(Debug, Default)]
pub(super) struct Plain {
    jobs: BTreeMap<JobId, Job>,
    keys: HashMap<Name, Use>,
    flows: HashMap<Arc<str>, Flow>,
    settings: Arc<Settings>,
}

/// A flow, an owner, and what that calls its request.
type Name = (Arc<str>, Option<Arc<str>>, Arc<str>);
/// The job of a key, when that was made, of which request, and until when the key is known.
type Use = (JobId, Stamp, u128, Stamp);

#[derive(Debug)]
struct Job {
    record: Record,
    request: Option<Part>,
    outcome: Option<Part>,
}

/// What is remembered of a flow beside its jobs.
#[derive(Debug, Default)]
struct Flow {
    turn: i64,
    /// Where each owner's last job stands that became ready, as long as the owner has any that waits.
    last: HashMap<Option<Arc<str>>, i64>,
    started: Option<Stamp>,
    started_by_key: HashMap<Arc<str>, Stamp>,
}

/// Why a job may not start.
enum Held {
    Flow(Option<Duration>),
    Key(Option<Duration>),
}

impl Plain {
    pub(super) fn write(&mut self, batch: &Batch, now: Stamp) -> Answers {
        Answers {
            inserts: batch.inserts.iter().map(|insert| self.insert(insert, now)).collect(),
            changes: batch.changes.iter().map(|change| self.change(change, now)).collect(),
            claims: batch.claims.iter().map(|claim| self.claim(claim, now)).collect(),
        }
    }

    pub(super) fn get(&self, job: &JobKey) -> Option<&Record> {
        self.job(job).map(|job| &job.record)
    }

    pub(super) fn part(&self, job: &JobKey, name: PartName) -> Option<Part> {
        let job = self.job(job)?;
        match name {
            PartName::Request => job.request.clone(),
            PartName::Outcome => job.outcome.clone(),
        }
    }

    /// All that are due, in any order.
    pub(super) fn due(&self, now: Stamp) -> Vec<&Record> {
        self.records().filter(|record| record.due <= now).collect()
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(super) fn put_settings(&mut self, settings: &Settings) -> bool {
        let follows = settings.version == self.settings.version + 1;
        if follows {
            self.settings = Arc::new(settings.clone());
        }
        follows
    }

    pub(super) fn list(&self, query: &Query) -> Page {
        let all: Vec<_> = self.records().filter(|record| query.admits(record)).collect();
        let records: Vec<_> = all.iter().take(query.limit).map(|record| (*record).clone()).collect();
        let next = records.last().map(|record| record.job.id).filter(|_| all.len() > records.len());
        Page { records, next }
    }

    pub(super) fn counts(&self, flow: &str) -> Counts {
        let mut states = [0; 6];
        self.records().filter(|record| *record.job.flow == *flow).for_each(|record| states[record.state as usize] += 1);
        let ready = self.records().filter(|record| *record.job.flow == *flow && record.state == State::Enqueued);
        let oldest = ready.min_by_key(|record| (record.rank, record.job.id)).map(|record| record.created);
        Counts { states, oldest }
    }

    fn job(&self, job: &JobKey) -> Option<&Job> {
        self.jobs.get(&job.id).filter(|found| found.record.job.flow == job.flow)
    }

    fn records(&self) -> impl Iterator<Item = &Record> + Clone {
        self.jobs.values().map(|job| &job.record)
    }

    fn insert(&mut self, insert: &Insert, now: Stamp) -> Inserted {
        let Some(idempotency) = &insert.idempotency else { return self.insert_job(insert, now) };
        let name = (insert.job.flow.clone(), insert.owner.clone(), idempotency.key.clone());
        match self.keys.get(&name) {
            Some((_, _, fingerprint, until)) if *until > now && *fingerprint != idempotency.fingerprint => {
                return Inserted::OtherBody;
            }
            Some((id, created, _, until)) if *until > now => return Inserted::Existing { id: *id, created: *created },
            _ => {}
        }
        let inserted = self.insert_job(insert, now);
        let found = match inserted {
            Inserted::Created { created } => Some((insert.job.id, created)),
            // The job of its unique key is this request's from now on.
            Inserted::Existing { id, created } if id != insert.job.id => Some((id, created)),
            _ => None,
        };
        if let Some((id, created)) = found {
            self.keys.insert(name, (id, created, idempotency.fingerprint, now + idempotency.keep));
        }
        inserted
    }

    fn insert_job(&mut self, insert: &Insert, now: Stamp) -> Inserted {
        if let Some(existing) = self.jobs.get(&insert.job.id) {
            return Inserted::Existing { id: insert.job.id, created: existing.record.created };
        }
        let mut record = insert.record(now);
        let same_key = |other: &&Record| {
            let same = other.job.flow == record.job.flow && other.owner == record.owner;
            same && other.unique_key == record.unique_key && other.is_live()
        };
        let beside = record.unique_key.as_ref().and_then(|_| self.records().find(same_key)).cloned();
        match (&beside, insert.unique.as_ref().and_then(|unique| unique.replace.as_ref())) {
            (Some(other), Some(replace)) if other.state.is_waiting() => self.apply(other.job.id, replace, None, now),
            (Some(other), _) => return Inserted::Existing { id: other.job.id, created: other.created },
            (None, _) => {}
        }
        if beside.is_none() {
            let waiting = |record: &&Record| record.job.flow == insert.job.flow && record.state.is_waiting();
            let own = self.records().filter(waiting).filter(|record| record.owner == insert.owner).count() as u64;
            if insert.owner.is_some() && insert.room.waiting_per_owner.is_some_and(|most| own >= most) {
                return Inserted::OverQuota;
            }
            if self.records().filter(waiting).count() as u64 >= insert.room.waiting {
                return Inserted::Full;
            }
        }
        self.take_turn(&mut record);
        self.jobs.insert(insert.job.id, Job { record, request: Some(insert.request.clone()), outcome: None });
        Inserted::Created { created: now }
    }

    fn change(&mut self, change: &Change, now: Stamp) -> Changed {
        let Some(record) = self.get(&change.job) else { return Changed::Missing };
        if !change.guard.admits(record, now) {
            return Changed::Refused(record.clone());
        }
        if change.patch.purge {
            let gone = self.jobs.remove(&change.job.id).map(|job| job.record);
            gone.as_ref().inspect(|gone| self.forget_owner(gone));
            return gone.map_or(Changed::Missing, Changed::Applied);
        }
        self.apply(change.job.id, &change.patch, None, now);
        self.get(&change.job).cloned().map_or(Changed::Missing, Changed::Applied)
    }

    fn apply(&mut self, id: JobId, patch: &Patch, token: Option<asyncflow_core::Token>, now: Stamp) {
        // Looked at without the job itself: it is not among those that wait while it is given its place.
        let Some(mut job) = self.jobs.remove(&id) else { return };
        let before = job.record.state;
        patch.apply(&mut job.record, token, now);
        match &patch.parts {
            Parts::Keep => {}
            Parts::Result(part) => (job.request, job.outcome) = (None, Some(part.clone())),
            Parts::Error(part) => job.outcome = Some(part.clone()),
            Parts::Drop => (job.request, job.outcome) = (None, None),
        }
        if patch.to.is_some() || patch.lead.is_some() {
            self.forget_owner(&job.record);
        }
        if patch.lead.is_some() {
            self.take_turn(&mut job.record);
        }
        if before == State::Enqueued && job.record.state == State::Processing {
            let turn = &mut self.flows.entry(job.record.job.flow.clone()).or_default().turn;
            *turn = (*turn).max(state::ready_at(&job.record));
        }
        self.jobs.insert(id, job);
    }

    /// Gives a job that is now ready its place, where owners take turns.
    fn take_turn(&mut self, record: &mut Record) {
        if record.policy.spacing.is_none() || record.state != State::Enqueued {
            return;
        }
        let ready = |other: &Record| other.job.flow == record.job.flow && other.state == State::Enqueued;
        let waiting = self.records().any(ready);
        let flow = self.flows.entry(record.job.flow.clone()).or_default();
        flow.turn = state::turn(record, waiting.then_some(flow.turn), flow.last.get(&record.owner).copied());
        flow.last.insert(record.owner.clone(), state::ready_at(record));
    }

    /// An owner of whom no other job waits has no last one.
    fn forget_owner(&mut self, record: &Record) {
        let waits = |other: &Record| {
            other.job.flow == record.job.flow && other.owner == record.owner && other.state.is_waiting()
        };
        if !self.records().any(waits) {
            if let Some(flow) = self.flows.get_mut(&record.job.flow) {
                flow.last.remove(&record.owner);
            }
        }
    }

    fn claim(&mut self, claim: &Claim, now: Stamp) -> Taken {
        let flow = match &claim.pick {
            Pick::Job(job) => job.flow.clone(),
            Pick::Next { flow, .. } => flow.clone(),
        };
        let held = |record: &&Record| record.job.flow == flow && record.token == Some(claim.token);
        let mut held: Vec<_> = self.records().filter(held).map(|record| (record.rank, record.job.id)).collect();
        if !held.is_empty() {
            held.sort_unstable();
            let renewed = Patch { due: claim.patch.due, quiet: true, ..Patch::default() };
            let jobs = held.into_iter().filter_map(|(_, id)| self.take(id, &renewed, None, now)).collect();
            return Taken { jobs, after: None };
        }
        let (most, versions, mut bytes) = match &claim.pick {
            Pick::Job(_) => (1, None, usize::MAX),
            Pick::Next { versions, jobs, bytes, .. } => (*jobs, Some(versions.clone()), *bytes),
        };
        let limits = claim.limits.clone().unwrap_or_default();
        let mut taken = Taken::default();
        let mut passed: HashSet<Arc<str>> = HashSet::new();
        let mut wait: Option<Duration> = None;
        while taken.jobs.len() < most {
            let next = self.records().filter(|record| match (&claim.pick, &versions) {
                (Pick::Job(job), _) => record.job == *job,
                (_, Some(versions)) => record.job.flow == flow && versions.contains(&record.flow_version),
                _ => false,
            });
            let next = next.filter(|record| record.state == State::Enqueued);
            let next = next.filter(|record| record.limited_by().is_none_or(|key| !passed.contains(key)));
            let Some(record) = next.min_by_key(|record| (record.rank, record.job.id)).cloned() else {
                taken.after = wait;
                break;
            };
            match self.admits(&record, &limits, now) {
                Ok(()) => {}
                Err(Held::Flow(wait)) => {
                    taken.after = wait;
                    break;
                }
                Err(Held::Key(key_wait)) => {
                    passed.extend(record.limited_by().cloned());
                    wait = wait.into_iter().chain(key_wait).min();
                    continue;
                }
            }
            let size = self.part(&record.job, PartName::Request).map_or(0, |part| part.bytes.len());
            if !taken.jobs.is_empty() && size > bytes {
                break;
            }
            bytes = bytes.saturating_sub(size);
            self.count_start(&record, &limits, now);
            taken.jobs.extend(self.take(record.job.id, &claim.patch, Some(claim.token), now));
        }
        taken
    }

    fn take(&mut self, id: JobId, patch: &Patch, token: Option<asyncflow_core::Token>, now: Stamp) -> Option<Claimed> {
        let token = token.or(self.jobs.get(&id)?.record.token);
        self.apply(id, patch, token, now);
        let job = self.jobs.get(&id)?;
        let request = job.request.clone().unwrap_or_else(|| Part::json(bytes::Bytes::new()));
        Some(Claimed { record: job.record.clone(), request })
    }

    fn admits(&self, record: &Record, limits: &Limits, now: Stamp) -> Result<(), Held> {
        let runs = |other: &&Record| other.job.flow == record.job.flow && other.state == State::Processing;
        let running = self.records().filter(runs);
        if limits.running.is_some_and(|most| running.clone().count() as u64 >= most) {
            return Err(Held::Flow(None));
        }
        let flow = self.flows.get(&record.job.flow);
        if let Some(rate) = limits.rate {
            rate.start(flow.and_then(|flow| flow.started), now).map_err(|wait| Held::Flow(Some(wait)))?;
        }
        let Some(key) = record.limited_by() else { return Ok(()) };
        let of_key = running.filter(|other| other.limited_by() == Some(key)).count() as u64;
        if limits.running_per_key.is_some_and(|most| of_key >= most) {
            return Err(Held::Key(None));
        }
        if let Some(rate) = limits.rate_per_key {
            let last = flow.and_then(|flow| flow.started_by_key.get(key)).copied();
            rate.start(last, now).map_err(|wait| Held::Key(Some(wait)))?;
        }
        Ok(())
    }

    fn count_start(&mut self, record: &Record, limits: &Limits, now: Stamp) {
        let flow = self.flows.entry(record.job.flow.clone()).or_default();
        if let Some(rate) = limits.rate {
            flow.started = rate.start(flow.started, now).ok().or(flow.started);
        }
        if let (Some(rate), Some(key)) = (limits.rate_per_key, record.limited_by()) {
            if let Ok(next) = rate.start(flow.started_by_key.get(key).copied(), now) {
                flow.started_by_key.insert(key.clone(), next);
            }
        }
    }
}
