//! The one connection that writes: each batch is a transaction.

mod change;
mod claim;
mod counting;
mod gate;
mod insert;
mod lapse;
mod line;
mod news;
mod rates;
mod settings;

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use asyncflow_core::{
    Stamp,
    store::{Answers, Batch, Hints, StoreError},
};
use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};

use self::{
    counting::Counting,
    news::{HeldBack, News},
    rates::Rates,
};
use crate::{
    clock::OneWay,
    failure::{Failure, Result},
    names::Names,
};

/// How long the lock of the database is left to others before it is tried again: transactions are a few times as long.
const PAUSE: Duration = Duration::from_micros(500);

pub(crate) struct Writer {
    db: Connection,
    names: Names,
    path: Arc<Path>,
    clock: Arc<OneWay>,
    hints: Hints,
    patience: Duration,
    /// A number that changes when another connection has committed.
    seen: Option<i64>,
    /// Others have written what our subscribers have not been told of.
    untold: bool,
    held: HeldBack,
}

/// One transaction.
struct Work<'a> {
    db: &'a Connection,
    names: &'a mut Names,
    now: Stamp,
    counting: Counting,
    rates: Rates,
    held: &'a mut HeldBack,
    news: News,
}

impl Writer {
    pub(crate) fn new(
        db: Connection,
        path: Arc<Path>,
        clock: Arc<OneWay>,
        hints: Hints,
        patience: Duration,
    ) -> std::result::Result<Self, StoreError> {
        let mut writer = Self {
            db,
            names: Names::default(),
            path,
            clock,
            hints,
            patience,
            seen: None,
            untold: false,
            held: HeldBack::default(),
        };
        // It has a way of waiting of its own.
        writer.db.busy_timeout(Duration::ZERO).map_err(|error| Failure::Sql(error).of(&writer.path))?;
        writer.look_around().map_err(|failure| failure.of(&writer.path))?;
        Ok(writer)
    }

    /// Applies a batch as one transaction.
    pub(crate) fn write(&mut self, batch: &Batch) -> std::result::Result<Answers, StoreError> {
        self.transaction(|work| {
            let mut answers = Answers::default();
            for insert in &batch.inserts {
                answers.inserts.push(work.insert(insert)?);
            }
            for change in &batch.changes {
                answers.changes.push(work.change(change)?);
            }
            for claim in &batch.claims {
                answers.claims.push(work.claim(claim)?);
            }
            Ok(answers)
        })
    }

    /// Commits a write that changes nothing: a disk that is full or may not be written is not found otherwise.
    pub(crate) fn check(&mut self) -> std::result::Result<(), StoreError> {
        self.transaction(|work| Ok(work.db.pragma_update(None, "user_version", crate::schema::NEWEST as i64)?))
    }

    /// Tells those who listen that other processes wrote.
    pub(crate) fn listen(&mut self) {
        if !self.hints.is_heard() {
            return;
        }
        // If it cannot be read now, it will be told of later.
        let _ = self.look_around();
        if std::mem::take(&mut self.untold) {
            self.hints.anything();
        }
    }

    /// Notices what other processes wrote.
    fn look_around(&mut self) -> Result<()> {
        self.untold |= look_around(&self.db, &mut self.seen, &self.clock)?;
        Ok(())
    }

    fn transaction<T>(&mut self, what: impl FnOnce(&mut Work<'_>) -> Result<T>) -> std::result::Result<T, StoreError> {
        self.try_transaction(what).map_err(|failure| {
            self.names.clear();
            failure.of(&self.path)
        })
    }

    fn try_transaction<T>(&mut self, what: impl FnOnce(&mut Work<'_>) -> Result<T>) -> Result<T> {
        let transaction = begin(&self.db, self.patience)?;
        self.untold |= look_around(&transaction, &mut self.seen, &self.clock)?;
        // Read once the lock is held: a lease that ended while we waited for it has ended.
        let now = self.clock.now();
        let mut work = Work {
            db: &transaction,
            names: &mut self.names,
            now,
            counting: Counting::default(),
            rates: Rates::default(),
            held: &mut self.held,
            news: News::default(),
        };
        let done = what(&mut work)?;
        let Work { counting, rates, news, .. } = work;
        counting.write(&transaction, now)?;
        rates.write(&transaction, now)?;
        transaction.commit()?;
        news.tell(&self.hints);
        Ok(done)
    }
}

/// Takes the lock of the database, waiting for others so long. SQLite's own waiting grows to a tenth of a second, in which a busy process
/// would come a hundred times before one that waits.
pub(crate) fn begin(db: &Connection, patience: Duration) -> rusqlite::Result<Transaction<'_>> {
    let end = Instant::now() + patience;
    loop {
        match Transaction::new_unchecked(db, TransactionBehavior::Immediate) {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && Instant::now() < end => {
                // A thread of the store's own: no async one waits here.
                std::thread::sleep(PAUSE);
            }
            begun => return begun,
        }
    }
}

/// Whether another connection has committed since the last look; the time of what it wrote is past then.
fn look_around(db: &Connection, seen: &mut Option<i64>, clock: &OneWay) -> Result<bool> {
    let version = db.prepare_cached(include_str!("../../queries/data_version.sql"))?.query_row([], |row| row.get(0))?;
    if *seen == Some(version) {
        return Ok(false);
    }
    let mut latest = db.prepare_cached(include_str!("../../queries/latest.sql"))?;
    if let Some(latest) = latest.query_row([], |row| row.get(0))? {
        clock.has_been(Stamp::from_micros(latest));
    }
    Ok(seen.replace(version).is_some())
}
