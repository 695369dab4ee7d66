//! What the store applied, entry by entry, in the order in which it did.

use std::sync::Arc;

use asyncflow_core::{
    JobKey, Mark, Record, Stamp, State, Token,
    store::{Answers, Batch, Change, Changed, Claim, Guard, Insert, Inserted, Part, Parts, Pick, YOUNGEST_PURGED},
};

use super::{
    BOUNDED, Case, ENDS, Hold, Judge, Known, LEASES, LIMITS, NO_WAY_BACK, ONE_OUTCOME, Told, Use, lives, shown,
};

/// Failed writes for a job that excuse the loss of its lease: a lease is renewed more often.
const MANY: u32 = 3;

impl Judge {
    /// A batch was applied and answered so. `late`: nobody waits for the answer any more.
    pub(in super::super) fn wrote(&mut self, life: usize, batch: &Batch, answers: &Answers, late: bool) {
        for (insert, inserted) in batch.inserts.iter().zip(&answers.inserts) {
            self.inserted(life, insert, *inserted);
        }
        for (change, changed) in batch.changes.iter().zip(&answers.changes) {
            match changed {
                Changed::Applied(record) => self.changed(life, change, record),
                Changed::Refused(_) => self.story.of(change.job.id, format_args!("a change is refused")),
                Changed::Missing => self.story.of(change.job.id, format_args!("a change finds no record")),
            }
        }
        for (claim, taken) in batch.claims.iter().zip(&answers.claims) {
            for claimed in &taken.jobs {
                self.claimed(life, claim, &claimed.record, late);
            }
        }
    }

    /// A batch was not applied, or its answer is lost.
    pub(in super::super) fn failed(&mut self, batch: &Batch) {
        let held = batch.claims.iter().filter_map(|claim| self.held.get(&claim.token)).flatten().copied();
        let changed = batch.changes.iter().filter_map(|change| self.by_id.get(&change.job.id)).copied();
        let all: Vec<usize> = held.chain(changed).collect();
        for index in all {
            if let Some(hold) = &mut self.cases[index].hold {
                hold.failures += 1;
            }
        }
    }

    /// A node was given what it claimed.
    pub(in super::super) fn told(&mut self, life: usize, answers: &Answers) {
        for claimed in answers.claims.iter().flat_map(|taken| &taken.jobs) {
            let Some(index) = self.by_id.get(&claimed.record.job.id) else { continue };
            if let Some(token) = claimed.record.token {
                let (attempt, mark) = (claimed.record.attempt(), claimed.record.mark);
                self.cases[*index].told.push(Told { life, token, attempt, mark });
            }
        }
    }

    fn inserted(&mut self, life: usize, insert: &Insert, inserted: Inserted) {
        let (job, node) = (insert.job.id, self.lives[life].node);
        self.story.of(job, format_args!("node {node} inserts it into {}: {inserted:?}", insert.job.flow));
        let name = |key: &Arc<str>| (insert.job.flow.clone(), insert.owner.clone(), key.clone());
        let key = insert.idempotency.as_ref().map(|idempotency| name(&idempotency.key));
        let used = key.as_ref().and_then(|key| self.keys.get(key));
        match inserted {
            Inserted::Created { created } => {
                if let Some(first) = used.filter(|used| used.until > self.store_latest).map(|used| used.id) {
                    self.rule(ONE_OUTCOME, None, format_args!("one key gives two jobs: {first} and {job}"));
                }
                if let (Some(key), Some(idempotency)) = (key, &insert.idempotency) {
                    self.keys.insert(key, Use { id: job, until: created + idempotency.keep });
                }
                self.created(life, insert, created);
            }
            Inserted::Existing { id, .. } if id != job => {
                let unique = insert.unique.as_ref().and_then(|unique| self.unique.get(&name(&unique.key)));
                let by_key = used.is_some_and(|used| used.id == id);
                let by_unique = unique.is_some_and(|index| self.cases[*index].record.job.id == id);
                if let (true, Some(key), Some(idempotency)) = (by_unique && !by_key, key, &insert.idempotency) {
                    // A request that found the job of its unique key finds that ever after.
                    self.keys.insert(key, Use { id, until: self.store_now + idempotency.keep });
                }
                if !by_key && !by_unique {
                    self.rule(ONE_OUTCOME, None, format_args!("{id} is answered for {job}, and is none of its keys'"));
                }
            }
            _ => {}
        }
    }

