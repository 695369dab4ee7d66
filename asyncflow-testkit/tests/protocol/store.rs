//! The store: it checks the real guards, applies the real patches, and the judge looks at what comes of it.

use asyncflow_core::{
    Mark, State, Token,
    store::{Guard, Parts, Patch},
};

use crate::{
    rules::{NOW, Protocol, Rule, job, taken_at},
    world::{End, Flaw, Held, Job, Look, Past, Slot, World},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    Applied,
    Refused,
    Missing,
}

/// Why a record changes: for the judge alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    Asked,
    Ended(End),
    LeaseLost,
    Other,
}

impl Protocol {
    /// Inserts a job, and says whether it is new.
    pub fn insert(&self, world: &mut World, id: usize) -> bool {
        let known = if self.has(Rule::KeysApart) {
            world.key
        } else {
            // What the key stands for is looked up among the records.
            world.key.filter(|key| world.jobs[*key].is_some_and(|job| job.mark < Mark::Forget))
        };
        if self.keyed && known.is_some_and(|known| known != id) {
            return false;
        }
        match world.jobs[id] {
            Some(Job { mark: Mark::Forget, state, .. }) if state.is_ended() && !self.has(Rule::ForgottenIsInert) => {}
            Some(_) => return false,
            None => {}
        }
        if world.past[id].created {
            world.flaw(Flaw::Revived);
        }
        if self.keyed && world.key.is_some_and(|key| key != id) {
            world.flaw(Flaw::TwoJobs);
        }
        world.key.get_or_insert(id);
        world.past[id].created = true;
        world.jobs[id] = Some(self.submitted());
        self.saw_change(world, id, true, true);
        true
    }

    /// Applies a change that goes by the record as somebody saw it.
    pub fn change(
        &self,
        world: &mut World,
        id: usize,
        (guard, patch): (Guard, Patch),
        (same_version, same_due): (bool, bool),
        why: Why,
    ) -> Changed {
        let Some(before) = world.jobs[id] else { return Changed::Missing };
        let mut record = self.record(id, &before, same_version, same_due);
        let guard = match guard {
            Guard::Holder { token, knows, .. } if !self.has(Rule::HolderOfOneClaim) => {
                Guard::Holder { token, started: record.started, knows }
            }
            guard => guard,
        };
        if !guard.admits(&record, NOW) {
            return Changed::Refused;
        }
        if patch.purge {
            if before.state == State::Processing {
                world.flaw(Flaw::PurgedWhileHeld);
            }
            world.jobs[id] = None;
            self.left(world, id, false);
            self.saw_change(world, id, true, true);
            return Changed::Applied;
        }
        let (version, due) = (record.version, record.due);
        patch.apply(&mut record, None, NOW);
        let request = match patch.parts {
            Parts::Keep | Parts::Error(_) => before.request,
            Parts::Result(_) | Parts::Drop => false,
        };
        let after = job(&record, request);
        world.jobs[id] = Some(after);
        if record.version < version || (patch.to.is_some() && record.version == version) {
            world.flaw(Flaw::VersionShrank);
        }
        self.saw_change(world, id, record.version != version, record.due != due);
        if before.state == State::Processing && after.state != State::Processing {
            self.left(world, id, why == Why::LeaseLost);
        }
        self.judge(world, id, &before, &after, why);
        Changed::Applied
    }

    /// What is held under a token, renewed; or else what is ready, taken under it for somebody or nobody.
    pub fn take(&self, world: &mut World, token: u8, pick: Option<usize>, for_nobody: bool) -> Option<Held> {
        let held = |job: &Option<Job>| job.is_some_and(|job| job.token == Some(token));
        let patch = self.claim();
        if let Some(id) = world.jobs.iter().position(held).filter(|_| self.has(Rule::SameTokenSameJobs)) {
            if self.has(Rule::AskedAgainRenews) {
                let renewed = Patch { due: patch.due, quiet: true, ..Patch::default() };
                self.change(world, id, (Guard::Version(7), renewed), (true, true), Why::Other);
            }
            return self.answer(world, id, token);
        }
        let counts = |job: &&Job| {
            job.state == State::Processing && (job.mark < Mark::Forget || self.has(Rule::LimitCountsForgotten))
        };
        if self.limit.is_some_and(|limit| world.jobs.iter().flatten().filter(counts).count() >= limit) {
            return None;
        }
        let ready = |id: &usize| world.jobs[*id].is_some_and(|job| job.state == State::Enqueued);
        let id = (0..self.jobs).filter(|id| pick.is_none_or(|pick| pick == *id)).find(ready)?;
        let before = world.jobs[id]?;
        let mut record = self.record(id, &before, true, true);
        patch.apply(&mut record, Some(Token::from_u128(token.into())), NOW);
        record.started = Some(taken_at(world.fresh_start(token)));
        world.jobs[id] = Some(job(&record, before.request));
        (world.past[id].started, world.past[id].excused) = (false, for_nobody);
        self.saw_change(world, id, true, true);
        if !before.request {
            world.flaw(Flaw::NothingToRun);
        }
        self.answer(world, id, token)
    }

