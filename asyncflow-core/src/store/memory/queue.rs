//! What is ready, held and counted of one flow.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use super::{
    line::{Line, Ready, UNTIL_FREED},
    lock,
};
use crate::{
    job::{JobId, Record, Stamp, State, Token},
    policy::{Limits, Rate},
    state,
    store::{Inserted, Room},
    sync::{Mutex, MutexGuard},
};

pub(super) struct Queue {
    flow: Arc<str>,
    turn: Mutex<()>,
    lines: Mutex<Lines>,
}

/// Where a job stood before it changed.
pub(super) struct Stood {
    state: State,
    rank: i64,
    token: Option<Token>,
    live: bool,
}

impl Stood {
    pub(super) fn of(record: &Record) -> Self {
        Self { state: record.state, rank: record.rank, token: record.token, live: record.is_live() }
    }
}

/// A job that may be taken: its version, its place, its key.
pub(super) struct Next {
    pub(super) ready: Ready,
    version: u16,
    key: Option<Arc<str>>,
}

/// How a new job comes in.
pub(super) enum Entered {
    /// It is in.
    In,
    /// There is no room for it.
    Refused(Inserted),
    /// Another one lives under its key.
    Beside(JobId),
}

#[derive(Default)]
struct Lines {
    /// Ready jobs of each version of the flow that has some.
    ready: BTreeMap<u16, Line>,
    /// Jobs that are held, by token.
    held: BTreeSet<(Token, JobId)>,
    /// Jobs in each state.
    states: [u64; 6],
    /// Those that have waiting jobs; nobody just where owners take turns.
    owners: HashMap<Option<Arc<str>>, Owner>,
    /// The latest place of what was taken, where owners take turns.
    turn: i64,
    /// The one that lives of each unique key.
    unique: HashMap<(Option<Arc<str>>, Arc<str>), JobId>,
    /// Jobs of each key that run.
    running: HashMap<Arc<str>, u64>,
    started: Started,
    /// By which limits keys were found to have to wait, and when that was last looked at.
    limits: Option<Arc<Limits>>,
    looked: Stamp,
    /// A claim found ready jobs, and as many running as may.
    full: bool,
}

/// An owner's waiting jobs.
#[derive(Default)]
struct Owner {
    waiting: u64,
    /// Where the last one that became ready stands.
    last: Option<i64>,
}

/// What rates need to know of jobs that started.
#[derive(Default)]
struct Started {
    flow: Option<Stamp>,
    keys: HashMap<Arc<str>, Stamp>,
    /// Keys that were left when those of no consequence were last given up.
    kept: usize,
}

impl Queue {
    pub(super) fn new(flow: Arc<str>) -> Self {
        Self { flow, turn: Mutex::default(), lines: Mutex::default() }
    }

    pub(super) fn flow(&self) -> &Arc<str> {
        &self.flow
    }

