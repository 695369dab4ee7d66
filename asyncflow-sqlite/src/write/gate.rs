//! What a claim may take within its limits.

use std::{collections::HashMap, sync::Arc, time::Duration};

use asyncflow_core::{Limits, State};

use super::Work;
use crate::failure::Result;

/// Goes along with one claim while it picks its jobs: those that it picked count, and are taken in the end.
pub(super) struct Gate<'a> {
    flow: i64,
    limits: &'a Limits,
    running: u64,
    keys: HashMap<Arc<str>, Key>,
}

struct Key {
    running: u64,
    held: Option<Held>,
}

/// Whether a job may start.
pub(super) enum Verdict {
    Starts,
    /// None of its key may.
    KeyWaits,
    /// None may at all.
    FlowWaits(Held),
}

/// For how long jobs are held back by a rate, or until one ends.
pub(super) type Held = Option<Duration>;

impl Gate<'_> {
    /// Whether jobs of a key were found to have to wait.
    pub(super) fn holds(&self, key: &Arc<str>) -> bool {
        self.keys.get(key).is_some_and(|key| key.held.is_some())
    }

    /// How long until the first of those jobs may start that nothing but a rate holds back.
    pub(super) fn wait(&self) -> Held {
        self.keys.values().filter_map(|key| key.held?).min()
    }
}

impl Work<'_> {
    pub(super) fn gate<'a>(&mut self, flow: i64, limits: &'a Limits) -> Result<Gate<'a>> {
        let running = self.counting.states(self.db, flow)?[State::Processing as usize];
        Ok(Gate { flow, limits, running, keys: HashMap::new() })
    }

    /// Whether one more job of this key may start.
    pub(super) fn admit(&mut self, gate: &mut Gate<'_>, key: Option<&Arc<str>>) -> Result<Verdict> {
        let Gate { flow, limits, running, .. } = *gate;
        if limits.running.is_some_and(|most| running >= most) {
            self.held.add(flow, None);
            return Ok(Verdict::FlowWaits(None));
        }
        if let Some(rate) = limits.rate
            && let Err(wait) = self.rates.admit(self.db, flow, None, rate, self.now)?
        {
            return Ok(Verdict::FlowWaits(Some(wait)));
        }
        let Some(key) = key else { return Ok(Verdict::Starts) };
        let held = if let Some(most) = limits.running_per_key
            && self.of_key(gate, key)?.running >= most
        {
            self.held.add(flow, Some(key));
            Some(None)
        } else if let Some(rate) = limits.rate_per_key {
            self.rates.admit(self.db, flow, Some(key), rate, self.now)?.err().map(Some)
        } else {
            None
        };
        if held.is_none() {
            return Ok(Verdict::Starts);
        }
        self.of_key(gate, key)?.held = held;
        Ok(Verdict::KeyWaits)
    }

    /// One has been picked that was [admitted](Self::admit).
    pub(super) fn count(&mut self, gate: &mut Gate<'_>, key: Option<&Arc<str>>) -> Result<()> {
        let Gate { flow, limits, .. } = *gate;
        gate.running += 1;
        if let Some(rate) = limits.rate {
            self.rates.count(self.db, flow, None, rate, self.now)?;
        }
        let Some(key) = key else { return Ok(()) };
        if limits.running_per_key.is_some() {
            self.of_key(gate, key)?.running += 1;
        }
        if let Some(rate) = limits.rate_per_key {
            self.rates.count(self.db, flow, Some(key), rate, self.now)?;
        }
        Ok(())
    }

    fn of_key<'a>(&mut self, gate: &'a mut Gate<'_>, key: &Arc<str>) -> Result<&'a mut Key> {
        if !gate.keys.contains_key(key) {
            let running = self.counting.running(self.db, gate.flow, key)?;
            gate.keys.insert(key.clone(), Key { running, held: None });
        }
        Ok(gate.keys.entry(key.clone()).or_insert(Key { running: 0, held: None }))
    }
}
