//! What befalls a fleet: time, clients, and what goes wrong.

use asyncflow_core::{Mark, State};

use crate::{
    rules::{Protocol, Rule},
    store::{Changed, Why},
    world::{Doing, Flight, Job, Life, Look, Slot, Stop, World},
};

impl Protocol {
    /// A lease ends, unless somebody alive renews it.
    pub fn lease_ends(&self, world: &mut World, id: usize) -> bool {
        let Some(job) = world.jobs[id].filter(|job| !job.due && job.state == State::Processing) else { return false };
        if world.nodes.iter().any(|node| node.acts() && node.slot.holds(id, &job)) {
            return false;
        }
        for run in world.nodes.iter_mut().filter(|node| node.frozen).filter_map(|node| node.run()) {
            run.overdue |= Some(run.held.token) == job.token;
        }
        world.jobs[id] = Some(Job { due: true, ..job });
        true
    }

    /// A minute has passed since a job was made: its insert is sent no more, and what was sent has landed.
    pub fn a_minute_passes(&self, world: &mut World, id: usize) -> bool {
        let over =
            |job: &Job| job.state.is_ended() || (job.mark == Mark::Forget && !self.has(Rule::PurgeWaitsForTheWorker));
        let Some(job) = world.jobs[id].filter(|job| !job.due && over(job)) else { return false };
        if self.has(Rule::RetriesEndBeforePurge) {
            let on_its_way = |flight: &Flight| matches!(flight, Flight::Insert { job, .. } if *job == id);
            let sent = world.nodes.iter().any(|node| node.acts() && node.inserting == Some(id));
            if sent || world.flights.iter().any(on_its_way) {
                return false;
            }
            // A frozen node finds its patience over when it wakes.
            for node in world.nodes.iter_mut().filter(|node| node.inserting == Some(id)) {
                node.inserting = None;
            }
        }
        world.jobs[id] = Some(Job { due: true, ..job });
        true
    }

    pub fn ask_to_stop(&self, world: &mut World, id: usize, mark: Mark) -> bool {
        let Some(job) = world.jobs[id] else { return false };
        let left = if mark == Mark::Forget { &mut world.left.deletes } else { &mut world.left.cancels };
        if *left == 0 {
            return false;
        }
        *left -= 1;
        let decided = if mark == Mark::Forget { self.delete(id, &job) } else { self.cancel(id, &job) };
        let Some(decided) = decided else { return false };
        let asked = self.change(world, id, decided, (true, true), Why::Asked) == Changed::Applied;
        world.past[id].asked = world.past[id].asked.max(mark);
        asked
    }

    pub fn drain(&self, world: &mut World, n: usize) -> bool {
        if world.left.drains == 0
            || !world.nodes[n].acts()
            || world.nodes[n].life != Life::Open
            || !self.another(world, n)
        {
            return false;
        }
        world.left.drains -= 1;
        world.nodes[n].life = Life::Draining;
        if let (Slot::Asking { .. }, false) = (world.nodes[n].slot, self.has(Rule::DrainResolvesClaims)) {
            world.nodes[n].slot = Slot::Free;
        }
        true
    }

    /// A drain's patience is over.
    pub fn tell_to_drain(&self, world: &mut World, n: usize) -> bool {
        let node = &mut world.nodes[n];
        let told = node.acts() && node.life == Life::Draining;
        let Some(Doing::Running(stop)) = node.run().filter(|_| told).map(|run| &mut run.doing) else { return false };
        let before = *stop;
        *stop = before.max(Stop::Drained);
        *stop != before
    }

    /// A node that drains goes when nothing is left.
    pub fn close(&self, world: &mut World) {
        for node in &mut world.nodes {
            if node.life == Life::Draining && !node.frozen && node.slot == Slot::Free {
                (node.life, node.inserting) = (Life::Gone, None);
            }
        }
    }

    fn another(&self, world: &World, n: usize) -> bool {
        world.nodes.iter().take(self.nodes).enumerate().any(|(other, node)| other != n && node.life == Life::Open)
    }

    pub fn kill(&self, world: &mut World, n: usize) -> bool {
        let comes_back = self.lone && world.left.restarts > 0;
        if world.left.kills == 0 || world.nodes[n].life == Life::Gone || !(comes_back || self.another(world, n)) {
            return false;
        }
        world.left.kills -= 1;
        self.excuse(world, n);
        let node = &mut world.nodes[n];
        (node.life, node.frozen, node.slot, node.inserting) = (Life::Gone, false, Slot::Free, None);
        node.strays = [false; 2];
        node.looks.iter_mut().filter(|look| **look == Look::Once).for_each(|look| *look = Look::No);
        true
    }