    fn created(&mut self, life: usize, insert: &Insert, created: Stamp) {
        let record = insert.record(created);
        if let Some(index) = self.by_id.get(&record.job.id).copied() {
            let (made, by) = self.cases[index].made;
            // A submitter that was frozen, or a clock that was set forward by more than the age below which nothing is purged.
            let excused = self.lives[by].frozen.since(made) || self.jumped.is_some_and(|jumped| jumped >= made);
            if !excused {
                self.rule(NO_WAY_BACK, Some(index), format_args!("a job that was purged is inserted again"));
            }
            self.forget(index);
            self.cases[index].record = record;
            self.cases[index].purged = false;
            self.cases[index].known = Known::default();
            self.cases[index].cancelled = false;
        } else {
            self.by_id.insert(record.job.id, self.cases.len());
            self.cases.push(Case {
                record,
                purged: false,
                hold: None,
                lost: Vec::new(),
                told: Vec::new(),
                runs: Vec::new(),
                outcome: None,
                made: (self.now, life),
                known: Known::default(),
                cancelled: false,
            });
            self.counts.jobs += 1;
        }
        (self.open, self.kept) = (self.open + 1, self.kept + 1);
        let index = self.by_id[&insert.job.id];
        if let Some(unique) = &insert.unique {
            let name = (insert.job.flow.clone(), insert.owner.clone(), unique.key.clone());
            let other = self.unique.insert(name, index).filter(|other| *other != index);
            let other = other.map(|other| &self.cases[other]).filter(|other| !other.purged);
            if let Some(other) = other.filter(|other| lives(other.record.state, other.record.mark)) {
                let other = other.record.job.id;
                self.rule(ONE_OUTCOME, Some(index), format_args!("{other} lives under the same unique key"));
            }
        }
    }

    /// What waits now under a unique key, and may give way to what is inserted.
    pub(in super::super) fn may_give_way(&self, insert: &Insert) -> Option<JobKey> {
        let unique = insert.unique.as_ref()?;
        let index = *self.unique.get(&(insert.job.flow.clone(), insert.owner.clone(), unique.key.clone()))?;
        let case = &self.cases[index];
        (!case.purged && case.record.state.is_waiting()).then(|| case.record.job.clone())
    }

    /// A waiting job that may have given way to another, as it is now.
    pub(in super::super) fn gave_way(&mut self, now: &Record) {
        let Some(index) = self.by_id.get(&now.job.id).copied() else { return };
        // Where it did not, it may have been claimed in the same step.
        if now.state.is_ended() && self.cases[index].record.version < now.version {
            self.story.of(now.job.id, format_args!("gives way: {}", shown(now)));
            self.become_(index, now);
        }
    }

    fn changed(&mut self, life: usize, change: &Change, now: &Record) {
        let node = self.lives[life].node;
        let Some(index) = self.by_id.get(&change.job.id).copied() else {
            return self.rule(
                ENDS,
                None,
                format_args!("a record is changed that was never inserted: {}", change.job.id),
            );
        };
        if change.patch.purge {
            self.story.of(change.job.id, format_args!("node {node} purges it"));
            return self.purged(index);
        }
        if change.patch.quiet {
            self.story.of(change.job.id, format_args!("node {node} renews it"));
        } else {
            let guard = guard(&change.guard);
            self.story.of(change.job.id, format_args!("node {node} changes it ({guard}): {}", shown(now)));
        }
        let before = self.cases[index].record.clone();
        let lost = now.tally.crashes_in_all > before.tally.crashes_in_all;
        if before.state == State::Processing {
            if lost {
                self.lost(index, &before);
            } else if now.state != State::Processing {
                self.left(index, life, change, &before);
            } else if matches!(change.guard, Guard::Holder { .. }) && !self.is_limited(&before) {
                // Where the fleet is limited, a worker gives up at its own deadline, and what it renews after that is lost all the same.
                if let Some(hold) = &mut self.cases[index].hold {
                    (hold.renewed, hold.failures) = (self.now, 0);
                }
            }
        }
        match &change.patch.parts {
            Parts::Result(part) => self.outcome(index, run_of(part), before.token),
            Parts::Error(_) if !lost => self.failure(index, before.token),
            _ => {}
        }
        self.become_(index, now);
    }

