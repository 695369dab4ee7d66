//! What is fuzzed here: rows as anybody may have written them, at random by the test below, guided by coverage from the folder `fuzz`.

use asyncflow_core::{Policy, Progress};
use rusqlite::{Connection, params_from_iter, types::Value};

use crate::{failure::Failure, names::Names, row, schema::MIGRATIONS};

/// What rows are put together of: lines, each a column's letter (`{` is the one after `z`), the kind of its value, and the value.
#[rustfmt::skip]
pub const ROW: &[&str] = &[
    "\na", "\nb", "\nc", "\nd", "\ne", "\nf", "\ng", "\nh", "\ni", "\nj", "\nk", "\nl", "\nm", "\nn", "\no", "\np", "\nq", "\nr", "\ns", "\nt",
    "\nu", "\nv", "\nw", "\nx", "\ny", "\nz", "\n{", "i", "i-", "n", "r", "t", "b", "i1", "i2", "i3", "i7", "i255", "i256", "i65536", "i4294967296", "\nui2\n~",
    "bbbbbbbbbbbbbbbbb", "t{\"text\":\"a\"}", "{\"max_crashes\":1}", "{\"expiry\":\"1s\"}", "{", "}", "\u{e9}", "9223372036854775807",
];

/// Whether a value makes sense in a column, by itself and by the JSON of the second policy.
type Fits = fn(&Value, &str) -> bool;

/// The columns of a job, and of its request behind it: their values unless said otherwise, and which values they may have.
#[rustfmt::skip]
const COLUMNS: [(Value, Fits); 27] = [
    (Value::Integer(1), |flow, _| *flow == Value::Integer(1)),
    (Value::Null, is_id),
    (Value::Integer(1), |format, _| matches!(format, Value::Integer(..=1))),
    (Value::Integer(0), |version, _| matches!(version, Value::Integer(0..=0xffff))),
    (Value::Integer(1), |state, _| matches!(state, Value::Integer(0..=5))),
    (Value::Integer(0), |version, _| matches!(version, Value::Integer(0..=0x7fff_ffff_ffff_fffe))),
    (Value::Integer(0), is_integer),
    (Value::Null, |started, _| matches!(started, Value::Integer(_) | Value::Null)),
    (Value::Null, |ended, _| matches!(ended, Value::Integer(_) | Value::Null)),
    (Value::Integer(0), is_integer),
    (Value::Integer(0), is_integer),
    (Value::Integer(0), |priority, _| matches!(priority, Value::Integer(-128..=127))),
    (Value::Null, |token, _| *token == Value::Null || is_id(token, "")),
    (Value::Integer(0), |mark, _| matches!(mark, Value::Integer(0..=2))),
    (Value::Integer(0), |attempts, _| matches!(attempts, Value::Integer(0..=0xffff_ffff))),
    (Value::Integer(0), |failures, _| matches!(failures, Value::Integer(0..=0xffff_ffff))),
    (Value::Integer(0), |crashes, _| matches!(crashes, Value::Integer(0..=255))),
    (Value::Integer(0), |crashes, _| matches!(crashes, Value::Integer(0..=255))),
    (Value::Integer(0), |snoozes, _| matches!(snoozes, Value::Integer(0..=0xffff))),
    (Value::Null, is_name),
    (Value::Integer(1), |id, policy| match id {
        Value::Integer(2) => serde_json::from_str::<Policy>(policy).is_ok(),
        id => *id == Value::Integer(1),
    }),
    (Value::Null, |progress, _| match progress {
        Value::Text(json) => serde_json::from_str::<Progress>(json).is_ok(),
        progress => *progress == Value::Null,
    }),
    (Value::Null, is_name),
    (Value::Null, is_name),
    (Value::Null, is_name),
    (Value::Null, |_, _| true),
    (Value::Null, |large, _| matches!(large, Value::Null | Value::Integer(1))),
];

/// Large bytes, whose number is 1.
const LARGE: &[u8] = b"large";

const RECORD: usize = 24;

fn is_integer(value: &Value, _: &str) -> bool {
    matches!(value, Value::Integer(_))
}

fn is_name(value: &Value, _: &str) -> bool {
    matches!(value, Value::Null | Value::Text(_))
}

fn is_id(value: &Value, _: &str) -> bool {
    matches!(value, Value::Blob(id) if id.len() == 16)
}

thread_local! {
    static DB: Connection = database().unwrap_or_else(|error| panic!("{error}"));
}

fn database() -> rusqlite::Result<Connection> {
    let db = Connection::open_in_memory()?;
    for migration in MIGRATIONS {
        db.execute_batch(migration)?;
    }
    db.execute_batch("INSERT INTO flows (name, latest) VALUES ('data', 0), (CAST(X'ff' AS TEXT), 0)")?;
    db.execute_batch("INSERT INTO policies (policy) VALUES ('{}'), ('')")?;
    db.execute("INSERT INTO large (bytes) VALUES (?1)", [LARGE])?;
    Ok(db)
}