    /// The turn of one claim.
    pub(super) fn turn(&self) -> MutexGuard<'_, ()> {
        lock(&self.turn)
    }

    /// Lets a new job in, at its place. One that takes another's place has that one's room.
    pub(super) fn enter(&self, record: &mut Record, room: Option<Room>) -> Entered {
        let mut lines = self.lines();
        if let Some(other) = record.unique_key.clone().and_then(|key| lines.unique.get(&(record.owner.clone(), key))) {
            return Entered::Beside(*other);
        }
        if let Some(room) = room {
            if let (Some(_), Some(most)) = (&record.owner, room.waiting_per_owner) {
                if lines.owners.get(&record.owner).is_some_and(|owner| owner.waiting >= most) {
                    return Entered::Refused(Inserted::OverQuota);
                }
            }
            if lines.states[State::Scheduled as usize] + lines.states[State::Enqueued as usize] >= room.waiting {
                return Entered::Refused(Inserted::Full);
            }
        }
        lines.take_turn(record);
        lines.add(record);
        Entered::In
    }

    /// A job has gone from where it stood to what its record says, and is given its place if it is `anew` ready; says whether what was held
    /// back may be taken now.
    pub(super) fn moved(&self, record: &mut Record, stood: &Stood, anew: bool) -> bool {
        let mut lines = self.lines();
        let freed = lines.remove(record, stood);
        if anew {
            lines.take_turn(record);
        }
        if stood.state == State::Enqueued && record.state == State::Processing {
            // Never backwards: one that was held back, or handed back, has an old place, and who comes new must not be put there.
            lines.turn = lines.turn.max(state::ready_at(record));
        }
        lines.add(record);
        freed
    }

    /// A job has gone; says whether what was held back may be taken now.
    pub(super) fn left(&self, record: &Record) -> bool {
        self.lines().remove(record, &Stood::of(record))
    }

    /// Takes out the first ready job of one of these versions that the limits allow; or says how long until there is one, if that is known.
    pub(super) fn pop(
        &self,
        versions: &[u16],
        limits: Option<&Arc<Limits>>,
        now: Stamp,
    ) -> Result<Next, Option<Duration>> {
        let mut lines = self.lines();
        lines.look_anew(limits, now);
        loop {
            let first = |version: &u16| lines.ready.get(version)?.next().map(|(ready, key)| (ready, *version, key));
            let Some((ready, version, key)) = versions.iter().filter_map(first).min() else {
                let times = versions.iter().filter_map(|version| lines.ready.get(version)?.next_time());
                return Err(times.min().map(|time| time.since(now)));
            };
            let key = key.cloned();
            match lines.admits(key.as_ref(), limits, now) {
                Ok(()) => {
                    lines.unready(version, ready, key.as_ref());
                    return Ok(Next { ready, version, key });
                }
                Err(Held::Flow(wait)) => return Err(wait),
                Err(Held::Key(wait)) => {
                    if let Some(key) = key {
                        lines.park(&key, wait, now);
                    }
                }
            }
        }
    }

    /// Whether the limits allow one more job of this key, which has a ready one, to start; or else how long until they do, if that is known.
    pub(super) fn admits(
        &self,
        key: Option<&Arc<str>>,
        limits: Option<&Arc<Limits>>,
        now: Stamp,
    ) -> Result<(), Option<Duration>> {
        let mut lines = self.lines();
        lines.look_anew(limits, now);
        match lines.admits(key, limits, now) {
            Ok(()) => Ok(()),
            Err(Held::Flow(wait)) => Err(wait),
            Err(Held::Key(wait)) => {
                if let Some(key) = key {
                    lines.park(key, wait, now);
                }
                Err(wait)
            }
        }
    }

    /// A job of this key has started, as the limits [allowed](Self::admits) in the same [turn](Self::turn).
    pub(super) fn started(&self, key: Option<&Arc<str>>, limits: &Limits, now: Stamp) {
        self.lines().started.count(key, limits, now);
    }

    /// Puts back what was taken out and is ready still.
    pub(super) fn push_back(&self, next: Next) {
        self.lines().ready.entry(next.version).or_default().insert(next.ready, next.key.as_ref());
    }

    pub(super) fn has_ready(&self) -> bool {
        self.lines().ready.values().any(|line| !line.is_empty())
    }

    /// The jobs that are held under a token.
    pub(super) fn held(&self, token: Token) -> Vec<JobId> {
        let (first, last) = (JobId::from_u128(0), JobId::from_u128(u128::MAX));
        self.lines().held.range((token, first)..=(token, last)).map(|(_, id)| *id).collect()
    }

    /// How many jobs there are in each state, and the one that is next in line.
    pub(super) fn counts(&self) -> ([u64; 6], Option<JobId>) {
        let lines = self.lines();
        (lines.states, lines.ready.values().filter_map(Line::first).min().map(|(_, id)| id))
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        lock(&self.lines)
    }
}

/// What holds a job back, and for how long if that is known.
enum Held {
    Flow(Option<Duration>),
    Key(Option<Duration>),
}

impl Lines {
    fn add(&mut self, record: &Record) {
        self.states[record.state as usize] += 1;
        let id = record.job.id;
        if record.state == State::Enqueued {
            self.ready.entry(record.flow_version).or_default().insert((record.rank, id), record.limited_by());
        }
        if let Some(token) = record.token {
            self.held.insert((token, id));
        }
        if let Some(key) = record.limited_by().filter(|_| record.state == State::Processing) {
            *self.running.entry(key.clone()).or_default() += 1;
        }
        if counts_for_owner(record, record.state) {
            self.owners.entry(record.owner.clone()).or_default().waiting += 1;
        }
        if let Some(key) = record.unique_key.as_ref().filter(|_| record.is_live()) {
            self.unique.insert((record.owner.clone(), key.clone()), id);
        }
    }

    /// Says whether what was held back may be taken now.
    fn remove(&mut self, record: &Record, stood: &Stood) -> bool {
        self.states[stood.state as usize] -= 1;
        let id = record.job.id;
        if stood.state == State::Enqueued {
            self.unready(record.flow_version, (stood.rank, id), record.limited_by());
        }
        if let Some(token) = stood.token {
            self.held.remove(&(token, id));
        }
        if counts_for_owner(record, stood.state) {
            if let Some(owner) = self.owners.get_mut(&record.owner) {
                owner.waiting -= 1;
                if owner.waiting == 0 {
                    self.owners.remove(&record.owner);
                }
            }
        }
        if let Some(key) = record.unique_key.as_ref().filter(|_| stood.live) {
            self.unique.remove(&(record.owner.clone(), key.clone()));
        }
        stood.state == State::Processing && self.freed(record.limited_by())
    }

