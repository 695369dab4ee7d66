//! Records are changed as the rules said.

use asyncflow_core::{
    Record, State, Token,
    store::{Change, Changed, PartName, Parts, Patch},
};
use rusqlite::{Connection, params};

use super::Work;
use crate::{
    failure::{Failure, Result},
    read,
    row::blob,
};

impl Work<'_> {
    pub(super) fn change(&mut self, change: &Change) -> Result<Changed> {
        let Some(record) = read::record(self.db, self.names, &change.job)? else { return Ok(Changed::Missing) };
        if !change.guard.admits(&record, self.now) {
            return Ok(Changed::Refused(record));
        }
        if change.patch.purge {
            self.purge(&record)?;
            self.news.changed(&record, &change.patch);
            return Ok(Changed::Applied(record));
        }
        self.apply(record, &change.patch, None).map(Changed::Applied)
    }

    /// Does to a record what the patch says, and answers what it became.
    pub(super) fn apply(&mut self, mut record: Record, patch: &Patch, token: Option<Token>) -> Result<Record> {
        let flow = self.names.add_flow(self.db, &record.job.flow, self.now)?;
        let before = record.state;
        patch.apply(&mut record, token, self.now);
        if patch.to.is_some() || patch.lead.is_some() {
            self.moved(flow, &mut record, before, patch.lead.is_some())?;
        }
        update(self.db, flow, &record, patch)?;
        match &patch.parts {
            Parts::Keep => {}
            Parts::Result(result) => {
                self.put_part(flow, record.job.id, PartName::Outcome, result)?;
                self.drop_parts(flow, &record, include_str!("../../queries/drop_request.sql"))?;
            }
            Parts::Error(error) => self.put_part(flow, record.job.id, PartName::Outcome, error)?,
            Parts::Drop => self.drop_parts(flow, &record, include_str!("../../queries/drop_parts.sql"))?,
        }
        self.news.changed(&record, patch);
        Ok(record)
    }

    /// A job has gone from one state to that of its record; `ready`: it is ready anew, and given its place where owners take turns.
    fn moved(&mut self, flow: i64, record: &mut Record, from: State, ready: bool) -> Result<()> {
        self.left(flow, record, from)?;
        if from == State::Enqueued && record.state == State::Processing {
            self.counting.taken(self.db, flow, record)?;
        }
        self.counting.came(self.db, flow, record, ready)
    }

    fn left(&mut self, flow: i64, record: &Record, from: State) -> Result<()> {
        if from == State::Processing && self.held.freed(flow, record.limited_by()) {
            self.news.ready(&record.job.flow);
        }
        self.counting.left(self.db, flow, record, from)
    }

    fn purge(&mut self, record: &Record) -> Result<()> {
        let flow = self.names.add_flow(self.db, &record.job.flow, self.now)?;
        self.db
            .prepare_cached(include_str!("../../queries/purge.sql"))?
            .execute((flow, blob(record.job.id.as_u128())))?;
        self.drop_parts(flow, record, include_str!("../../queries/drop_parts.sql"))?;
        self.left(flow, record, record.state)
    }

    fn drop_parts(&self, flow: i64, record: &Record, which: &str) -> Result<()> {
        self.db.prepare_cached(which)?.execute((flow, blob(record.job.id.as_u128())))?;
        Ok(())
    }
}

/// Writes what a patch changed in a record. Just one that moves the job touches the indexes of the queue and of leases.
fn update(db: &Connection, flow: i64, record: &Record, patch: &Patch) -> Result<()> {
    let progress = record.progress.as_deref().map(serde_json::to_string).transpose();
    let progress = progress.map_err(|error| Failure::Rejected(format!("its progress cannot be written: {error}")))?;
    let moves = patch.to.is_some() || patch.lead.is_some();
    let sql =
        if moves { include_str!("../../queries/transition.sql") } else { include_str!("../../queries/touch.sql") };
    let mut update = db.prepare_cached(sql)?;
    let (id, token) = (blob(record.job.id.as_u128()), record.token.map(|token| blob(token.as_u128())));
    let (started, ended) = (record.started.map(|at| at.as_micros()), record.ended.map(|at| at.as_micros()));
    let all = params![
        flow,
        id,
        record.due.as_micros(),
        record.version,
        record.mark as i64,
        record.tally.attempts,
        record.tally.failures,
        record.tally.crashes,
        record.tally.crashes_in_all,
        record.tally.snoozes,
        progress,
        record.state as i64,
        started,
        ended,
        record.rank,
        token,
    ];
    update.execute(if moves { all } else { &all[..11] })?;
    Ok(())
}
