//! Whole fleets in one thread, in simulated time, from a seed: several engines over one store, virtual clients, and all that can go wrong.
//!
//! Each node is a real [`FlowEngine`](asyncflow_core::FlowEngine) in a runtime of its own, whose time the simulation turns. So a node can
//! stand still and wake past its lease, be gone at once, or drain and come back; its calls of the store are lost, late, or answered to
//! nobody; hints go missing; the store's clock is set forward and back. A judge sees every write, every start and end of a handler and
//! every answer to a client, and says which of the design's invariants was broken. A seed repeats its run exactly, so a failure is told as
//! a story: everything that happened to the job, in order.
//!
//! ```
//! # use asyncflow_testkit::simulation::Simulation;
//! let counts = Simulation::new(1).clients(50).run()?;
//! assert!(counts.jobs > 0 && counts.faults.all() > 0);
//! # Ok::<(), Box<asyncflow_testkit::simulation::Failure>>(())
//! ```
//!
//! A store of one's own is simulated by [`Simulation::store`], if everything that it does happens in the futures that it returns and in
//! tokio tasks; one that has threads, or sockets, by [`Simulation::store_apart`], since those know nothing of simulated time.

mod apart;
mod clients;
mod dice;
mod judge;
mod link;
mod panics;
mod stage;
mod story;
mod work;
mod world;

use std::{fmt, future::Future, sync::Arc, time::Duration};

use asyncflow_core::{Clock, EngineBuilder, MemoryStore, Store};

use self::{
    apart::Apart,
    dice::Dice,
    judge::Broken,
    link::Weather,
    world::{Trouble, World},
};

/// Virtual milliseconds without any job ending after which no more are expected to, once nothing goes wrong any more.
const STUCK: u64 = 400_000;

type MakeStore = Arc<dyn Fn(Arc<dyn Clock>) -> Arc<dyn Store> + Send + Sync>;
type WrapStore = Arc<dyn Fn(Arc<dyn Store>) -> Arc<dyn Store> + Send + Sync>;
type Configure = Arc<dyn Fn(EngineBuilder) -> EngineBuilder + Send + Sync>;

/// What is simulated, beside chance.
#[derive(Clone)]
struct Setup {
    store: MakeStore,
    wrap: WrapStore,
    nodes: Configure,
}

/// One fleet's life, from a seed.
#[derive(Clone)]
pub struct Simulation {
    seed: u64,
    clients: usize,
    setup: Setup,
}

/// How much happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Jobs that were inserted.
    pub jobs: u64,
    /// Runs of their handlers.
    pub runs: u64,
    /// Writes that were applied.
    pub writes: u64,
    /// Answers to clients.
    pub answers: u64,
    /// Leases that were lost.
    pub lost: u64,
    /// Virtual milliseconds.
    pub millis: u64,
    /// What went wrong.
    pub faults: FaultCounts,
}

/// How much went wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FaultCounts {
    /// Calls that were lost, and answers.
    pub calls: u64,
    /// Calls that took a while, or came late.
    pub delays: u64,
    /// Hints that were lost.
    pub hints: u64,
    /// Nodes that were killed, frozen, cut off or drained, and clocks that were set.
    pub nodes: u64,
}

impl FaultCounts {
    /// All of them.
    pub fn all(&self) -> u64 {
        self.calls + self.delays + self.hints + self.nodes
    }
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.jobs += other.jobs;
        self.runs += other.runs;
        self.writes += other.writes;
        self.answers += other.answers;
        self.lost += other.lost;
        self.millis += other.millis;
        self.faults.calls += other.faults.calls;
        self.faults.delays += other.faults.delays;
        self.faults.hints += other.faults.hints;
        self.faults.nodes += other.faults.nodes;
    }
}

