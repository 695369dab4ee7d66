//! What a node does: as `asyncflow-core`'s engine and worker do it, one round trip a step.

use asyncflow_core::{
    Mark, State,
    store::{Guard, Patch},
};

use crate::{
    rules::{Protocol, Rule},
    store::{Changed, Why},
    world::{Doing, End, Flaw, Flight, Held, Job, Life, Look, Run, Slot, Stop, World},
};

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    Answered,
    /// It is lost before it comes to the store.
    RequestLost,
    /// It is applied, and its answer lost.
    AnswerLost,
    /// Its asker gives up waiting, and it lands later.
    Late,
}

impl Protocol {
    fn token(&self, world: &World) -> u8 {
        if self.has(Rule::RandomToken) { world.fresh_token() } else { 1 }
    }

    /// Pays for what goes wrong; `false`: it goes wrong no more.
    fn pay(&self, world: &mut World, fate: Fate) -> bool {
        let left = match fate {
            Fate::Answered => return true,
            Fate::RequestLost | Fate::AnswerLost => &mut world.left.lost,
            Fate::Late => &mut world.left.late,
        };
        let pays = *left > 0;
        *left = left.saturating_sub(1);
        pays
    }

    /// Inserts a job, and claims where a slot is free.
    pub fn submit(&self, world: &mut World, n: usize, id: usize, fate: Fate) -> bool {
        let node = &world.nodes[n];
        let earlier =
            id == 0 || world.past[id - 1].created || world.nodes.iter().any(|node| node.inserting == Some(id - 1));
        if !node.acts()
            || node.life != Life::Open
            || node.inserting.is_some()
            || self.submitted_before(world, id)
            || !earlier
        {
            return false;
        }
        let free = node.slot == Slot::Free;
        if !self.pay(world, fate) {
            return false;
        }
        let claim = free.then(|| self.token(world));
        match fate {
            Fate::Answered => {
                self.insert(world, id);
                let held = claim.and_then(|token| self.take(world, token, None, false));
                let started = held.is_some_and(|held| held.job == id);
                if let Some(held) = held {
                    self.begin(world, n, held, true);
                }
                self.dispatch(world, id, started);
                return true;
            }
            Fate::RequestLost => {}
            Fate::AnswerLost => {
                self.insert(world, id);
                claim.and_then(|token| self.take(world, token, None, false));
            }
            Fate::Late => world.flights.push(Flight::Insert { job: id, claim }),
        }
        world.nodes[n].inserting = Some(id);
        if let Some(token) = claim {
            world.nodes[n].slot = Slot::Asking { token, job: None };
        }
        true
    }

    fn submitted_before(&self, world: &World, id: usize) -> bool {
        world.past[id].created
            || world.nodes.iter().any(|node| node.inserting == Some(id))
            || world.flights.iter().any(|flight| matches!(flight, Flight::Insert { job, .. } if *job == id))
    }

    /// Word of a job that the node which took it in does not run.
    fn dispatch(&self, world: &mut World, id: usize, started: bool) {
        if self.carrying && !started && world.jobs[id].is_some_and(|job| job.state == State::Enqueued) {
            world.carried[id] += 1;
        }
    }

    pub fn insert_again(&self, world: &mut World, n: usize, fate: Fate) -> bool {
        let Some(id) = world.nodes[n].inserting.filter(|_| world.nodes[n].acts()) else { return false };
        if fate == Fate::RequestLost || !self.pay(world, fate) {
            return false;
        }
        if fate == Fate::Late {
            world.flights.push(Flight::Insert { job: id, claim: None });
            return true;
        }
        self.insert(world, id);
        if fate == Fate::Answered {
            world.nodes[n].inserting = None;
            self.dispatch(world, id, false);
        }
        true
    }

    pub fn give_up(&self, world: &mut World, n: usize) -> bool {
        if !world.nodes[n].acts() || world.nodes[n].inserting.is_none() {
            return false;
        }
        world.nodes[n].inserting = None;
        if let (Slot::Asking { .. }, false) = (world.nodes[n].slot, self.has(Rule::GivenUpInsertResolvesClaim)) {
            world.nodes[n].slot = Slot::Free;
        }
        true
    }

