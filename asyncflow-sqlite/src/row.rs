//! A record as a row of `jobs`, and back.

use std::sync::Arc;

use asyncflow_core::{
    JobId, JobKey, Mark, Record, Stamp, State, Tally, Token,
    store::{ContentType, Part},
};
use bytes::Bytes;
use rusqlite::{Connection, ErrorCode, MAIN_DB, Row, ToSql, types::Type};

use crate::{
    failure::{Failure, Result},
    names::Names,
};

/// The form in which this version writes records, and the newest that it reads. A row of a newer form is left to whoever wrote it.
pub(crate) const FORMAT: i64 = 1;

/// Where the columns of a part stand beside those of a record.
const PART: usize = 24;

/// Reads the row of a job, which begins with the columns of `jobs` in their order.
pub(crate) fn record(row: &Row<'_>, db: &Connection, names: &mut Names) -> Result<Record> {
    let job = key(row, db, names).map_err(|failure| unreadable(failure, || nameless(row)))?;
    fields(row, db, names, &job)
        .map_err(|failure| unreadable(failure, || format!("job {} of flow `{}`", job.id, job.flow)))
}

/// What could not be read, by its name, where SQLite read the row and what stands there is not what we write.
pub(crate) fn unreadable(failure: Failure, what: impl FnOnce() -> String) -> Failure {
    match failure {
        Failure::Sql(error) if error.sqlite_error_code().is_none() => {
            Failure::Unreadable(format!("{} is unreadable: {error}", what()))
        }
        Failure::Unreadable(why) => Failure::Unreadable(format!("{} is unreadable: {why}", what())),
        failure => failure,
    }
}

fn key(row: &Row<'_>, db: &Connection, names: &mut Names) -> Result<JobKey> {
    Ok(JobKey { flow: names.flow_name(db, row.get(0)?)?, id: JobId::from_u128(bits(row.get(1)?)) })
}

/// A row without a key that means a job, as one finds it in the file.
fn nameless(row: &Row<'_>) -> String {
    let id = row.get_ref(1).ok().and_then(|id| id.as_blob().ok()).unwrap_or_default();
    let id: String = id.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("the row of jobs whose id begins with x'{id}'")
}

fn fields(row: &Row<'_>, db: &Connection, names: &mut Names, job: &JobKey) -> Result<Record> {
    let wrong = |column: &str| Failure::Unreadable(format!("there is no such {column}"));
    let format: i64 = row.get(2)?;
    if format > FORMAT {
        return Err(Failure::Unreadable(format!(
            "it is written in format {format}, and this version reads up to {FORMAT}: use a newer one"
        )));
    }
    let stamp = |column| row.get(column).map(Stamp::from_micros);
    let perhaps = |column| row.get::<_, Option<i64>>(column).map(|stamp| stamp.map(Stamp::from_micros));
    let version: u64 = row.get(5)?;
    // It must have room to grow, or whatever takes the job fails, and all beside it.
    if version >= i64::MAX as u64 {
        return Err(wrong("version"));
    }
    let progress = match row.get_ref(21)?.as_str_or_null().map_err(|_| wrong("progress"))? {
        Some(json) => Some(Arc::new(serde_json::from_str(json).map_err(|_| wrong("progress"))?)),
        None => None,
    };
    Ok(Record {
        flow_version: row.get(3)?,
        state: State::ALL.get(row.get::<_, usize>(4)?).copied().ok_or_else(|| wrong("state"))?,
        version,
        created: stamp(6)?,
        started: perhaps(7)?,
        ended: perhaps(8)?,
        due: stamp(9)?,
        rank: row.get(10)?,
        priority: row.get(11)?,
        token: row.get::<_, Option<[u8; 16]>>(12)?.map(|token| Token::from_u128(bits(token))),
        mark: match row.get(13)? {
            0 => Mark::None,
            1 => Mark::Cancel,
            2 => Mark::Forget,
            _ => return Err(wrong("mark")),
        },
        tally: Tally {
            attempts: row.get(14)?,
            failures: row.get(15)?,
            crashes: row.get(16)?,
            crashes_in_all: row.get(17)?,
            snoozes: row.get(18)?,
        },
        owner: row.get(19)?,
        limit_key: row.get(22)?,
        unique_key: row.get(23)?,
        policy: names.policy(db, row.get(20)?)?,
        progress,
        job: job.clone(),
    })
}

/// What was read, or `None` where this version cannot read it: it must not block those behind it.
pub(crate) fn readable<T>(read: Result<T>) -> Result<Option<T>> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(Failure::Unreadable(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The request that stands beside a record; an empty one where there is none.
pub(crate) fn request(row: &Row<'_>, db: &Connection) -> Result<Part> {
    match row.get_ref(PART)?.data_type() {
        Type::Null => Ok(Part::json(Bytes::new())),
        _ => part(row, PART, db).map_err(|error| unreadable(error.into(), || "a request".into())),
    }
}

/// A part whose columns begin here.
pub(crate) fn part(row: &Row<'_>, at: usize, db: &Connection) -> rusqlite::Result<Part> {
    let content_type = ContentType::from(row.get_ref(at)?.as_str()?);
    let bytes = match row.get(at + 2)? {
        Some(large) => whole(db, large).map_err(|error| match error.sqlite_error_code() {
            // What SQLite says where there is no such row.
            Some(ErrorCode::Unknown) => rusqlite::Error::IntegralValueOutOfRange(at + 2, large),
            _ => error,
        })?,
        None => Bytes::copy_from_slice(row.get_ref(at + 1)?.as_blob()?),
    };
    Ok(Part { content_type, bytes })
}

/// A large part's bytes, right from their pages: a query would put them together in memory of its own first.
fn whole(db: &Connection, large: i64) -> rusqlite::Result<Bytes> {
    let blob = db.blob_open(MAIN_DB, "large", "bytes", large, true)?;
    let mut bytes = vec![0; blob.len()];
    blob.read_at_exact(&mut bytes, 0)?;
    Ok(bytes.into())
}

/// A name as it is kept where there may be none: nobody is apart from those of any name.
pub(crate) fn or_nobody(name: Option<&Arc<str>>) -> &dyn ToSql {
    match name {
        Some(name) => name,
        None => &0,
    }
}

/// 128 bits as they are kept: in the order of the numbers.
pub(crate) fn blob(bits: u128) -> [u8; 16] {
    bits.to_be_bytes()
}

pub(crate) fn bits(blob: [u8; 16]) -> u128 {
    u128::from_be_bytes(blob)
}
