//! What a transaction does to the counts, written once at its end.

use std::{collections::HashMap, sync::Arc};

use asyncflow_core::{Stamp, State};
use rusqlite::{Connection, OptionalExtension};

use crate::{failure::Result, read};

#[derive(Default)]
pub(super) struct Counting {
    flows: Vec<Flow>,
    /// By how many waiting jobs owners have more.
    owners: HashMap<(i64, Arc<str>), i64>,
}

struct Flow {
    id: i64,
    states: [u64; 6],
    moved: bool,
}

impl Counting {
    /// Jobs of the flow in each state.
    pub(super) fn states(&mut self, db: &Connection, flow: i64) -> Result<&[u64; 6]> {
        Ok(&self.flow(db, flow)?.states)
    }

    /// Jobs of the owner that wait in the flow.
    pub(super) fn owner_waiting(&self, db: &Connection, flow: i64, owner: &Arc<str>) -> Result<u64> {
        let mut kept = db.prepare_cached(include_str!("../../queries/owner_waiting.sql"))?;
        let kept: i64 = kept.query_row((flow, &**owner), |row| row.get(0)).optional()?.unwrap_or(0);
        let more = self.owners.get(&(flow, owner.clone())).copied().unwrap_or(0);
        Ok(kept.saturating_add(more).max(0).unsigned_abs())
    }

    /// A job of the flow has gone from one state to another: from none when it is new, to none when it is purged.
    pub(super) fn moved(
        &mut self,
        db: &Connection,
        flow: i64,
        owner: Option<&Arc<str>>,
        from: Option<State>,
        to: Option<State>,
    ) -> Result<()> {
        if from == to {
            return Ok(());
        }
        let counts = self.flow(db, flow)?;
        counts.moved = true;
        if let Some(from) = from {
            counts.states[from as usize] = counts.states[from as usize].saturating_sub(1);
        }
        if let Some(to) = to {
            counts.states[to as usize] += 1;
        }
        let waits = |state: Option<State>| i64::from(state.is_some_and(State::is_waiting));
        let more = waits(to) - waits(from);
        if let Some(owner) = owner.filter(|_| more != 0) {
            *self.owners.entry((flow, owner.clone())).or_default() += more;
        }
        Ok(())
    }

    pub(super) fn write(&self, db: &Connection, now: Stamp) -> Result<()> {
        for Flow { id, states, .. } in self.flows.iter().filter(|flow| flow.moved) {
            let [a, b, c, d, e, f] = *states;
            let mut put = db.prepare_cached(include_str!("../../queries/put_counts.sql"))?;
            put.execute((id, now.as_micros(), a, b, c, d, e, f))?;
        }
        for ((flow, owner), more) in self.owners.iter().filter(|(_, more)| **more != 0) {
            let mut add = db.prepare_cached(include_str!("../../queries/add_waiting.sql"))?;
            add.execute((flow, &**owner, more))?;
            if *more < 0 {
                let mut drop_idle = db.prepare_cached(include_str!("../../queries/drop_idle_owner.sql"))?;
                drop_idle.execute((flow, &**owner))?;
            }
        }
        Ok(())
    }

    fn flow(&mut self, db: &Connection, id: i64) -> Result<&mut Flow> {
        let at = match self.flows.iter().position(|flow| flow.id == id) {
            Some(at) => at,
            None => {
                self.flows.push(Flow { id, states: read::states(db, id)?, moved: false });
                self.flows.len() - 1
            }
        };
        Ok(&mut self.flows[at])
    }
}
