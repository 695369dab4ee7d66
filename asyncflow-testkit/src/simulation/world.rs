//! Nodes in one thread, in simulated time: each lives in a runtime of its own, whose time the world turns.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use asyncflow_core::{FlowEngine, ManualClock, Role, Stamp, Store};
use tokio::{
    runtime::{Builder, Runtime},
    time::Instant,
};

use super::{
    Setup,
    dice::Dice,
    judge::{Gone, Judge},
    link::{self, Link, Weather},
    stage::{Seat, Stage},
    work::{Plan, perform},
};

/// What the store's clock shows in the beginning: 2026-01-01.
const START: i64 = 1_767_225_600_000_000;

/// A runtime, and its time.
pub(super) struct Place {
    pub(super) runtime: Runtime,
    began: Instant,
    /// By how many milliseconds its time is behind the world's.
    behind: u64,
}

impl Place {
    fn new(now: u64) -> std::io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build()?;
        let began = runtime.block_on(async { Instant::now() });
        Ok(Self { runtime, began, behind: now })
    }

    /// Does everything until this time of the world, one thing after another.
    fn run_until(&self, now: u64) {
        let until = self.began + Duration::from_millis(now.saturating_sub(self.behind));
        self.runtime.block_on(async { tokio::time::sleep_until(until).await });
    }

    /// The world's time went on without it. Its own did so too, or stood still.
    fn missed(&mut self, millis: u64, stood_still: bool) {
        if stood_still {
            self.behind += millis;
        } else {
            self.runtime.block_on(tokio::time::advance(Duration::from_millis(millis)));
        }
    }
}

/// One life of a node.
struct Node {
    life: usize,
    place: Place,
    engine: Arc<OnceLock<FlowEngine>>,
    link: Arc<link::State>,
    /// It could not start, or has drained; whether it had to leave something behind.
    over: Arc<OnceLock<bool>>,
    frozen: Option<Frozen>,
    cut_until: Option<u64>,
}

#[derive(Clone, Copy)]
struct Frozen {
    since: u64,
    until: u64,
    stands_still: bool,
}

/// What happens to a node, or to the store's clock.
#[derive(Clone, Copy, Debug)]
pub(super) enum Trouble {
    /// A node is gone at once.
    Kill(usize),
    /// A node stands still for so long, and its clock with it or not.
    Freeze(usize, u64, bool),
    /// A node does not reach the store for so long; its calls fail at once or hang.
    Cut(usize, u64, bool),
    /// A node drains with so much patience.
    Drain(usize, u64),
    /// The store's clock is set forward or back by so many seconds.
    Jump(i64),
}

pub(super) struct World {
    pub(super) stage: Arc<Stage>,
    pub(super) outside: Place,
    pub(super) now: u64,
    setup: Setup,
    store: Arc<dyn Store>,
    lease: Duration,
    nodes: Vec<Result<Node, u64>>,
    roles: Vec<Role>,
    dice: Dice,
    /// How far the store's clock was set forward, in microseconds.
    ahead: i64,
    /// How far the store's clock was turned.
    turned: u64,
    calm: bool,
}

impl World {
    pub(super) fn new(setup: Setup, plans: Arc<[Plan]>, written: bool, dice: &mut Dice) -> std::io::Result<Self> {
        let clock = Arc::new(ManualClock::at(Stamp::from_micros(START)));
        let store = (setup.store)(clock.clone());
        let judge = Judge::new(plans.clone(), written, Stamp::from_micros(START));
        let outside = Place::new(0)?;
        let count = dice.pick(&[1, 2, 3, 3, 4]);
        let mut roles = vec![Role::Both; count];
        if count > 2 && dice.chance(200) {
            (roles[0], roles[1]) = (Role::Serve, Role::Work);
        }
        let stage = Arc::new(Stage::new(clock, plans, judge, count, outside.runtime.handle().clone()));
        let lease = Duration::from_secs(dice.pick(&[3, 6, 6, 12, 30]));
        let nodes = (0..count).map(|_| Err(0)).collect();
        let dice = dice.fork();
        Ok(Self { stage, outside, now: 0, setup, store, lease, nodes, roles, dice, ahead: 0, turned: 0, calm: false })
    }

    /// Everything goes on for so many milliseconds, each part in a turn of its own.
    pub(super) fn step(&mut self, millis: u64) -> std::io::Result<()> {
        self.look_after()?;
        let store_now = START + self.ahead + i64::try_from(self.now * 1000).unwrap_or(i64::MAX);
        self.stage.clock.advance(Duration::from_millis(self.now - self.turned));
        self.turned = self.now;
        self.stage.clock.set(Stamp::from_micros(store_now));
        self.stage.judge().turn(self.now, Stamp::from_micros(store_now));
        self.now += millis;
        let mut turns: Vec<usize> = (0..=self.nodes.len()).collect();
        self.dice.shuffle(&mut turns);
        for turn in turns {
            match self.nodes.get(turn) {
                Some(Ok(Node { place, frozen: None, .. })) => place.run_until(self.now),
                Some(_) => {}
                None => self.outside.run_until(self.now),
            }
        }
        Ok(())
    }

