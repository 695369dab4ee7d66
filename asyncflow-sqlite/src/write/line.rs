//! The ready jobs of one version of a flow, in order, so that those of keys that have to wait are passed over.
//!
//! They are looked through one by one. Once some were passed over, the first job of each key is looked for beside that, by leaps through an
//! index: whichever comes to its end first is gone by. So it costs nothing how many jobs of a few keys wait, nor how many keys do whose jobs
//! are near.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use asyncflow_core::JobId;
use rusqlite::{Connection, OptionalExtension, Row};

use super::gate::Gate;
use crate::{
    failure::Result,
    row::{self, bits, blob},
};

/// Jobs that are passed over before keys are looked at.
const MOST_PASSED: usize = 64;
/// Jobs that are passed over for each key that is looked at from then on: it takes as long.
const PASSED_A_KEY: usize = 16;
/// Jobs that are looked at in one go, at most.
const MOST_READ: usize = 64;

/// A place in line: a rank, and which job.
type Place = (i64, JobId);

/// A ready job that is next, and its key.
#[derive(Clone)]
pub(super) struct Next {
    pub(super) place: Place,
    pub(super) key: Option<Arc<str>>,
}

pub(super) struct Line {
    flow: i64,
    version: u16,
    keyless: Stream,
    keyed: Stream,
    passed: usize,
    leaps: Leaps,
}

/// The first job of each key that need not wait, as far as keys were looked at.
#[derive(Default)]
struct Leaps {
    heads: BTreeMap<Place, Arc<str>>,
    /// The next key is the first that is not before this.
    from: Vec<u8>,
    /// There is no further key.
    done: bool,
}

impl Line {
    pub(super) fn new(flow: i64, version: u16) -> Self {
        Self {
            flow,
            version,
            keyless: Stream::new(include_str!("../../queries/line.sql")),
            keyed: Stream::new(include_str!("../../queries/line_keyed.sql")),
            passed: 0,
            leaps: Leaps::default(),
        }
    }

    /// The first job that none of the keys that have to wait holds back.
    pub(super) fn first(&mut self, db: &Connection, gate: &Gate<'_>) -> Result<Option<Next>> {
        let keyless = self.keyless.first(db, self.flow, self.version)?.cloned();
        let keyed = self.first_keyed(db, gate)?;
        Ok(keyless.into_iter().chain(keyed).min_by_key(|next| next.place))
    }

    fn first_keyed(&mut self, db: &Connection, gate: &Gate<'_>) -> Result<Option<Next>> {
        loop {
            if self.leaps.done {
                let heads = &mut self.leaps.heads;
                while let Some(head) = heads.first_entry()
                    && gate.holds(head.get())
                {
                    head.remove();
                }
                return Ok(heads.first_key_value().map(|(place, key)| Next { place: *place, key: Some(key.clone()) }));
            }
            match self.keyed.first(db, self.flow, self.version)? {
                Some(Next { key: Some(key), .. }) if gate.holds(key) => self.pass_over(db, gate)?,
                next => return Ok(next.cloned()),
            }
        }
    }

    fn pass_over(&mut self, db: &Connection, gate: &Gate<'_>) -> Result<()> {
        self.keyed.pop();
        self.passed += 1;
        if self.passed > MOST_PASSED && self.passed.is_multiple_of(PASSED_A_KEY) {
            self.leap(db, gate)?;
        }
        Ok(())
    }

    /// Takes out the job that was [first](Self::first).
    pub(super) fn pop(&mut self, db: &Connection, next: &Next) -> Result<()> {
        match &next.key {
            None => self.keyless.pop(),
            Some(_) if !self.leaps.done => self.keyed.pop(),
            Some(key) => {
                self.leaps.heads.remove(&next.place);
                self.put_head(db, key, next.place)?;
            }
        }
        Ok(())
    }