/// An invariant was broken.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Failure {
    /// With which seed.
    pub seed: u64,
    /// Which rule: it begins with the number of the invariant, where it is one of the six.
    pub rule: String,
    /// What happened.
    pub what: String,
    /// What happened to the job and to the fleet until then, in order.
    pub story: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\nseed {} breaks rule {}: {}", self.story, self.seed, self.rule, self.what)
    }
}

impl std::error::Error for Failure {}

impl Simulation {
    /// A fleet over a [`MemoryStore`], and 500 clients.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            clients: 500,
            setup: Setup {
                store: Arc::new(|clock| Arc::new(MemoryStore::with_clock(clock))),
                wrap: Arc::new(|store| store),
                nodes: Arc::new(|builder| builder),
            },
        }
    }

    /// So many clients; most submit one job each.
    pub fn clients(mut self, clients: usize) -> Self {
        self.clients = clients;
        self
    }

    /// Another store, on the clock that it is given.
    pub fn store(mut self, make: impl Fn(Arc<dyn Clock>) -> Arc<dyn Store> + Send + Sync + 'static) -> Self {
        self.setup.store = Arc::new(make);
        self
    }

    /// Another store, which needs threads or sockets, on the clock that it is given. It lives in a runtime of its own, made anew for each run;
    /// the fleet's time stands still while it answers.
    ///
    /// # Panics
    /// The run does, where the system grants no runtime.
    pub fn store_apart<F>(self, make: impl Fn(Arc<dyn Clock>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Arc<dyn Store>>,
    {
        self.store(move |clock| match Apart::new(&make, clock) {
            Ok(apart) => Arc::new(apart),
            Err(error) => panic!("no runtime for a store: {error}"),
        })
    }

    /// What each node reaches the store through, on its own side of all that can go wrong; made anew for each start of a node.
    pub fn wrap(mut self, wrap: impl Fn(Arc<dyn Store>) -> Arc<dyn Store> + Send + Sync + 'static) -> Self {
        self.setup.wrap = Arc::new(wrap);
        self
    }

    /// Further settings of each node.
    pub fn nodes(mut self, configure: impl Fn(EngineBuilder) -> EngineBuilder + Send + Sync + 'static) -> Self {
        self.setup.nodes = Arc::new(configure);
        self
    }

    /// Lives the fleet's life, until every job has ended and every record is purged. Not to be called within a tokio runtime.
    ///
    /// # Errors
    /// An invariant was broken. The run is repeated then, to tell the story.
    ///
    /// # Panics
    /// Within a tokio runtime, or where the system grants no runtime.
    pub fn run(&self) -> Result<Counts, Box<Failure>> {
        let (counts, broken, _) = self.play(false);
        if broken.is_none() {
            return Ok(counts);
        }
        let (_, broken, world) = self.play(true);
        let Some(Broken { rule, job, text }) = broken else {
            let what = "the first run broke a rule that the second one kept".into();
            return Err(Box::new(Failure { seed: self.seed, rule: "replay".into(), what, story: String::new() }));
        };
        let story = world.stage.judge().story.about(job);
        Err(Box::new(Failure { seed: self.seed, rule: rule.into(), what: text, story }))
    }

    /// Everything that happens, in order.
    ///
    /// # Panics
    /// As [`run`](Self::run).
    pub fn story(&self) -> String {
        let (.., world) = self.play(true);
        let judge = world.stage.judge();
        judge.story.about(None)
    }

    fn play(&self, written: bool) -> (Counts, Option<Broken>, World) {
        panics::watch();
        let mut dice = Dice::new(self.seed);
        let plans = work::plans(&mut dice);
        let made = World::new(self.setup.clone(), plans, written, &mut dice);
        let mut world = made.unwrap_or_else(|error| panic!("no runtime for a simulation: {error}"));
        if let Err(error) = self.live(&mut world, &mut dice) {
            panic!("no runtime for a node: {error}");
        }
        panics::unwatch();
        let mut judge = world.stage.judge();
        judge.counts.millis = world.now;
        let (counts, broken) = (judge.counts, judge.broken.clone());
        drop(judge);
        (counts, broken, world)
    }

    /// Trouble, then calm until all has ended and is purged.
    fn live(&self, world: &mut World, dice: &mut Dice) -> std::io::Result<()> {
        let span = dice.within(10_000..=90_000);
        let stage = world.stage.clone();
        let _in_time = stage.outside.enter();
        stage.outside.spawn(clients::come(stage.clone(), dice.fork(), self.clients, span * 4 / 5));
        if dice.chance(400) {
            stage.outside.spawn(clients::administer(stage.clone(), dice.fork(), Duration::from_millis(span)));
        }
        drop(_in_time);
        stage.set_weather(weather(dice));
        let mut troubles = troubles(dice, span, world.nodes());
        let pace = dice.pick(&[2, 5, 5, 10, 25]);
        while world.now < span && !broken(world) {
            world.step(dice.within(1..=pace))?;
            while let Some((_, trouble)) = troubles.last().filter(|(at, _)| *at <= world.now) {
                world.trouble(*trouble);
                troubles.pop();
            }
        }
        world.calm();
        let (mut open, mut since) = (usize::MAX, world.now);
        while !broken(world) {
            let now_open = stage.judge().open();
            let quiet = world.is_quiet();
            if now_open == 0 && quiet {
                break;
            }
            if now_open < open {
                (open, since) = (now_open, world.now);
            } else if world.now > since + STUCK {
                stage.judge().stuck();
            }
            world.step(dice.within(1..=40))?;
        }
        // Whatever was set back or is kept for long: its time comes.
        world.trouble(Trouble::Jump(3 * 3600));
        let end = world.now + 60_000;
        while !broken(world) && stage.judge().kept() > 0 {
            if world.now > end {
                stage.judge().stays();
            }
            world.step(200)?;
        }
        stage.judge().kept_word();
        // Bodies that cannot be dropped may outlast their jobs.
        let end = world.now + 60_000;
        while !broken(world) {
            let Some(left) = world.left_behind() else { break };
            if world.now > end {
                stage.judge().grows(format_args!("{left}"));
            }
            world.step(500)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Simulation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulation").field("seed", &self.seed).field("clients", &self.clients).finish_non_exhaustive()
    }
}

/// Whether a rule was broken.
fn broken(world: &World) -> bool {
    let mut judge = world.stage.judge();
    if let Some(text) = panics::take() {
        judge.panicked(text);
    }
    judge.broken.is_some()
}

/// How often calls go wrong: each kind in half of all runs, so that runs differ in kind.
fn weather(dice: &mut Dice) -> Weather {
    let mut some = |most: u64| if dice.chance(500) { dice.within(1..=most) as u32 } else { 0 };
    Weather { before: some(100), after: some(100), slow: some(500), late: some(10), deaf: some(700) }
}

/// What happens to nodes, the latest first.
fn troubles(dice: &mut Dice, span: u64, nodes: usize) -> Vec<(u64, Trouble)> {
    let kinds: Vec<usize> = (0..5).filter(|_| dice.chance(500)).collect();
    let mut troubles = Vec::new();
    if !kinds.is_empty() {
        for _ in 0..dice.within(1..=25) {
            let (node, long) = (dice.below(nodes), dice.pick(&[500, 3_000, 10_000, 45_000]));
            let lasts = dice.within(1..=long);
            troubles.push((
                dice.within(500..=span),
                match dice.pick(&kinds) {
                    0 => Trouble::Kill(node),
                    1 => Trouble::Freeze(node, lasts, dice.chance(500)),
                    2 => Trouble::Cut(node, lasts, dice.chance(500)),
                    3 => Trouble::Drain(node, dice.within(0..=8_000)),
                    _ => Trouble::Jump(dice.pick(&[-30, -5, 3, 20, 60, 3600])),
                },
            ));
        }
    }
    troubles.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    troubles
}
