//! A record as a row, and back.

use std::{borrow::Cow, sync::Arc};

use asyncflow_core::{
    JobId, JobKey, Mark, Record, Stamp, State, Tally, Token,
    store::{ContentType, Part},
};
use bytes::Bytes;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::names::Known;

/// The newest form of records that this version reads. A row of a newer form is left to whoever wrote it.
const FORMAT: i16 = 1;
/// Stands for a byte that cannot be kept, with a digit behind it.
const ESCAPE: char = '\u{1}';
/// Where the columns of a record begin in an answer.
const RECORD: usize = 4;
/// Where those of a part begin.
const PART: usize = RECORD + 28;

/// The numbers of a record's flow and policy, if there is a record.
pub(crate) fn names(row: &Row) -> Option<(i32, i32)> {
    Some((row.get::<_, Option<i32>>(RECORD + 7)?, row.get(RECORD + 8)))
}

/// Reads the record of an answer.
///
/// # Errors
/// What this version cannot read, by name.
pub(crate) fn record(row: &Row, known: &Known) -> Result<Record, String> {
    let id = job_id(row.get(RECORD));
    let flow = known.flow_name(row.get(RECORD + 7)).ok_or_else(|| format!("job {id} is of a flow that has no name"))?;
    let job = JobKey { flow: flow.clone(), id };
    fields(row, known, &job).map_err(|why| format!("job {id} of flow `{flow}` is unreadable: {why}"))
}

fn fields(row: &Row, known: &Known, job: &JobKey) -> Result<Record, String> {
    let at = |column: usize| RECORD + column;
    let format: i16 = row.get(at(11));
    if format > FORMAT {
        return Err(format!(
            "it is written in format {format}, and this version reads up to {FORMAT}: use a newer one"
        ));
    }
    let wrong = |column: &str| format!("there is no such {column}");
    let stamp = |column| Stamp::from_micros(row.get(at(column)));
    let perhaps = |column| row.get::<_, Option<i64>>(at(column)).map(Stamp::from_micros);
    let state: i16 = row.get(at(12));
    let state = usize::try_from(state).ok().and_then(|state| State::ALL.get(state)).copied();
    let state = state.ok_or_else(|| wrong("state"))?;
    let due = if state == State::Processing { perhaps(18).ok_or_else(|| wrong("lease"))? } else { stamp(3) };
    let text = |column| row.get::<_, Option<&str>>(at(column)).map(|kept| Arc::from(&*told(kept)));
    Ok(Record {
        flow_version: u16::try_from(row.get::<_, i32>(at(9))).map_err(|_| wrong("flow version"))?,
        state,
        version: u64::try_from(row.get::<_, i64>(at(1))).map_err(|_| wrong("version"))?,
        created: stamp(2),
        started: perhaps(19),
        ended: perhaps(20),
        due,
        rank: row.get(at(4)),
        priority: i8::try_from(row.get::<_, i16>(at(14))).map_err(|_| wrong("priority"))?,
        token: row.get::<_, Option<Uuid>>(at(21)).map(|token| Token::from_u128(token.as_u128())),
        mark: match row.get::<_, i16>(at(13)) {
            0 => Mark::None,
            1 => Mark::Cancel,
            2 => Mark::Forget,
            _ => return Err(wrong("mark")),
        },
        tally: Tally {
            attempts: u32::try_from(row.get::<_, i64>(at(5))).map_err(|_| wrong("attempts"))?,
            failures: u32::try_from(row.get::<_, i64>(at(6))).map_err(|_| wrong("failures"))?,
            crashes: u8::try_from(row.get::<_, i16>(at(15))).map_err(|_| wrong("crashes"))?,
            crashes_in_all: u8::try_from(row.get::<_, i16>(at(16))).map_err(|_| wrong("crashes in all"))?,
            snoozes: u16::try_from(row.get::<_, i32>(at(10))).map_err(|_| wrong("snoozes"))?,
        },
        owner: text(24),
        limit_key: text(25),
        unique_key: text(26),
        progress: match row.get::<_, Option<&str>>(at(27)) {
            Some(json) => Some(Arc::new(serde_json::from_str(json).map_err(|_| wrong("progress"))?)),
            None => None,
        },
        policy: known.policy(row.get(at(8))).ok_or_else(|| wrong("policy"))?.clone(),
        job: job.clone(),
    })
}

/// The request that stands beside a record; an empty one where there is none.
pub(crate) fn request(row: &Row) -> Part {
    match row.get::<_, Option<&str>>(PART) {
        Some(content_type) => part(content_type, row.get(PART + 1)),
        None => Part::json(Bytes::new()),
    }
}

pub(crate) fn part(content_type: &str, bytes: &[u8]) -> Part {
    Part { content_type: ContentType::from(&*told(content_type)), bytes: Bytes::copy_from_slice(bytes) }
}

pub(crate) fn job_id(id: Uuid) -> JobId {
    JobId::from_u128(id.as_u128())
}

pub(crate) fn uuid(id: JobId) -> Uuid {
    Uuid::from_u128(id.as_u128())
}

/// A text as it is kept: Postgres takes none with a zero byte.
pub(crate) fn kept(text: &str) -> Cow<'_, str> {
    if !text.contains(['\0', ESCAPE]) {
        return text.into();
    }
    text.replace(ESCAPE, "\u{1}1").replace('\0', "\u{1}0").into()
}

/// A text that was [kept].
pub(crate) fn told(kept: &str) -> Cow<'_, str> {
    if !kept.contains(ESCAPE) {
        return kept.into();
    }
    kept.replace("\u{1}0", "\0").replace("\u{1}1", "\u{1}").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_is_kept() {
        for text in ["", "plain", "\0", "\u{1}", "a\u{1}0\0b\u{1}1\0\0", "\u{1}\u{1}\0"] {
            assert!(!kept(text).contains('\0'));
            assert_eq!(told(&kept(text)), text);
        }
    }
}
