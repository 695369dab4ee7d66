//! What a transaction does to the counts of flows, owners and keys, written once at its end; and to the turns of owners.

use std::{collections::HashMap, sync::Arc};

use asyncflow_core::{Record, Stamp, State, state};
use rusqlite::{Connection, OptionalExtension};

use crate::{
    failure::Result,
    read::{self, Kept},
    row::or_nobody,
};

#[derive(Default)]
pub(super) struct Counting {
    flows: Vec<Flow>,
    owners: HashMap<(i64, Option<Arc<str>>), Owner>,
    /// Jobs of each key that run.
    running: HashMap<(i64, Arc<str>), Running>,
}

struct Flow {
    id: i64,
    kept: Kept,
    moved: bool,
}

/// An owner's waiting jobs.
struct Owner {
    waiting: u64,
    /// Where the last one that became ready stands, where owners take turns.
    last: Option<i64>,
    moved: bool,
}

struct Running {
    jobs: u64,
    moved: bool,
}

impl Counting {
    /// Jobs of the flow in each state.
    pub(super) fn states(&mut self, db: &Connection, flow: i64) -> Result<&[u64; 6]> {
        Ok(&self.flow(db, flow)?.kept.states)
    }

    /// How many ready jobs of the flow count for a key.
    pub(super) fn keyed(&mut self, db: &Connection, flow: i64) -> Result<u64> {
        Ok(self.flow(db, flow)?.kept.keyed)
    }

    /// Jobs of the owner that wait in the flow.
    pub(super) fn owner_waiting(&mut self, db: &Connection, flow: i64, owner: Option<&Arc<str>>) -> Result<u64> {
        Ok(self.owner(db, flow, owner)?.waiting)
    }

    /// Jobs of the key that run in the flow.
    pub(super) fn running(&mut self, db: &Connection, flow: i64, key: &Arc<str>) -> Result<u64> {
        Ok(self.of_key(db, flow, key)?.jobs)
    }

    /// A job comes in, or has moved to where its record says; `ready`: it is given its place where owners take turns.
    pub(super) fn came(&mut self, db: &Connection, flow: i64, record: &mut Record, ready: bool) -> Result<()> {
        if ready && record.state == State::Enqueued && record.policy.spacing.is_some() {
            self.take_turn(db, flow, record)?;
        }
        let kept = self.moving(db, flow)?;
        kept.states[record.state as usize] += 1;
        kept.keyed += u64::from(is_keyed(record, record.state));
        if counts_for_owner(record, record.state) {
            let owner = self.owner(db, flow, record.owner.as_ref())?;
            (owner.waiting, owner.moved) = (owner.waiting + 1, true);
        }
        if let Some(key) = record.limited_by().filter(|_| record.state == State::Processing) {
            let running = self.of_key(db, flow, key)?;
            (running.jobs, running.moved) = (running.jobs + 1, true);
        }
        Ok(())
    }

    /// A job leaves this state.
    pub(super) fn left(&mut self, db: &Connection, flow: i64, record: &Record, state: State) -> Result<()> {
        let kept = self.moving(db, flow)?;
        kept.states[state as usize] = kept.states[state as usize].saturating_sub(1);
        kept.keyed = kept.keyed.saturating_sub(is_keyed(record, state).into());
        if counts_for_owner(record, state) {
            let owner = self.owner(db, flow, record.owner.as_ref())?;
            (owner.waiting, owner.moved) = (owner.waiting.saturating_sub(1), true);
            // None of its jobs wait: its next one does not stand behind those.
            owner.last = owner.last.filter(|_| owner.waiting > 0);
        }
        if let Some(key) = record.limited_by().filter(|_| state == State::Processing) {
            let running = self.of_key(db, flow, key)?;
            (running.jobs, running.moved) = (running.jobs.saturating_sub(1), true);
        }
        Ok(())
    }

    /// A ready job was taken.
    pub(super) fn taken(&mut self, db: &Connection, flow: i64, record: &Record) -> Result<()> {
        if record.policy.spacing.is_some() {
            let kept = self.moving(db, flow)?;
            // Never backwards: one that was held back, or handed back, has an old place, and who comes new must not be put there.
            kept.turn = kept.turn.max(state::ready_at(record));
        }
        Ok(())
    }