    /// A job of this key runs no more; says whether one was held back for it.
    fn freed(&mut self, key: Option<&Arc<str>>) -> bool {
        let mut freed = std::mem::take(&mut self.full);
        let Some(key) = key else { return freed };
        if let Some(running) = self.running.get_mut(key) {
            *running -= 1;
            if *running == 0 {
                self.running.remove(key);
            }
        }
        for line in self.ready.values_mut() {
            freed |= line.unpark(key);
        }
        freed
    }

    fn unready(&mut self, version: u16, ready: Ready, key: Option<&Arc<str>>) {
        if let Some(line) = self.ready.get_mut(&version) {
            line.remove(ready, key);
            // The usual one version keeps its place: it will be back.
            if line.is_empty() && self.ready.len() > 1 {
                self.ready.remove(&version);
            }
        }
    }

    /// Gives a job that is now ready its place, where owners take turns.
    fn take_turn(&mut self, record: &mut Record) {
        if record.policy.spacing.is_none() || record.state != State::Enqueued {
            return;
        }
        let waiting = self.states[State::Enqueued as usize] > 0;
        let owner = self.owners.entry(record.owner.clone()).or_default();
        self.turn = state::turn(record, waiting.then_some(self.turn), owner.last);
        owner.last = Some(state::ready_at(record));
    }

    /// A key has to wait for so long, or until one of its jobs ends.
    fn park(&mut self, key: &Arc<str>, wait: Option<Duration>, now: Stamp) {
        let until = wait.map_or(UNTIL_FREED, |wait| now + wait);
        self.ready.values_mut().for_each(|line| line.park(key, until));
    }

    /// Keys whose time has come, or that waited by other limits or another clock, are looked at anew.
    fn look_anew(&mut self, limits: Option<&Arc<Limits>>, now: Stamp) {
        if limits.is_none() && self.limits.is_none() {
            return;
        }
        let same = self.limits.as_ref().map(Arc::as_ptr) == limits.map(Arc::as_ptr) || self.limits.as_ref() == limits;
        let until = if same && self.looked <= now { now } else { UNTIL_FREED };
        self.ready.values_mut().for_each(|line| line.unpark_until(until));
        self.looked = now;
        if !same {
            self.limits = limits.cloned();
        }
    }

    fn admits(&mut self, key: Option<&Arc<str>>, limits: Option<&Arc<Limits>>, now: Stamp) -> Result<(), Held> {
        let Some(limits) = limits else { return Ok(()) };
        if limits.running.is_some_and(|most| self.states[State::Processing as usize] >= most) {
            self.full = true;
            return Err(Held::Flow(None));
        }
        may_start(limits.rate, self.started.flow.as_mut(), now).map_err(|wait| Held::Flow(Some(wait)))?;
        let Some(key) = key else { return Ok(()) };
        if limits.running_per_key.is_some_and(|most| self.running.get(key).is_some_and(|running| *running >= most)) {
            return Err(Held::Key(None));
        }
        may_start(limits.rate_per_key, self.started.keys.get_mut(key), now).map_err(|wait| Held::Key(Some(wait)))
    }
}

/// Whether a rate allows one more to start, after what is remembered: which is then what of it counts.
fn may_start(rate: Option<Rate>, last: Option<&mut Stamp>, now: Stamp) -> Result<(), Duration> {
    let (Some(rate), Some(last)) = (rate, last) else { return Ok(()) };
    *last = rate.owed(*last, now);
    rate.start(Some(*last), now).map(drop)
}

impl Started {
    fn count(&mut self, key: Option<&Arc<str>>, limits: &Limits, now: Stamp) {
        let next = |rate: Rate, last| rate.start(last, now).ok().or(last);
        if let Some(rate) = limits.rate {
            self.flow = next(rate, self.flow);
        }
        let (Some(rate), Some(key)) = (limits.rate_per_key, key) else { return };
        if let Some(next) = next(rate, self.keys.get(key).copied()) {
            self.keys.insert(key.clone(), next);
        }
        if self.keys.len() > 2 * self.kept + 64 {
            // Those that have paid back are as good as unknown.
            self.keys.retain(|_, paid| *paid > now);
            self.keys.shrink_to(2 * self.keys.len() + 64);
            self.kept = self.keys.len();
        }
    }
}

/// Whether a job in this state is one of its owner's waiting ones.
fn counts_for_owner(record: &Record, state: State) -> bool {
    state.is_waiting() && (record.owner.is_some() || record.policy.spacing.is_some())
}