    fn answer(&self, world: &World, id: usize, token: u8) -> Option<Held> {
        let job = world.jobs[id]?;
        Some(Held {
            job: id,
            token,
            started: job.started,
            mark: job.mark,
            counts: job.counts,
            current: true,
            lost: false,
        })
    }

    /// The write that ends an attempt.
    pub fn finish(&self, world: &mut World, held: &Held, end: End) -> Changed {
        let Ok(decided) = self.ending(held, end) else { return Changed::Missing };
        let why = if held.current { Why::Ended(end) } else { Why::Other };
        let changed = self.change(world, held.job, decided, (true, true), why);
        if changed == Changed::Applied && !held.current {
            world.flaw(Flaw::Stale);
        }
        changed
    }

    /// A job is held no more by the claim that held it.
    fn left(&self, world: &mut World, id: usize, lost: bool) {
        for held in world.held().filter(|held| held.job == id && held.current) {
            (held.current, held.lost) = (false, lost);
        }
    }

    fn saw_change(&self, world: &mut World, id: usize, version: bool, due: bool) {
        for node in &mut world.nodes {
            match &mut node.looks[id] {
                Look::Writing { same_version, same_due, .. } => {
                    (*same_version, *same_due) = (*same_version && !version, *same_due && !due);
                }
                look if due => *look = Look::No,
                _ => {}
            }
        }
    }

    fn judge(&self, world: &mut World, id: usize, before: &Job, after: &Job, why: Why) {
        let Past { asked, started, excused, .. } = world.past[id];
        if before.state.is_ended() && after.state != before.state {
            world.flaw(Flaw::EndedChanged);
        }
        if asked > Mark::None
            && (after.state.is_waiting() || (after.state == State::Failed && before.state != after.state))
        {
            world.flaw(Flaw::Undone);
        }
        if asked == Mark::Forget && after.mark < Mark::Forget {
            world.flaw(Flaw::Revived);
        }
        let past = &mut world.past[id];
        match why {
            Why::LeaseLost => {
                past.lost += 1;
                let early = after.state == State::Failed && past.lost < self.policy.max_crashes;
                if !started && !excused && before.mark == Mark::None {
                    world.flaw(Flaw::CrashOfNoHandler);
                }
                if early {
                    world.flaw(Flaw::LostTooEarly);
                }
                if !excused && world.nodes.iter().any(|node| node.acts() && node.slot.holds(id, before)) {
                    world.flaw(Flaw::HealthyLost);
                }
            }
            Why::Ended(End::Snoozed) => {
                past.lost = 0;
                past.put_off += u8::from(after.state == State::Scheduled);
                if u16::from(past.put_off) > self.policy.max_snoozes {
                    world.flaw(Flaw::PutOffTooOften);
                }
            }
            Why::Ended(End::Failed | End::Succeeded) => past.lost = 0,
            Why::Ended(End::Drained) if after.counts.crashes > before.counts.crashes => {
                world.flaw(Flaw::CrashOfNoHandler)
            }
            Why::Ended(_) | Why::Asked | Why::Other => {}
        }
    }
}

impl Held {
    /// The record is held by the very claim that gave this.
    pub fn holds(&self, id: usize, job: &Job) -> bool {
        self.job == id && job.token == Some(self.token) && job.started == self.started
    }
}

impl Slot {
    /// Whether it is worked on under the claim by which the record is held, within its lease: its heartbeats arrive.
    pub fn holds(&self, id: usize, job: &Job) -> bool {
        match self {
            Self::Free => false,
            Self::Asking { token, .. } => job.token == Some(*token),
            Self::Taken { run, next } => {
                let working = run.held.holds(id, job) && !run.overdue && run.works();
                let beside = next.is_some_and(|next| next.holds(id, job));
                working || beside || (job.token.is_some() && job.token == run.claim)
            }
        }
    }
}