    /// Looks at the next key; the last look of all goes on from where the jobs have been looked through to.
    fn leap(&mut self, db: &Connection, gate: &Gate<'_>) -> Result<()> {
        let mut query = db.prepare_cached(include_str!("../../queries/next_key.sql"))?;
        let key = query.query_row((self.flow, self.version, &self.leaps.from[..]), |row| row.get(0)).optional()?;
        if let Some(key) = key {
            self.leaps.from = key;
            if let Ok(key) = std::str::from_utf8(&self.leaps.from).map(Arc::from)
                && !gate.holds(&key)
            {
                self.put_head(db, &key, self.keyed.after)?;
            }
            // What comes right after it.
            self.leaps.from.push(0);
            return Ok(());
        }
        self.leaps.done = true;
        while let Some(head) = self.leaps.heads.first_entry()
            && *head.key() <= self.keyed.after
        {
            let key = head.remove();
            self.put_head(db, &key, self.keyed.after)?;
        }
        Ok(())
    }

    /// The first job of a key behind this place is its head.
    fn put_head(&mut self, db: &Connection, key: &Arc<str>, after: Place) -> Result<()> {
        let head = next_of_key(db, self.flow, self.version, key, after)?;
        self.leaps.heads.extend(head.map(|head| (head.place, key.clone())));
        Ok(())
    }
}

/// Jobs as an index has them, read some at a time: a query that stays open while what it reads is changed might not see what it should.
struct Stream {
    sql: &'static str,
    read: VecDeque<Next>,
    /// The last one that was taken out, or what is before all.
    after: Place,
    /// How many are read next; none once there are no more.
    most: usize,
}

impl Stream {
    fn new(sql: &'static str) -> Self {
        Self { sql, read: VecDeque::new(), after: (i64::MIN, JobId::from_u128(0)), most: 2 }
    }

    fn first(&mut self, db: &Connection, flow: i64, version: u16) -> Result<Option<&Next>> {
        if self.read.is_empty() && self.most > 0 {
            let mut query = db.prepare_cached(self.sql)?;
            let mut rows = query.query((flow, version, self.after.0, blob(self.after.1.as_u128())))?;
            while self.read.len() < self.most
                && let Some(row) = rows.next()?
            {
                self.read.extend(next(row)?);
            }
            self.most = if self.read.len() < self.most { 0 } else { MOST_READ.min(self.most * 2) };
        }
        Ok(self.read.front())
    }

    fn pop(&mut self) {
        self.after = self.read.pop_front().map_or(self.after, |next| next.place);
    }
}

fn next_of_key(db: &Connection, flow: i64, version: u16, key: &Arc<str>, after: Place) -> Result<Option<Next>> {
    let mut query = db.prepare_cached(include_str!("../../queries/next_of_key.sql"))?;
    let mut rows = query.query((flow, version, &**key, after.0, blob(after.1.as_u128())))?;
    while let Some(row) = rows.next()? {
        if let Some(next) = next(row)? {
            return Ok(Some(next));
        }
    }
    Ok(None)
}

/// What a row says, or nothing where this version cannot read it.
fn next(row: &Row<'_>) -> Result<Option<Next>> {
    let read = || Ok(Next { place: (row.get(0)?, JobId::from_u128(bits(row.get(1)?))), key: row.get(2)? });
    row::readable(read().map_err(|failure| row::unreadable(failure, || "a ready job".into())))
}

#[cfg(test)]
mod tests {
    use crate::schema::plan;

    #[test]
    fn what_waits_behind_is_leapt_over_and_not_looked_through() {
        for (sql, looked_up) in [
            (include_str!("../../queries/line.sql"), "(flow=? AND flow_version=? AND (rank,id)>(?,?))"),
            (include_str!("../../queries/line_keyed.sql"), "(flow=? AND flow_version=? AND (rank,id)>(?,?))"),
            (include_str!("../../queries/next_key.sql"), "(flow=? AND flow_version=? AND <expr>>?)"),
            (
                include_str!("../../queries/next_of_key.sql"),
                "(flow=? AND flow_version=? AND <expr>=? AND (rank,id)>(?,?))",
            ),
        ] {
            let plan = plan(sql).unwrap();
            assert!(matches!(&plan[..], [search] if search.ends_with(looked_up)), "{plan:?}");
        }
    }
}
