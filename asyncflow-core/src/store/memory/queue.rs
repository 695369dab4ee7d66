//! What is ready, held and counted of one flow.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard},
};

use super::lock;
use crate::{
    job::{JobId, Record, State, Token},
    store::{Inserted, Room},
};

pub(super) struct Queue {
    flow: Arc<str>,
    turn: Mutex<()>,
    lines: Mutex<Lines>,
}

/// A ready job: its rank, and which it is.
pub(super) type Ready = (i64, JobId);

#[derive(Default)]
struct Lines {
    /// Ready jobs of each version of the flow that has some, by rank, then id.
    ready: BTreeMap<u16, BTreeSet<Ready>>,
    /// Jobs that are held, by token.
    held: BTreeSet<(Token, JobId)>,
    /// Jobs in each state.
    states: [u64; 6],
    /// Waiting jobs of each owner that has some.
    owners: HashMap<Arc<str>, u64>,
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

    /// Lets a new job in, or says why there is no room for it.
    pub(super) fn enter(&self, record: &Record, room: Room) -> Result<(), Inserted> {
        let mut lines = self.lines();
        if let (Some(owner), Some(most)) = (&record.owner, room.waiting_per_owner) {
            if lines.owners.get(owner).is_some_and(|waiting| *waiting >= most) {
                return Err(Inserted::OverQuota);
            }
        }
        if lines.states[State::Scheduled as usize] + lines.states[State::Enqueued as usize] >= room.waiting {
            return Err(Inserted::Full);
        }
        lines.add(record);
        Ok(())
    }

    /// A job has gone from this state, rank and token to what its record says.
    pub(super) fn moved(&self, record: &Record, state: State, rank: i64, token: Option<Token>) {
        let mut lines = self.lines();
        lines.remove(record, state, rank, token);
        lines.add(record);
    }

    /// A job has gone.
    pub(super) fn left(&self, record: &Record) {
        self.lines().remove(record, record.state, record.rank, record.token);
    }

    /// Takes out the first ready job of one of these versions.
    pub(super) fn pop(&self, versions: &[u16]) -> Option<(u16, Ready)> {
        let mut lines = self.lines();
        let first = |version: &u16| Some((*lines.ready.get(version)?.first()?, *version));
        let (ready, version) = versions.iter().filter_map(first).min()?;
        lines.unready(version, ready);
        Some((version, ready))
    }

    /// Puts back what was taken out and is ready still.
    pub(super) fn push_back(&self, version: u16, ready: Ready) {
        self.lines().ready.entry(version).or_default().insert(ready);
    }

    pub(super) fn has_ready(&self) -> bool {
        self.lines().ready.values().any(|jobs| !jobs.is_empty())
    }

    /// The jobs that are held under a token.
    pub(super) fn held(&self, token: Token) -> Vec<JobId> {
        let (first, last) = (JobId::from_u128(0), JobId::from_u128(u128::MAX));
        self.lines().held.range((token, first)..=(token, last)).map(|(_, id)| *id).collect()
    }

    /// How many jobs there are in each state, and the one that is next in line.
    pub(super) fn counts(&self) -> ([u64; 6], Option<JobId>) {
        let lines = self.lines();
        (lines.states, lines.ready.values().filter_map(BTreeSet::first).min().map(|(_, id)| *id))
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        lock(&self.lines)
    }
}

impl Lines {
    fn add(&mut self, record: &Record) {
        self.states[record.state as usize] += 1;
        let id = record.job.id;
        if record.state == State::Enqueued {
            self.ready.entry(record.flow_version).or_default().insert((record.rank, id));
        }
        if let Some(token) = record.token {
            self.held.insert((token, id));
        }
        if let Some(owner) = record.owner.as_ref().filter(|_| record.state.is_waiting()) {
            *self.owners.entry(owner.clone()).or_default() += 1;
        }
    }

    fn remove(&mut self, record: &Record, state: State, rank: i64, token: Option<Token>) {
        self.states[state as usize] -= 1;
        let id = record.job.id;
        if state == State::Enqueued {
            self.unready(record.flow_version, (rank, id));
        }
        if let Some(token) = token {
            self.held.remove(&(token, id));
        }
        if let Some(owner) = record.owner.as_ref().filter(|_| state.is_waiting()) {
            if let Some(waiting) = self.owners.get_mut(owner) {
                *waiting -= 1;
                if *waiting == 0 {
                    self.owners.remove(owner);
                }
            }
        }
    }

    fn unready(&mut self, version: u16, ready: Ready) {
        if let Some(jobs) = self.ready.get_mut(&version) {
            jobs.remove(&ready);
            // The usual one version keeps its place: it will be back.
            if jobs.is_empty() && self.ready.len() > 1 {
                self.ready.remove(&version);
            }
        }
    }
}