    /// A worker's lease is taken away.
    fn lost(&mut self, index: usize, before: &Record) {
        self.counts.lost += 1;
        if before.due > self.store_latest {
            self.rule(LEASES, Some(index), format_args!("a lease is taken that is not over"));
        }
        self.cases[index].lost.extend(before.token);
        let Some(hold) = self.cases[index].hold.clone() else { return };
        let life = &self.lives[hold.life];
        let gone = life.gone.is_some_and(|gone| gone != super::Gone::Drained { cut_off: false });
        // With the clock set forward, one is enough.
        let many = if self.jumped.is_some_and(|jumped| jumped >= hold.renewed) { 1 } else { MANY };
        if !gone && !hold.late && hold.failures < many && !life.disturbed_since(hold.renewed) {
            let node = life.node;
            self.rule(LEASES, Some(index), format_args!("the lease of node {node} is taken, which could renew it"));
        }
    }

    /// A job that ran runs no more, as its worker says.
    fn left(&mut self, index: usize, life: usize, change: &Change, before: &Record) {
        let holder = self.cases[index].hold.as_ref().map(|hold| hold.life);
        let limited = self.is_limited(before);
        if holder != Some(life) {
            self.rule(ONE_OUTCOME, Some(index), format_args!("a job is ended by another than its worker"));
        } else if let Some(stays) = self.works_under(index, before.token) {
            // Who asked a body to stop that cannot be dropped does not wait for it, unless a limit does.
            if !stays || limited || change.patch.to != Some(State::Cancelled) {
                self.rule(ONE_OUTCOME, Some(index), format_args!("a job is given away while its body works"));
            }
        }
    }

    /// Whether the fleet may run just so many of its flow.
    fn is_limited(&self, record: &Record) -> bool {
        self.plan(&record.job.flow).is_some_and(|plan| plan.most_running().is_some())
    }

    fn purged(&mut self, index: usize) {
        let record = &self.cases[index].record;
        let young = record.created + YOUNGEST_PURGED > self.store_latest;
        if !record.state.is_ended() {
            self.rule(ENDS, Some(index), format_args!("a job is purged that has not ended"));
        } else if young {
            self.rule(BOUNDED, Some(index), format_args!("a job is purged within a minute after it was made"));
        }
        self.forget(index);
        self.cases[index].purged = true;
        self.kept -= 1;
    }

    fn claimed(&mut self, life: usize, claim: &Claim, now: &Record, late: bool) {
        let (job, node) = (now.job.id, self.lives[life].node);
        let Some(index) = self.by_id.get(&job).copied() else {
            return self.rule(ENDS, None, format_args!("a job is claimed that was never inserted: {job}"));
        };
        let before = self.cases[index].record.clone();
        let again = before.state == State::Processing;
        self.story.of(
            job,
            format_args!(
                "node {node} claims it under {}{}{}",
                short(claim.token),
                if again { " again" } else { "" },
                if late { ", too late" } else { "" }
            ),
        );
        if again {
            let holder = self.cases[index].hold.as_ref().map(|hold| hold.life);
            if before.token != Some(claim.token) || holder != Some(life) {
                self.rule(ONE_OUTCOME, Some(index), format_args!("node {node} claims what another holds"));
            }
        } else if before.state != State::Enqueued {
            self.rule(NO_WAY_BACK, Some(index), format_args!("a job is claimed that is {}", before.state));
        }
        // Of a claim that lands once more, too late, its worker never knows: it goes by what it knew before.
        if !(late && again) {
            self.cases[index].hold = Some(Hold { life, renewed: self.now, late, failures: 0 });
        }
        self.become_(index, now);
        if !again {
            self.within_limits(index, claim);
        }
    }

    /// Of the flow and of the key, no more run and start than may, whoever claims.
    fn within_limits(&mut self, index: usize, claim: &Claim) {
        let record = &self.cases[index].record;
        let (flow, key) = (record.job.flow.clone(), record.limited_by().cloned());
        let Some(plan) = self.plan(&flow) else { return };
        let limits = plan.options.limits.clone();
        let of_key = limits.running_per_key.filter(|_| key.is_some());
        for (key, most) in [(None, plan.most_running()), (key, of_key)] {
            let Some(most) = most else { continue };
            let running = self.running.get(&(flow.clone(), key.clone())).copied().unwrap_or(0);
            if running > most {
                self.rule(LIMITS, Some(index), format_args!("{running} are claimed of {flow}, key {key:?}, of {most}"));
            }
        }
        let Some(rate) = limits.rate.filter(|_| matches!(claim.pick, Pick::Next { .. })) else { return };
        let now = self.store_now;
        let starts = self.starts.entry(flow.clone()).or_default();
        starts.push(now);
        starts.retain(|start| *start + rate.per > now);
        if starts.len() > 2 * rate.jobs as usize {
            let (started, per) = (starts.len(), rate.per);
            self.rule(LIMITS, Some(index), format_args!("{started} of {flow} started in {per:?}"));
        }
    }