    /// Claims for a free slot: what is next, or the job of a message.
    pub fn claim_one(&self, world: &mut World, n: usize, job: Option<usize>, fate: Fate) -> bool {
        let node = &world.nodes[n];
        if !node.acts() || node.life != Life::Open || node.slot != Slot::Free {
            return false;
        }
        match job {
            Some(id) if world.carried[id] == 0 => return false,
            Some(id) => world.carried[id] -= 1,
            None if self.carrying && !self.has(Rule::IdleSlotsClaim) => return false,
            None => {}
        }
        if !self.pay(world, fate) {
            return false;
        }
        let token = self.token(world);
        world.nodes[n].slot = Slot::Asking { token, job };
        match fate {
            Fate::Answered => return self.ask_again(world, n, fate),
            Fate::RequestLost => {}
            Fate::AnswerLost => drop(self.take(world, token, job, false)),
            Fate::Late => world.flights.push(Flight::Claim { token, job }),
        }
        true
    }

    /// Asks again for a claim that was not answered, under its token.
    pub fn ask_again(&self, world: &mut World, n: usize, fate: Fate) -> bool {
        let (Slot::Asking { token, job }, true) = (world.nodes[n].slot, world.nodes[n].acts()) else { return false };
        if fate == Fate::RequestLost || !self.pay(world, fate) {
            return false;
        }
        match fate {
            Fate::Late => world.flights.push(Flight::Claim { token, job }),
            Fate::AnswerLost => drop(self.take(world, token, job, false)),
            _ => {
                world.nodes[n].slot = Slot::Free;
                if let Some(held) = self.take(world, token, job, false) {
                    self.begin(world, n, held, true);
                }
            }
        }
        true
    }

    /// Starts the handler of a job that a claim gave, or not.
    fn begin(&self, world: &mut World, n: usize, held: Held, at_once: bool) {
        let mut run = Run::new(held);
        let id = held.job;
        if held.mark > Mark::None && self.has(Rule::MarksAtTheAnswer) {
            run.doing = Doing::Ending { end: End::Stopped { started: false }, body: false };
        } else if world.nodes[n].life != Life::Open {
            run.doing = Doing::Ending { end: End::Drained, body: false };
        } else {
            let asked = world.past[id].asked > Mark::None && at_once;
            if held.mark > Mark::None || asked {
                world.flaw(Flaw::StartedMarked);
            }
            let beside = world.nodes.iter().any(|node| {
                let runs = matches!(&node.slot, Slot::Taken { run, .. } if run.has_body() && run.held.job == id && !run.held.lost);
                runs || node.strays[id]
            });
            if beside {
                world.flaw(Flaw::Overlap);
            }
            world.past[id].started |= held.current;
        }
        world.nodes[n].slot = Slot::Taken { run, next: None };
    }

    /// The handler ends by itself.
    pub fn end(&self, world: &mut World, n: usize, end: End) -> bool {
        let acts = world.nodes[n].acts();
        let Some(run) = world.nodes[n].run().filter(|_| acts) else { return false };
        let Doing::Running(stop) = run.doing else { return false };
        run.doing = match (stop, end) {
            (Stop::Lost, End::Succeeded) => return self.done(world, n),
            (Stop::Drained, End::Failed) | (Stop::Lost, _) => return false,
            (Stop::Drained, End::Snoozed) => return false,
            (_, end) => Doing::Ending { end, body: false },
        };
        true
    }

    /// A handler that was told to stop is dropped after its grace.
    pub fn drop_handler(&self, world: &mut World, n: usize) -> bool {
        let (acts, holds) = (world.nodes[n].acts(), self.has(Rule::BodyHoldsSlot));
        let Some(run) = world.nodes[n].run().filter(|_| acts) else { return false };
        let Doing::Running(stop) = run.doing else { return false };
        let (end, body) = match stop {
            Stop::Not => return false,
            // Where the fleet has a limit, the record ends with the body.
            Stop::Marked if run.stubborn && self.limit.is_some() && holds => return false,
            Stop::Marked => (End::Stopped { started: true }, run.stubborn),
            Stop::Drained if run.stubborn && holds => return false,
            Stop::Drained => (End::Drained, run.stubborn),
            Stop::Lost if run.stubborn => {
                run.doing = Doing::Body;
                return true;
            }
            Stop::Lost => return self.done(world, n),
        };
        run.doing = Doing::Ending { end, body };
        true
    }