    /// A lone process starts again: nobody else has the store open, so all leases are lost.
    pub fn restart(&self, world: &mut World, n: usize) -> bool {
        if world.left.restarts == 0 || world.nodes[n].life != Life::Gone || n >= self.nodes {
            return false;
        }
        world.left.restarts -= 1;
        world.nodes[n].life = Life::Open;
        if self.lone {
            for id in 0..self.jobs {
                let Some(job) = world.jobs[id] else { continue };
                let Some(decided) = self.lapse(id, &job) else { continue };
                self.change(world, id, decided, (true, true), Why::LeaseLost);
            }
        }
        true
    }

    pub fn freeze(&self, world: &mut World, n: usize) -> bool {
        if world.left.freezes == 0 || !world.nodes[n].acts() {
            return false;
        }
        world.left.freezes -= 1;
        self.excuse(world, n);
        world.nodes[n].frozen = true;
        true
    }

    pub fn wake(&self, world: &mut World, n: usize) -> bool {
        let node = &mut world.nodes[n];
        let frozen = std::mem::replace(&mut node.frozen, false);
        self.deadline(world, n);
        frozen
    }

    /// A worker stops its handler at its own deadline, where the fleet has a limit.
    fn deadline(&self, world: &mut World, n: usize) {
        let stops = self.limit.is_some() && self.has(Rule::OwnDeadline);
        if let Some(run) = world.nodes[n].run().filter(|run| stops && run.overdue) {
            match run.doing {
                Doing::Running(_) if !run.stubborn => drop(self.done(world, n)),
                _ => {}
            }
        }
    }

    /// What a node that goes away holds, may be lost.
    fn excuse(&self, world: &mut World, n: usize) {
        let slot = world.nodes[n].slot;
        for id in 0..self.jobs {
            let Some(job) = world.jobs[id].filter(|job| job.token.is_some()) else { continue };
            let asks = matches!(slot, Slot::Asking { token, .. } if job.token == Some(token));
            let runs = matches!(slot, Slot::Taken { run, next } if run.held.holds(id, &job)
                || run.claim == job.token || next.is_some_and(|next| next.holds(id, &job)));
            world.past[id].excused |= asks || runs;
        }
    }

    /// All leases have ended by the store's clock. `away`: because it was away for so long.
    pub fn expire_all(&self, world: &mut World, away: bool) -> bool {
        let left = if away { &mut world.left.outages } else { &mut world.left.jumps };
        let held = |job: &Job| job.state == State::Processing && !job.due;
        if *left == 0 || !world.jobs.iter().flatten().any(held) {
            return false;
        }
        *left -= 1;
        for (job, past) in world.jobs.iter_mut().zip(&mut world.past) {
            if let Some(job) = job.as_mut().filter(|job| held(job)) {
                (job.due, past.excused) = (true, past.excused || away);
            }
        }
        for n in (0..self.nodes).filter(|_| away) {
            if let Some(run) = world.nodes[n].run() {
                run.overdue = true;
            }
            if !world.nodes[n].frozen {
                self.deadline(world, n);
            }
        }
        true
    }

    /// A request lands for which nobody waits.
    pub fn land(&self, world: &mut World, flight: usize) -> bool {
        if flight >= world.flights.len() {
            return false;
        }
        match world.flights.remove(flight) {
            Flight::Insert { job, claim } => {
                self.insert(world, job);
                claim.and_then(|token| self.land_claim(world, token, None));
            }
            Flight::Claim { token, job } => drop(self.land_claim(world, token, job)),
            Flight::Finish { held, end, claim } => {
                self.finish(world, &held, end);
                claim.and_then(|token| self.land_claim(world, token, None));
            }
        }
        true
    }

    /// Whoever asked may ask again yet; if not, it is taken for nobody.
    fn land_claim(&self, world: &mut World, token: u8, job: Option<usize>) -> Option<()> {
        let asked = world.nodes.iter().any(|node| {
            node.acts()
                && match &node.slot {
                    Slot::Asking { token: asked, .. } => *asked == token,
                    Slot::Taken { run, .. } => run.claim == Some(token),
                    Slot::Free => false,
                }
        });
        self.take(world, token, job, !asked).map(drop)
    }

    pub fn stick(&self, world: &mut World, n: usize) -> bool {
        let left = world.left.stubborn;
        let told = |run: &&mut crate::world::Run| {
            matches!(run.doing, Doing::Running(stop) if stop > Stop::Not) && !run.stubborn
        };
        let Some(run) = world.nodes[n].run().filter(|run| left > 0 && told(run)) else { return false };
        run.stubborn = true;
        world.left.stubborn -= 1;
        true
    }

    pub fn copy_message(&self, world: &mut World, id: usize) -> bool {
        let copies = world.carried[id] > 0 && world.left.copies > 0;
        if copies {
            world.left.copies -= 1;
            world.carried[id] += 1;
        }
        copies
    }

    pub fn drop_message(&self, world: &mut World, id: usize) -> bool {
        let drops = world.carried[id] > 0 && world.left.drops > 0;
        if drops {
            world.left.drops -= 1;
            world.carried[id] -= 1;
        }
        drops
    }
}
