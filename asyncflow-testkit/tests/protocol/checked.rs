//! The model as stateright explores it: every action in every state, and what must hold.

use asyncflow_core::Mark;
use stateright::{Model, Property};

use crate::{
    node::Fate,
    rules::Protocol,
    world::{End, Flaw, Slot, World},
};

/// One step: of a node (the first number), about a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    Submit(usize, usize, Fate),
    InsertAgain(usize, Fate),
    GiveUpInsert(usize),
    Claim(usize, Fate),
    Deliver(usize, usize, Fate),
    AskAgain(usize, Fate),
    HandlerEnds(usize, End),
    HandlerIsDropped(usize),
    BodyEnds(usize),
    Finish(usize, Fate),
    FinishAndClaim(usize, Fate),
    Heartbeat(usize),
    Look(usize, usize),
    LookWhileCutOff(usize, usize),
    LostLeaseLands(usize, usize),
    Tend(usize),
    /// A lease ends.
    LeaseEnds(usize),
    AMinutePasses(usize),
    Cancel(usize),
    Delete(usize),
    Drain(usize),
    TellToDrain(usize),
    Kill(usize),
    Restart(usize),
    Freeze(usize),
    Wake(usize),
    ClockJumps,
    StoreIsAway,
    LateRequestLands(usize),
    BodyIsStubborn(usize),
    BrokerCopies(usize),
    BrokerLoses(usize),
}

use Fate::{AnswerLost, Answered, Late, RequestLost};

impl Protocol {
    /// What a fleet does by itself, most pressing first: time passes last.
    fn fair(&self, handler: End, steps: &mut Vec<Step>) {
        steps.extend((0..self.nodes).flat_map(|n| {
            [
                Step::Wake(n),
                Step::Restart(n),
                Step::InsertAgain(n, Answered),
                Step::AskAgain(n, Answered),
                Step::FinishAndClaim(n, Answered),
                Step::Finish(n, Answered),
                Step::BodyEnds(n),
                Step::HandlerIsDropped(n),
                Step::TellToDrain(n),
                Step::HandlerEnds(n, handler),
            ]
        }));
        steps.extend((0..self.jobs).map(Step::Tend));
        for n in 0..self.nodes {
            steps.extend((0..self.jobs).map(|id| Step::Deliver(n, id, Answered)));
            steps.push(Step::Claim(n, Answered));
            steps.extend((0..self.jobs).flat_map(|id| [Step::LostLeaseLands(n, id), Step::Look(n, id)]));
            steps.push(Step::Heartbeat(n));
        }
        steps.extend((0..self.jobs).map(Step::LeaseEnds));
    }

    fn all(&self, world: &World, steps: &mut Vec<Step>) {
        for n in 0..self.nodes {
            for fate in [Answered, RequestLost, AnswerLost, Late] {
                steps.extend((0..self.jobs).map(|id| Step::Submit(n, id, fate)));
                steps.extend((0..self.jobs).filter(|_| self.carrying).map(|id| Step::Deliver(n, id, fate)));
                steps.extend([
                    Step::InsertAgain(n, fate),
                    Step::Claim(n, fate),
                    Step::AskAgain(n, fate),
                    Step::Finish(n, fate),
                    Step::FinishAndClaim(n, fate),
                ]);
            }
            steps.extend([End::Succeeded, End::Failed, End::Snoozed].map(|end| Step::HandlerEnds(n, end)));
            steps.extend([
                Step::GiveUpInsert(n),
                Step::HandlerIsDropped(n),
                Step::BodyEnds(n),
                Step::Heartbeat(n),
                Step::Drain(n),
                Step::TellToDrain(n),
                Step::Kill(n),
                Step::Restart(n),
                Step::Freeze(n),
                Step::Wake(n),
                Step::BodyIsStubborn(n),
            ]);
            for id in 0..self.jobs {
                steps.extend([Step::Look(n, id), Step::LookWhileCutOff(n, id), Step::LostLeaseLands(n, id)]);
            }
        }
        for id in 0..self.jobs {
            steps.extend([
                Step::Tend(id),
                Step::LeaseEnds(id),
                Step::AMinutePasses(id),
                Step::Cancel(id),
                Step::Delete(id),
                Step::BrokerCopies(id),
                Step::BrokerLoses(id),
            ]);
        }
        steps.extend([Step::ClockJumps, Step::StoreIsAway]);
        steps.extend((0..world.flights.len()).map(Step::LateRequestLands));
    }