    /// A body that could not be dropped ends.
    pub fn body_ends(&self, world: &mut World, n: usize) -> bool {
        if !world.nodes[n].acts() {
            return false;
        }
        if let Some(stray) = world.nodes[n].strays.iter_mut().find(|stray| **stray) {
            *stray = false;
            return true;
        }
        let Some(run) = world.nodes[n].run().filter(|run| run.stubborn) else { return false };
        run.stubborn = false;
        match &mut run.doing {
            Doing::Body => self.done(world, n),
            Doing::Ending { body, .. } => {
                *body = false;
                true
            }
            // It can be dropped from now on.
            Doing::Running(_) => true,
        }
    }

    /// Sends the end, and with it a claim where the node goes on.
    pub fn finish_one(&self, world: &mut World, n: usize, with_claim: bool, fate: Fate) -> bool {
        let node = &world.nodes[n];
        let Slot::Taken { run, next } = node.slot else { return false };
        let (Doing::Ending { end, body }, true) = (run.doing, node.acts()) else { return false };
        let again = run.claim.is_some();
        let may_claim = node.life == Life::Open && !body && next.is_none();
        if fate == Fate::RequestLost
            || (again && !with_claim)
            || (with_claim && !again && !may_claim)
            || !self.pay(world, fate)
        {
            return false;
        }
        let claim = run.claim.or_else(|| with_claim.then(|| self.token(world)));
        if let Some(run) = world.nodes[n].run() {
            run.claim = claim;
        }
        if fate == Fate::Late {
            world.flights.push(Flight::Finish { held: run.held, end, claim });
            return true;
        }
        let changed = self.finish(world, &run.held, end);
        let taken = claim.and_then(|token| self.take(world, token, None, false));
        if fate == Fate::AnswerLost {
            return true;
        }
        let Slot::Taken { run: mut now, next } = world.nodes[n].slot else { return false };
        now.claim = None;
        let next = next.or(taken);
        world.nodes[n].slot = Slot::Taken { run: now, next };
        let own = |job: &Job| match self.has(Rule::DecidesAgainForItsClaim) {
            true => self.same_claim(&run.held, job),
            false => job.token == Some(run.held.token),
        };
        match (changed, world.jobs[run.held.job].filter(own)) {
            (Changed::Refused, Some(job)) => {
                // Marked in between: one decides again.
                (now.held.mark, now.held.started) = (job.mark, job.started);
                world.nodes[n].slot = Slot::Taken { run: now, next };
                true
            }
            _ => self.done(world, n),
        }
    }

    /// Nothing is left to write of a run.
    pub fn done(&self, world: &mut World, n: usize) -> bool {
        let Slot::Taken { run, next } = &mut world.nodes[n].slot else { return false };
        let (id, next) = (run.held.job, *next);
        if matches!(run.doing, Doing::Ending { body: true, .. }) {
            if self.has(Rule::BodyHoldsSlot) {
                (run.doing, run.claim) = (Doing::Body, None);
                return true;
            }
            world.nodes[n].strays[id] = true;
        }
        world.nodes[n].slot = Slot::Free;
        if let Some(held) = next {
            self.begin(world, n, held, false);
        }
        true
    }