    fn take_turn(&mut self, db: &Connection, flow: i64, record: &mut Record) -> Result<()> {
        let last = self.owner(db, flow, record.owner.as_ref())?.last;
        let kept = self.moving(db, flow)?;
        let waiting = kept.states[State::Enqueued as usize] > 0;
        kept.turn = state::turn(record, waiting.then_some(kept.turn), last);
        self.owner(db, flow, record.owner.as_ref())?.last = Some(state::ready_at(record));
        Ok(())
    }

    pub(super) fn write(&self, db: &Connection, now: Stamp) -> Result<()> {
        for Flow { id, kept, .. } in self.flows.iter().filter(|flow| flow.moved) {
            let [a, b, c, d, e, f] = kept.states;
            let mut put = db.prepare_cached(include_str!("../../queries/put_counts.sql"))?;
            put.execute((id, now.as_micros(), a, b, c, d, e, f, kept.keyed, kept.turn))?;
        }
        for ((flow, owner), Owner { waiting, last, .. }) in self.owners.iter().filter(|(_, owner)| owner.moved) {
            if *waiting > 0 {
                let mut put = db.prepare_cached(include_str!("../../queries/put_owner.sql"))?;
                put.execute((flow, or_nobody(owner.as_ref()), waiting, last))?;
            } else {
                let mut drop_idle = db.prepare_cached(include_str!("../../queries/drop_owner.sql"))?;
                drop_idle.execute((flow, or_nobody(owner.as_ref())))?;
            }
        }
        for ((flow, key), Running { jobs, .. }) in self.running.iter().filter(|(_, running)| running.moved) {
            if *jobs > 0 {
                let mut put = db.prepare_cached(include_str!("../../queries/put_running.sql"))?;
                put.execute((flow, &**key, jobs))?;
            } else {
                let mut drop_idle = db.prepare_cached(include_str!("../../queries/drop_running.sql"))?;
                drop_idle.execute((flow, &**key))?;
            }
        }
        Ok(())
    }

    fn flow(&mut self, db: &Connection, id: i64) -> Result<&mut Flow> {
        let at = match self.flows.iter().position(|flow| flow.id == id) {
            Some(at) => at,
            None => {
                self.flows.push(Flow { id, kept: read::kept(db, id)?, moved: false });
                self.flows.len() - 1
            }
        };
        Ok(&mut self.flows[at])
    }

    fn moving(&mut self, db: &Connection, id: i64) -> Result<&mut Kept> {
        let flow = self.flow(db, id)?;
        flow.moved = true;
        Ok(&mut flow.kept)
    }

    fn owner(&mut self, db: &Connection, flow: i64, owner: Option<&Arc<str>>) -> Result<&mut Owner> {
        use std::collections::hash_map::Entry::{Occupied, Vacant};
        match self.owners.entry((flow, owner.cloned())) {
            Occupied(known) => Ok(known.into_mut()),
            Vacant(unknown) => {
                let mut kept = db.prepare_cached(include_str!("../../queries/owner.sql"))?;
                let kept = kept.query_row((flow, or_nobody(owner)), |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
                let (waiting, last) = kept.unwrap_or_default();
                Ok(unknown.insert(Owner { waiting, last, moved: false }))
            }
        }
    }

    fn of_key(&mut self, db: &Connection, flow: i64, key: &Arc<str>) -> Result<&mut Running> {
        use std::collections::hash_map::Entry::{Occupied, Vacant};
        match self.running.entry((flow, key.clone())) {
            Occupied(known) => Ok(known.into_mut()),
            Vacant(unknown) => {
                let mut kept = db.prepare_cached(include_str!("../../queries/running.sql"))?;
                let jobs = kept.query_row((flow, &**key), |row| row.get(0)).optional()?.unwrap_or(0);
                Ok(unknown.insert(Running { jobs, moved: false }))
            }
        }
    }
}

/// Whether a job in this state is a ready one that counts for a key.
fn is_keyed(record: &Record, state: State) -> bool {
    state == State::Enqueued && record.limited_by().is_some()
}

/// Whether a job in this state is one of its owner's waiting ones; nobody's count just where owners take turns.
fn counts_for_owner(record: &Record, state: State) -> bool {
    state.is_waiting() && (record.owner.is_some() || record.policy.spacing.is_some())
}