/// Reads a row that is as it should be but for what the lines of the input say: it is read as it stands, or refused by name if and only if
/// one of its values makes no sense.
pub fn row(input: &[u8]) {
    DB.with(|db| read(db, input).unwrap_or_else(|error| panic!("{error}")));
}

fn read(db: &Connection, input: &[u8]) -> rusqlite::Result<()> {
    let mut values = COLUMNS.map(|(value, _)| value);
    values[1] = Value::Blob(7_u128.to_be_bytes().to_vec());
    let mut policy = "";
    for line in input.split(|byte| *byte == b'\n') {
        match line {
            [b'~', json @ ..] => policy = std::str::from_utf8(json).unwrap_or_default(),
            [column @ b'a'..=b'{', kind, rest @ ..] => values[usize::from(column - b'a')] = value(*kind, rest),
            _ => {}
        }
    }
    db.execute("UPDATE OR IGNORE policies SET policy = ?1 WHERE id = 2", [policy])?;
    let policy: String = db.query_row("SELECT policy FROM policies WHERE id = 2", [], |row| row.get(0))?;
    // What is no text, where one is meant, is put in as bytes that SQLite takes for one.
    let broken = |value: &Value| matches!(value, Value::Blob(bytes) if bytes.starts_with(b"\xff"));
    let column = |value: &Value| if broken(value) { "CAST(? AS TEXT)" } else { "?" };
    let select = format!("SELECT {}", values.each_ref().map(column).join(", "));
    let mut query = db.prepare_cached(&select)?;
    let mut rows = query.query(params_from_iter(&values))?;
    let Some(found) = rows.next()? else { return Ok(()) };
    let sound = |n: usize| !broken(&values[n]) && COLUMNS[n].1(&values[n], &policy);

    let job = format!("job {} of flow `data` ", asyncflow_core::JobId::from_u128(7));
    match row::record(found, db, &mut Names::default()) {
        Ok(record) => {
            assert!((0..RECORD).all(sound), "{values:?}");
            let integer = |n: usize| if let Value::Integer(integer) = &values[n] { Some(*integer) } else { None };
            assert_eq!(Some(record.created.as_micros()), integer(6));
            assert_eq!(record.started.map(|at| at.as_micros()), integer(7));
            assert_eq!(record.ended.map(|at| at.as_micros()), integer(8));
            assert_eq!(Some(record.due.as_micros()), integer(9));
            let small = [
                record.flow_version.into(),
                record.state as i64,
                record.version as i64,
                record.rank,
                record.priority.into(),
                record.mark as i64,
                record.tally.attempts.into(),
                record.tally.failures.into(),
                record.tally.crashes.into(),
                record.tally.crashes_in_all.into(),
                record.tally.snoozes.into(),
            ];
            assert_eq!(small.map(Some), [3, 4, 5, 10, 11, 13, 14, 15, 16, 17, 18].map(integer));
            let token = record.token.map(|token| Value::Blob(token.as_u128().to_be_bytes().to_vec()));
            assert_eq!(token.unwrap_or(Value::Null), values[12]);
            for (n, name) in [(19, record.owner), (22, record.limit_key), (23, record.unique_key)] {
                assert_eq!(name.map_or(Value::Null, |name| Value::Text((*name).into())), values[n]);
            }
            assert_eq!(record.progress.is_some(), values[21] != Value::Null);
        }
        Err(Failure::Unreadable(why)) => {
            assert!(!(0..RECORD).all(sound), "{why}: {values:?}");
            assert!(
                why.starts_with(&job) || !sound(0) || values[1] != Value::Blob(7_u128.to_be_bytes().to_vec()),
                "{why}"
            );
        }
        Err(other) => panic!("a row stops all others: {other:?}"),
    }
    let bytes = match &values[26] {
        Value::Null => values[25].clone(),
        _ => Value::Blob(LARGE.to_vec()),
    };
    let (is_null, makes_sense) =
        (values[24] == Value::Null, sound(24) && sound(26) && matches!(bytes, Value::Blob(_)) && !broken(&bytes));
    match row::request(found, db) {
        Ok(part) if is_null => assert!(part.bytes.is_empty()),
        Ok(part) => {
            assert!(makes_sense);
            assert_eq!(
                (Value::Text(part.content_type.as_str().into()), Value::Blob(part.bytes.into())),
                (values[24].clone(), bytes)
            );
        }
        Err(Failure::Unreadable(why)) => assert!(!makes_sense, "{why}"),
        Err(other) => panic!("a request stops all others: {other:?}"),
    }
    Ok(())
}

fn value(kind: u8, rest: &[u8]) -> Value {
    let text = String::from_utf8_lossy(rest).into_owned();
    match kind {
        b'i' => Value::Integer(text.parse().unwrap_or(i64::MIN)),
        b'r' => Value::Real(text.parse().unwrap_or(0.5)),
        b't' => Value::Text(text),
        b'b' => Value::Blob(rest.to_vec()),
        _ => Value::Null,
    }
}

#[cfg(test)]
#[path = "../../fuzz/at_random.rs"]
mod at_random;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_make_no_sense_are_refused_by_name() {
        at_random::run(ROW, row);
    }
}