    /// A record has become what it is now: what may never happen to one.
    fn become_(&mut self, index: usize, now: &Record) {
        let before = std::mem::replace(&mut self.cases[index].record, now.clone());
        let (was, is) = (before.state, now.state);
        let visible = (was, before.mark, before.tally, &before.progress) != (is, now.mark, now.tally, &now.progress);
        if now.version < before.version || (visible && now.version == before.version) {
            self.rule(NO_WAY_BACK, Some(index), format_args!("version {} follows {}", now.version, before.version));
        }
        if now.mark < before.mark {
            self.rule(NO_WAY_BACK, Some(index), format_args!("the mark {:?} is undone", before.mark));
        }
        let changed = (before.ended, before.tally, was) != (now.ended, now.tally, is);
        if was.is_ended() && changed {
            self.rule(NO_WAY_BACK, Some(index), format_args!("an ended job changes: {}", shown(&before)));
        }
        if before.mark > Mark::None && is != was && !matches!(is, State::Succeeded | State::Cancelled) {
            self.rule(NO_WAY_BACK, Some(index), format_args!("a job goes on that is to be stopped: {}", shown(now)));
        }
        if before.mark == Mark::Forget && is == State::Succeeded && was != is {
            self.rule(NO_WAY_BACK, Some(index), format_args!("a deleted job succeeds"));
        }
        if !follows(was, is) {
            self.rule(NO_WAY_BACK, Some(index), format_args!("{was} becomes {is}"));
        }
        if is.is_ended() && !was.is_ended() {
            self.open -= 1;
        }
        self.counted(&before, now, index);
    }

    /// What is counted apart from records.
    fn counted(&mut self, before: &Record, now: &Record, index: usize) {
        let ran = before.state == State::Processing;
        let runs = now.state == State::Processing;
        if ran != runs {
            let key = now.limited_by().cloned().map(Some);
            for key in [Some(None), key].into_iter().flatten() {
                let running = self.running.entry((now.job.flow.clone(), key)).or_default();
                *running = if runs { *running + 1 } else { running.saturating_sub(1) };
            }
        }
        if before.token != now.token {
            self.unheld(before.token, index);
            if let Some(token) = now.token {
                self.held.entry(token).or_default().push(index);
            }
        }
        if !runs {
            self.cases[index].hold = None;
        }
    }

    fn unheld(&mut self, token: Option<Token>, index: usize) {
        let Some(token) = token else { return };
        if let Some(held) = self.held.get_mut(&token) {
            held.retain(|other| *other != index);
            if held.is_empty() {
                self.held.remove(&token);
            }
        }
    }

    /// A record is there no more.
    fn forget(&mut self, index: usize) {
        let record = self.cases[index].record.clone();
        self.unheld(record.token, index);
        if let Some(key) = record.unique_key {
            let name = (record.job.flow, record.owner, key);
            if self.unique.get(&name) == Some(&index) {
                self.unique.remove(&name);
            }
        }
    }
}

/// Whether a state may become another one.
fn follows(was: State, is: State) -> bool {
    use State::{Cancelled, Enqueued, Failed, Processing, Scheduled, Succeeded};
    match (was, is) {
        (Scheduled, Enqueued | Cancelled) | (Enqueued, Processing | Failed | Cancelled) => true,
        (Processing, Scheduled | Enqueued | Succeeded | Failed | Cancelled) => true,
        (was, is) => was == is,
    }
}

/// The run that gave this result.
pub(super) fn run_of(part: &Part) -> Option<usize> {
    serde_json::from_slice(&part.bytes).ok()
}

/// A token's first digits.
fn short(token: Token) -> String {
    format!("{:08x}", token.as_u128() >> 96)
}

fn guard(guard: &Guard) -> &'static str {
    match guard {
        Guard::Version(_) => "as it was read",
        Guard::Holder { .. } => "as its holder",
        Guard::StillDue { .. } => "as it is due",
    }
}
