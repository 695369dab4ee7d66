//! What rates know of jobs that started, as a transaction leaves it.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
    time::Duration,
};

use asyncflow_core::{Rate, Stamp};
use rusqlite::{Connection, OptionalExtension};

use crate::{failure::Result, row::or_nobody};

/// When what started of a key is paid back, or of a flow where there is no key.
#[derive(Default)]
pub(super) struct Rates(HashMap<(i64, Option<Arc<str>>), Paid>);

struct Paid {
    last: Option<Stamp>,
    changed: bool,
}

impl Rates {
    /// Whether one more may start now; or else how long until one may.
    pub(super) fn admit(
        &mut self,
        db: &Connection,
        flow: i64,
        key: Option<&Arc<str>>,
        rate: Rate,
        now: Stamp,
    ) -> Result<std::result::Result<(), Duration>> {
        let paid = self.of(db, flow, key)?;
        let owed = paid.last.map(|last| rate.owed(last, now));
        paid.changed |= owed != paid.last;
        paid.last = owed;
        Ok(rate.start(owed, now).map(drop))
    }

    /// One has started that was [admitted](Self::admit).
    pub(super) fn count(
        &mut self,
        db: &Connection,
        flow: i64,
        key: Option<&Arc<str>>,
        rate: Rate,
        now: Stamp,
    ) -> Result<()> {
        let paid = self.of(db, flow, key)?;
        if let Ok(last) = rate.start(paid.last, now) {
            *paid = Paid { last: Some(last), changed: true };
        }
        Ok(())
    }

    pub(super) fn write(&self, db: &Connection, now: Stamp) -> Result<()> {
        for ((flow, key), Paid { last, .. }) in self.0.iter().filter(|(_, paid)| paid.changed) {
            let mut put = db.prepare_cached(include_str!("../../queries/put_started.sql"))?;
            put.execute((flow, or_nobody(key.as_ref()), last.unwrap_or(now).as_micros()))?;
            db.prepare_cached(include_str!("../../queries/drop_paid.sql"))?.execute([now.as_micros()])?;
        }
        Ok(())
    }

    fn of(&mut self, db: &Connection, flow: i64, key: Option<&Arc<str>>) -> Result<&mut Paid> {
        match self.0.entry((flow, key.cloned())) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(unknown) => {
                let mut kept = db.prepare_cached(include_str!("../../queries/started.sql"))?;
                let last = kept.query_row((flow, or_nobody(key)), |row| row.get(0)).optional()?;
                Ok(unknown.insert(Paid { last: last.map(Stamp::from_micros), changed: false }))
            }
        }
    }
}
