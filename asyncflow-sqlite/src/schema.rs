//! The tables of a file, brought to this version's form.

use rusqlite::{Connection, TransactionBehavior};

/// How each schema is made from the one before. None is ever changed once it was released.
pub(crate) const MIGRATIONS: [&str; 2] = [include_str!("../migrations/1.sql"), include_str!("../migrations/2.sql")];

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

/// Brings the database to the newest schema, if nobody else is there.
pub(crate) fn migrate(db: &mut Connection, alone: bool) -> Result<(), Obstacle> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let pragma = |name| transaction.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let (application, schema) = (pragma("application_id")?, usize::try_from(pragma("user_version")?).unwrap_or(0));
    let tables: i64 = transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application != APPLICATION && (tables > 0 || application != 0) {
        return Err(Obstacle::Foreign);
    }
    match schema {
        NEWEST => return Ok(()),
        newer if newer > NEWEST => return Err(Obstacle::Newer(newer)),
        older if !alone => return Err(Obstacle::InUse(older)),
        _ => {}
    }
    for migration in &MIGRATIONS[schema..] {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", NEWEST as i64)?;
    Ok(transaction.commit()?)
}
