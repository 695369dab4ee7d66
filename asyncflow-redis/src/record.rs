//! A record as it is kept, read back. The scripts write it: `lua/write/3_records.lua`.

use std::sync::Arc;

use asyncflow_core::{JobKey, Mark, Policy, Progress, Record, Stamp, State, Tally, Token};

/// The form in which this version writes records, and the newest that it reads. One of a newer form is left to whoever wrote it.
pub(crate) const FORMAT: u8 = 1;
/// A stamp that is none.
pub(crate) const NO_STAMP: i64 = i64::MIN;
/// Numbers of the scripts are exact below this.
const EXACT: i64 = 1 << 53;
/// No part is larger.
const LARGEST: i64 = 512 << 20;
/// Where the time stands at which a job was made.
const CREATED: std::ops::Range<usize> = 89..97;
/// Where the name of the policy stands.
const POLICY: std::ops::Range<usize> = 125..141;

pub(crate) type PolicyName = [u8; 16];

/// The name of a record's policy, if the record is long enough to have one.
pub(crate) fn policy_name(raw: &[u8]) -> Option<PolicyName> {
    raw.get(POLICY)?.try_into().ok()
}

/// When a job was made.
pub(crate) fn created(raw: &[u8]) -> Option<Stamp> {
    let created = raw.get(CREATED)?.try_into().ok()?;
    (raw.first() == Some(&FORMAT)).then(|| Stamp::from_micros(i64::from_be_bytes(created)))
}

/// Whether progress is kept beside the record.
pub(crate) fn has_progress(raw: &[u8]) -> bool {
    raw.get(3) == Some(&1)
}

/// Why a record cannot be read: what is said behind "is unreadable: ".
pub(crate) type Unreadable = String;

/// Why a record of this format cannot be read.
pub(crate) fn of_format(format: u8) -> Unreadable {
    match format {
        FORMAT => "it is damaged".into(),
        _ => format!("it is written in format {format}, and this version reads up to {FORMAT}: use a newer one"),
    }
}

/// Reads a record.
pub(crate) fn read(
    job: &JobKey,
    raw: &[u8],
    progress: Option<&[u8]>,
    policy: impl FnOnce(&PolicyName) -> Result<Arc<Policy>, Unreadable>,
) -> Result<Record, Unreadable> {
    match raw.first() {
        Some(&FORMAT) => {}
        Some(&other) => return Err(of_format(other)),
        None => return Err(of_format(FORMAT)),
    }
    let damaged = || of_format(FORMAT);
    let mut bytes = Reader(&raw[1..]);
    let [state, mark, has_progress, held] = bytes.take().ok_or_else(damaged)?;
    let [version, started, ended, due, due_after, ready, lead] = bytes.numbers().ok_or_else(damaged)?;
    let token = bytes.take().ok_or_else(damaged)?;
    let tally = Tally {
        attempts: bytes.take().map(u32::from_be_bytes).ok_or_else(damaged)?,
        failures: bytes.take().map(u32::from_be_bytes).ok_or_else(damaged)?,
        crashes: bytes.take().map(u8::from_be_bytes).ok_or_else(damaged)?,
        crashes_in_all: bytes.take().map(u8::from_be_bytes).ok_or_else(damaged)?,
        snoozes: bytes.take().map(u16::from_be_bytes).ok_or_else(damaged)?,
    };
    let [created, _worth, _spacing, size] = bytes.numbers().ok_or_else(damaged)?;
    let flow_version = bytes.take().map(u16::from_be_bytes).ok_or_else(damaged)?;
    let priority = bytes.take().map(i8::from_be_bytes).ok_or_else(damaged)?;
    let [named] = bytes.take().ok_or_else(damaged)?;
    let policy_name = bytes.take().ok_or_else(damaged)?;
    let mut name = |bit: u8| match named & bit {
        0 => Ok(None),
        _ => bytes.name().map(Some).ok_or_else(damaged),
    };
    let (owner, limit_key, unique_key) = (name(1)?, name(2)?, name(4)?);
    if !bytes.0.is_empty() || named > 7 || held > 1 || !(0..EXACT).contains(&version) || !(0..=LARGEST).contains(&size)
    {
        return Err(damaged());
    }
    let stamp = |at| Some(at).filter(|at| *at != NO_STAMP).map(Stamp::from_micros);
    Ok(Record {
        job: job.clone(),
        flow_version,
        state: State::ALL.get(usize::from(state)).copied().ok_or_else(damaged)?,
        version: version.unsigned_abs(),
        created: Stamp::from_micros(created),
        started: stamp(started),
        ended: stamp(ended),
        due: Stamp::from_micros(due.saturating_add(due_after)),
        rank: ready.saturating_sub(lead),
        priority,
        token: (held == 1).then(|| Token::from_u128(u128::from_be_bytes(token))),
        mark: match mark {
            0 => Mark::None,
            1 => Mark::Cancel,
            2 => Mark::Forget,
            _ => return Err(damaged()),
        },
        tally,
        owner,
        limit_key,
        unique_key,
        progress: match (has_progress, progress) {
            (0, _) | (1, None) => None,
            (1, Some(json)) => {
                let progress: Progress = serde_json::from_slice(json).map_err(|_| "its progress is damaged")?;
                Some(Arc::new(progress))
            }
            _ => return Err(damaged()),
        },
        policy: policy(&policy_name)?,
    })
}

/// What of a record has not been read yet.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*first)
    }

    fn numbers<const N: usize>(&mut self) -> Option<[i64; N]> {
        let mut numbers = [0; N];
        for number in &mut numbers {
            *number = i64::from_be_bytes(self.take()?);
        }
        Some(numbers)
    }

    fn name(&mut self) -> Option<Arc<str>> {
        let size = usize::try_from(u32::from_be_bytes(self.take()?)).ok()?;
        let (name, rest) = self.0.split_at_checked(size)?;
        self.0 = rest;
        std::str::from_utf8(name).ok().map(Arc::from)
    }
}