    /// Renews the lease, and hears of marks.
    pub fn heartbeat(&self, world: &mut World, n: usize) -> bool {
        let node = &mut world.nodes[n];
        let acts = node.acts();
        let Some(run) = node.run().filter(|run| acts && run.works()) else { return false };
        let held = run.held;
        let record = world.jobs[held.job].filter(|job| self.same_claim(&held, job));
        let Some(job) = record else {
            if let Doing::Running(stop) = &mut run.doing {
                *stop = Stop::Lost;
            }
            return true;
        };
        if let Doing::Running(stop) = &mut run.doing {
            if job.mark > Mark::None {
                (*stop, run.held.mark) = ((*stop).max(Stop::Marked), job.mark);
            }
        }
        run.overdue = false;
        world.past[held.job].excused &= !held.current;
        if job.due {
            let renewed = Patch { due: self.claim().due, quiet: true, ..Patch::default() };
            self.change(world, held.job, (Guard::Version(7), renewed), (true, true), Why::Other);
        }
        true
    }

    /// Sees an expired lease; where it is the second time, sends that it is lost. `cut`: the holder's heartbeats do not arrive.
    pub fn look(&self, world: &mut World, n: usize, id: usize, cut: bool) -> bool {
        let Some(job) = world.jobs[id].filter(|job| job.state == State::Processing && job.due) else { return false };
        if !world.nodes[n].acts() {
            return false;
        }
        let healthy = world.nodes.iter().any(|node| node.acts() && node.slot.holds(id, &job));
        match world.nodes[n].looks[id] {
            Look::Writing { .. } => return false,
            Look::No if cut => return false,
            Look::No if self.has(Rule::TwoLooks) => {
                world.nodes[n].looks[id] = Look::Once;
                return true;
            }
            Look::No => {}
            // Between the looks passes a heartbeat's time: who is healthy has renewed its lease by then.
            Look::Once if healthy && !cut => return false,
            Look::Once if cut => {
                if !healthy || world.left.cuts == 0 {
                    return false;
                }
                world.left.cuts -= 1;
                world.past[id].excused = true;
                for run in world.nodes.iter_mut().filter_map(|node| node.run()) {
                    run.overdue |= run.held.job == id && Some(run.held.token) == job.token;
                }
            }
            Look::Once => {}
        }
        // When it was taken says nothing here.
        let saw = Job { started: 0, ..job };
        world.nodes[n].looks[id] = Look::Writing { saw, same_version: true, same_due: true };
        true
    }

    /// The write of a lost lease lands.
    pub fn recover(&self, world: &mut World, n: usize, id: usize) -> bool {
        let Look::Writing { saw, same_version, same_due } = world.nodes[n].looks[id] else { return false };
        world.nodes[n].looks[id] = Look::No;
        if let Some(decided) = self.due(id, &saw) {
            let same_due = same_due || !self.has(Rule::StillDueSeesTheLease);
            self.change(world, id, decided, (same_version, same_due), Why::LeaseLost);
        }
        true
    }

    /// Looks after what is due and no lease. A job that was put off is due some time. A ready one would be, too: but what ends it for
    /// having waited for too long would hide that nobody takes it.
    pub fn tend(&self, world: &mut World, id: usize) -> bool {
        let Some(job) = world.jobs[id] else { return false };
        let forgotten = job.mark == Mark::Forget && !self.has(Rule::PurgeWaitsForTheWorker);
        let tended = match job.state {
            State::Scheduled => true,
            State::Enqueued => false,
            State::Processing => job.due && forgotten,
            State::Succeeded | State::Failed | State::Cancelled => job.due,
        };
        if !tended || !world.nodes.iter().any(|node| node.acts()) {
            return false;
        }
        let job = Job { due: true, ..job };
        world.jobs[id] = Some(job);
        let Some(decided) = self.due(id, &job) else { return false };
        self.change(world, id, decided, (true, true), Why::Other) == Changed::Applied
    }
}

impl Protocol {
    /// The record is held by the claim of this answer, as far as the guard of its holder tells.
    fn same_claim(&self, held: &Held, job: &Job) -> bool {
        job.token == Some(held.token) && (job.started == held.started || !self.has(Rule::HolderOfOneClaim))
    }
}

impl Run {
    /// Its job is the node's own, as far as the node knows.
    pub fn works(&self) -> bool {
        matches!(self.doing, Doing::Running(Stop::Not | Stop::Marked | Stop::Drained) | Doing::Ending { .. })
    }
}