    /// Ends what has its time, and starts what is down.
    fn look_after(&mut self) -> std::io::Result<()> {
        for index in 0..self.nodes.len() {
            let now = self.now;
            if let Ok(node) = &mut self.nodes[index] {
                if let Some(frozen) = node.frozen.filter(|frozen| frozen.until <= now || self.calm) {
                    node.frozen = None;
                    self.stage.judge().frozen(node.life, false);
                    node.place.missed(now - frozen.since, frozen.stands_still);
                }
                if node.cut_until.is_some_and(|until| until <= now || self.calm) {
                    node.cut_until = None;
                    self.stage.judge().cut(node.life, false);
                    node.link.cut(false, false);
                }
                if let Some(cut_off) = node.over.get().copied().filter(|_| node.frozen.is_none()) {
                    self.remove(index, Gone::Drained { cut_off });
                }
            }
            match self.nodes[index] {
                Err(until) if until <= now || self.calm => self.nodes[index] = Ok(self.start(index)?),
                _ => {}
            }
        }
        Ok(())
    }

    fn start(&mut self, index: usize) -> std::io::Result<Node> {
        let stage = self.stage.clone();
        let life = stage.judge().starts(index);
        let place = Place::new(self.now)?;
        let (link, state) = Link::new(self.store.clone(), stage.clone(), life, self.dice.fork());
        let mut builder = FlowEngine::builder()
            .shared_store((self.setup.wrap)(Arc::new(link)))
            .clock(stage.clock.clone())
            .seed(self.dice.seed())
            .role(self.roles[index])
            .lease(self.lease);
        for Plan { name, options, .. } in &*stage.plans {
            let stage = stage.clone();
            let handler = move |work, job| perform(stage.clone(), life, work, job);
            builder = builder.flow_with(name.clone(), handler, options.clone());
        }
        builder = (self.setup.nodes)(builder);
        let (engine, over) = (Arc::new(OnceLock::new()), Arc::new(OnceLock::new()));
        let (started, failed) = (engine.clone(), over.clone());
        place.runtime.spawn(async move {
            match builder.start().await {
                Ok(engine) => drop(started.set(engine)),
                Err(error) => {
                    stage.judge().story.tell(format_args!("node {index} cannot start: {error}"));
                    let _ = failed.set(false);
                }
            }
        });
        let seat = Seat { runtime: place.runtime.handle().clone(), engine: engine.clone() };
        self.stage.seat(index, Some(seat));
        Ok(Node { life, place, engine, link: state, over, frozen: None, cut_until: None })
    }

    fn remove(&mut self, index: usize, how: Gone) {
        let down = self.now + self.dice.pick(&[0, 50, 2_000, 10_000]);
        if let Ok(node) = std::mem::replace(&mut self.nodes[index], Err(down)) {
            self.stage.judge().gone(node.life, how);
            self.stage.seat(index, None);
            // All that it was doing is dropped with its runtime, wherever it was.
            drop(node.place);
        }
    }

    /// Something happens to the fleet.
    pub(super) fn trouble(&mut self, trouble: Trouble) {
        let now = self.now;
        self.stage.judge().counts.faults.nodes += 1;
        match trouble {
            Trouble::Kill(index) => self.remove(index, Gone::Killed),
            Trouble::Freeze(index, millis, stands_still) => {
                if let Ok(node) = &mut self.nodes[index] {
                    if node.frozen.is_none() {
                        self.stage.judge().frozen(node.life, true);
                        node.frozen = Some(Frozen { since: now, until: now + millis, stands_still });
                    }
                }
            }
            Trouble::Cut(index, millis, fails) => {
                if let Ok(node) = &mut self.nodes[index] {
                    if node.cut_until.is_none() {
                        self.stage.judge().cut(node.life, true);
                    }
                    node.cut_until = Some(now + millis);
                    node.link.cut(true, fails);
                }
            }
            Trouble::Drain(index, patience) => {
                let Ok(node) = &self.nodes[index] else { return };
                let Some(engine) = node.engine.get().cloned() else { return };
                let (stage, over) = (self.stage.clone(), node.over.clone());
                stage.judge().story.tell(format_args!("node {index} drains, for {patience} ms"));
                node.place.runtime.spawn(async move {
                    let report = engine.shutdown(Duration::from_millis(patience)).await;
                    stage.judge().story.tell(format_args!("node {index} has drained: {report:?}"));
                    let _ = over.set(report.cut_off + report.unanswered > 0);
                });
            }
            Trouble::Jump(seconds) => {
                self.ahead += seconds * 1_000_000;
                self.stage.judge().jumped(seconds);
            }
        }
    }

    pub(super) fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// Nothing goes wrong any more, and every node comes back.
    pub(super) fn calm(&mut self) {
        self.calm = true;
        self.stage.judge().story.tell(format_args!("nothing goes wrong any more"));
        self.stage.set_weather(Weather::default());
    }

    /// Whether no client and no call is on its way.
    pub(super) fn is_quiet(&self) -> bool {
        self.outside.runtime.metrics().num_alive_tasks() == 0
    }

    /// What nodes still hold, though nothing is left to do.
    pub(super) fn left_behind(&self) -> Option<String> {
        for (index, node) in self.nodes.iter().enumerate() {
            let Ok(Node { place, engine, .. }) = node else { continue };
            let Some(engine) = engine.get() else { return Some(format!("node {index} has not started")) };
            let running = place.runtime.block_on(engine.health()).running;
            let tasks = place.runtime.metrics().num_alive_tasks();
            // Workers that rest are bounded, and no more.
            if running > 0 || tasks > 300 {
                return Some(format!("node {index} holds {running} slots and {tasks} tasks"));
            }
        }
        None
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // Engines hold the stage, and the stage the engines.
        (0..self.nodes.len()).for_each(|index| self.stage.seat(index, None));
    }
}
