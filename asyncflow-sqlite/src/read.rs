//! What is read, beside whatever is written at the same time.

use std::{path::Path, sync::Arc};

use asyncflow_core::{
    JobKey, Record, Settings, Stamp,
    store::{Attention, Counts, Page, Part, PartName, Query, StoreError},
};
use rusqlite::{Connection, OptionalExtension, Row, Rows};

use crate::{
    failure::Result,
    names::Names,
    row::{self, blob},
};

pub(crate) struct Reader {
    pub(crate) db: Connection,
    pub(crate) names: Names,
    pub(crate) path: Arc<Path>,
    /// What is set for the flows, as it was read last.
    pub(crate) settings: Arc<Settings>,
}

impl Reader {
    /// Reads, and tells failures as the file's.
    pub(crate) fn read<T>(
        &mut self,
        what: impl FnOnce(&Connection, &mut Names) -> Result<T>,
    ) -> std::result::Result<T, StoreError> {
        what(&self.db, &mut self.names).map_err(|failure| failure.of(&self.path))
    }

    /// What is due, and what is set for the flows.
    pub(crate) fn attention(&mut self, now: Stamp, limit: usize) -> std::result::Result<Attention, StoreError> {
        let records = self.read(|db, names| due(db, names, now, limit))?;
        settings(&self.db, &mut self.settings).map_err(|failure| failure.of(&self.path))?;
        Ok(Attention { records, settings: self.settings.clone() })
    }
}

pub(crate) fn get(db: &Connection, names: &mut Names, jobs: &[JobKey]) -> Result<Vec<Option<Record>>> {
    jobs.iter().map(|job| record(db, names, job)).collect()
}

pub(crate) fn record(db: &Connection, names: &mut Names, job: &JobKey) -> Result<Option<Record>> {
    let Some(flow) = names.flow(db, &job.flow)? else { return Ok(None) };
    let mut query = db.prepare_cached(include_str!("../queries/record.sql"))?;
    let mut rows = query.query((flow, blob(job.id.as_u128())))?;
    rows.next()?.map(|row| row::record(row, db, names)).transpose()
}

pub(crate) fn part(db: &Connection, names: &mut Names, job: &JobKey, name: PartName) -> Result<Option<Part>> {
    let Some(flow) = names.flow(db, &job.flow)? else { return Ok(None) };
    let mut query = db.prepare_cached(include_str!("../queries/part.sql"))?;
    let part = query.query_row((flow, blob(job.id.as_u128()), name as i64), |row| row::part(row, 0, db));
    let named = || format!("a part of job {} of flow `{}`", job.id, job.flow);
    part.optional().map_err(|error| row::unreadable(error.into(), named))
}

pub(crate) fn due(db: &Connection, names: &mut Names, now: Stamp, limit: usize) -> Result<Vec<Record>> {
    let mut due = Vec::new();
    for sql in [include_str!("../queries/due.sql"), include_str!("../queries/expired_leases.sql")] {
        let mut query = db.prepare_cached(sql)?;
        let readable = |row: &Row<'_>| row::readable(row::record(row, db, names));
        due.extend(records(&mut query.query([now.as_micros()])?, limit, readable)?);
    }
    due.sort_by_key(|record| record.due);
    due.truncate(limit);
    Ok(due)
}

/// Reads what is set for the flows, if it is newer than what is known.
fn settings(db: &Connection, known: &mut Arc<Settings>) -> Result<()> {
    let mut query = db.prepare_cached(include_str!("../queries/settings.sql"))?;
    let mut rows = query.query([])?;
    if let Some(row) = rows.next()?
        && row.get::<_, u64>(0)? != known.version
    {
        // What a newer version set and this one cannot read leaves what was known: due jobs are to be looked after all the same.
        if let Ok(settings) = serde_json::from_str(row.get_ref(1)?.as_str().unwrap_or_default()) {
            *known = Arc::new(settings);
        }
    }
    Ok(())
}

pub(crate) fn list(db: &Connection, names: &mut Names, query: &Query) -> Result<Page> {
    let Some(flow) = names.flow(db, &query.flow)? else { return Ok(Page::default()) };
    let after = query.after.map(|id| blob(id.as_u128()));
    let (state, after) = (query.state.map(|state| state as i64), after.as_ref().map_or(&[][..], |id| id));
    let mut pages = db.prepare_cached(include_str!("../queries/list.sql"))?;
    let mut rows = pages.query((flow, after, state, query.owner.as_deref()))?;
    let each = |row: &Row<'_>| row::record(row, db, names).map(Some);
    let mut records = records(&mut rows, query.limit.saturating_add(1), each)?;
    let more = records.len() > query.limit;
    records.truncate(query.limit);
    let next = records.last().map(|record| record.job.id).filter(|_| more);
    Ok(Page { records, next })
}

pub(crate) fn counts(db: &Connection, names: &mut Names, flow: &str) -> Result<Counts> {
    let Some(flow) = names.flow(db, flow)? else { return Ok(Counts::default()) };
    let states = kept(db, flow)?.states;
    let mut first = db.prepare_cached(include_str!("../queries/next_in_line.sql"))?;
    let oldest = first.query_row([flow], |row| row.get(0)).optional()?.map(Stamp::from_micros);
    Ok(Counts { states, oldest })
}

/// What is kept of a flow.
pub(crate) struct Kept {
    /// Jobs in each state.
    pub(crate) states: [u64; 6],
    /// Ready jobs that count for a key.
    pub(crate) keyed: u64,
    /// The latest place of what was taken, where owners take turns.
    pub(crate) turn: i64,
}

pub(crate) fn kept(db: &Connection, flow: i64) -> Result<Kept> {
    let mut counts = db.prepare_cached(include_str!("../queries/counts.sql"))?;
    let kept = counts.query_row([flow], |row| {
        let count = |n| row.get::<_, i64>(n).map(|count| count.max(0).unsigned_abs());
        let mut states = [0; 6];
        for (n, state) in states.iter_mut().enumerate() {
            *state = count(n)?;
        }
        Ok(Kept { states, keyed: count(6)?, turn: row.get(7)? })
    });
    Ok(kept?)
}

/// The first records of a query. It is not the query that ends at a limit: a bound one has SQLite prepare it anew at every run.
fn records(
    rows: &mut Rows<'_>,
    limit: usize,
    mut read: impl FnMut(&Row<'_>) -> Result<Option<Record>>,
) -> Result<Vec<Record>> {
    let mut records = Vec::new();
    while records.len() < limit {
        let Some(row) = rows.next()? else { break };
        records.extend(read(row)?);
    }
    Ok(records)
}
