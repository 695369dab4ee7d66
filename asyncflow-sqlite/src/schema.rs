//! The tables of a file, brought to this version's form.

use std::time::Duration;

use rusqlite::Connection;

use crate::write::begin;

/// How each schema is made from the one before. None is ever changed once it was released.
pub(crate) const MIGRATIONS: [&str; 3] =
    [include_str!("../migrations/1.sql"), include_str!("../migrations/2.sql"), include_str!("../migrations/3.sql")];

/// The schema that this version works with.
pub(crate) const NEWEST: usize = MIGRATIONS.len();

/// Marks a database as ours: `AFlw`.
const APPLICATION: i32 = 0x4146_6c77;

/// What stands in the way of using a database.
pub(crate) enum Obstacle {
    /// It is some other application's.
    Foreign,
    /// It is of a newer schema.
    Newer(usize),
    /// It is of an older schema, and others work with it.
    InUse(usize),
    Sql(rusqlite::Error),
}

impl From<rusqlite::Error> for Obstacle {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

/// Which schema the database is of, where this version works with it or can make it its own; nothing is changed.
pub(crate) fn identify(db: &Connection) -> Result<usize, Obstacle> {
    // All of one moment: somebody may just be making the tables.
    let moment = db.unchecked_transaction()?;
    let pragma = |name| moment.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let tables: i64 = moment.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let (application, schema) = (pragma("application_id")?, usize::try_from(pragma("user_version")?).unwrap_or(0));
    if application != APPLICATION && (tables > 0 || application != 0) {
        return Err(Obstacle::Foreign);
    }
    if schema > NEWEST {
        return Err(Obstacle::Newer(schema));
    }
    Ok(schema)
}

/// Brings the database to the newest schema, if nobody else is there.
pub(crate) fn migrate(db: &Connection, alone: bool, patience: Duration) -> Result<(), Obstacle> {
    // Looked at before the lock is asked for: others may write all the time.
    let schema = match identify(db)? {
        NEWEST => return Ok(()),
        older if !alone => return Err(Obstacle::InUse(older)),
        older => older,
    };
    let transaction = begin(db, patience)?;
    for migration in &MIGRATIONS[schema..] {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", NEWEST as i64)?;
    Ok(transaction.commit()?)
}

/// How SQLite goes about a query, in the newest schema.
#[cfg(test)]
pub(crate) fn plan(sql: &str) -> rusqlite::Result<Vec<String>> {
    let db = Connection::open_in_memory()?;
    MIGRATIONS.iter().try_for_each(|migration| db.execute_batch(migration))?;
    let mut explain = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
    let (mut rows, mut plan) = (explain.raw_query(), Vec::new());
    while let Some(row) = rows.next()? {
        plan.push(row.get(3)?);
    }
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_and_their_parts_are_looked_up() {
        for sql in [
            include_str!("../queries/held.sql"),
            include_str!("../queries/next_keyed.sql"),
            include_str!("../queries/next_ready.sql"),
            include_str!("../queries/part.sql"),
            include_str!("../queries/ready_by_id.sql"),
        ] {
            let plan = plan(sql).unwrap();
            let parts = |step: &String| step.starts_with("SEARCH parts ");
            assert!(plan.iter().all(|step| step.starts_with("SEARCH ")) && plan.iter().any(parts), "{plan:?}");
        }
    }
}