    /// What follows, where anything does.
    fn step(&self, from: &World, step: Step) -> Option<World> {
        let mut world = from.clone();
        let w = &mut world;
        let taken = match step {
            Step::Submit(n, id, fate) => self.submit(w, n, id, fate),
            Step::InsertAgain(n, fate) => self.insert_again(w, n, fate),
            Step::GiveUpInsert(n) => self.give_up(w, n),
            Step::Claim(n, fate) => self.claim_one(w, n, None, fate),
            Step::Deliver(n, id, fate) => self.claim_one(w, n, Some(id), fate),
            Step::AskAgain(n, fate) => self.ask_again(w, n, fate),
            Step::HandlerEnds(n, end) => self.end(w, n, end),
            Step::HandlerIsDropped(n) => self.drop_handler(w, n),
            Step::BodyEnds(n) => self.body_ends(w, n),
            Step::Finish(n, fate) => self.finish_one(w, n, false, fate),
            Step::FinishAndClaim(n, fate) => self.finish_one(w, n, true, fate),
            Step::Heartbeat(n) => self.heartbeat(w, n),
            Step::Look(n, id) => self.look(w, n, id, false),
            Step::LookWhileCutOff(n, id) => self.look(w, n, id, true),
            Step::LostLeaseLands(n, id) => self.recover(w, n, id),
            Step::Tend(id) => self.tend(w, id),
            Step::LeaseEnds(id) => self.lease_ends(w, id),
            Step::AMinutePasses(id) => self.a_minute_passes(w, id),
            Step::Cancel(id) => self.ask_to_stop(w, id, Mark::Cancel),
            Step::Delete(id) => self.ask_to_stop(w, id, Mark::Forget),
            Step::Drain(n) => self.drain(w, n),
            Step::TellToDrain(n) => self.tell_to_drain(w, n),
            Step::Kill(n) => self.kill(w, n),
            Step::Restart(n) => self.restart(w, n),
            Step::Freeze(n) => self.freeze(w, n),
            Step::Wake(n) => self.wake(w, n),
            Step::ClockJumps => self.expire_all(w, false),
            Step::StoreIsAway => self.expire_all(w, true),
            Step::LateRequestLands(flight) => self.land(w, flight),
            Step::BodyIsStubborn(n) => self.stick(w, n),
            Step::BrokerCopies(id) => self.copy_message(w, id),
            Step::BrokerLoses(id) => self.drop_message(w, id),
        };
        if !taken {
            return None;
        }
        self.close(w);
        self.keep_limit(w);
        let world = if self.alike { world.told_in_one_way(self.nodes) } else { world };
        Some(world).filter(|world| world != from)
    }

    /// The bodies that run at once, those of frozen nodes aside, are no more than the limit.
    fn keep_limit(&self, world: &mut World) {
        let Some(limit) = self.limit else { return };
        let bodies = |node: &crate::world::Node| {
            let runs = matches!(&node.slot, Slot::Taken { run, .. } if run.has_body());
            usize::from(runs) + node.strays.iter().filter(|stray| **stray).count()
        };
        if world.nodes.iter().filter(|node| !node.frozen).map(bodies).sum::<usize>() > limit {
            world.flaw(Flaw::LimitExceeded);
        }
    }

    /// Whether every job that there is comes to its end if nothing goes wrong any more, with handlers that always end so where they may.
    fn comes_to_its_end(&self, world: &World, handler: End) -> bool {
        let over = |world: &World| world.jobs.iter().flatten().all(|job| job.state.is_ended());
        if over(world) {
            return true;
        }
        let mut steps = Vec::new();
        self.fair(handler, &mut steps);
        let mut world = world.clone();
        for _ in 0..200 {
            match steps.iter().find_map(|step| self.step(&world, *step)) {
                Some(next) => world = next,
                None => return false,
            }
            if over(&world) {
                return true;
            }
        }
        false
    }

    fn is_safe(&self, world: &World) -> bool {
        world.flaw.is_none()
    }
}

impl Model for Protocol {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(self.budget)]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        if world.flaw.is_none() {
            self.all(world, steps);
        }
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        self.step(world, step)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("nothing goes wrong", |model, world| model.is_safe(world)),
            Property::always("no trap, with handlers that succeed", |model, world| {
                model.comes_to_its_end(world, End::Succeeded)
            }),
            Property::always("no trap, with handlers that fail", |model, world| {
                model.comes_to_its_end(world, End::Failed)
            }),
            Property::always("no trap, with handlers that put themselves off", |model, world| {
                model.comes_to_its_end(world, End::Snoozed)
            }),
        ]
    }
}
