//! Changes, as columns.

use asyncflow_core::{
    JobId, State, Tally,
    store::{Change, Due, Guard, Parts, Patch},
};
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::{
    bounded,
    inserts::{due, parts, progress},
};
use crate::{params::Params, row};

/// A change with its place in the batch, and its flow's number.
pub(super) type Numbered<'a> = (usize, i32, &'a Change);

/// The changes of a batch.
pub(super) struct Changes<'a> {
    /// Jobs that end by the word of those who hold them, and no more becomes of them: in the order of their ids.
    pub(super) ends: Vec<Numbered<'a>>,
    pub(super) others: Vec<Numbered<'a>>,
}

impl<'a> Changes<'a> {
    pub(super) fn of(changes: &'a [Change], flows: &[i32]) -> Self {
        let all = changes.iter().zip(flows).enumerate().map(|(nth, (change, flow))| (nth, *flow, change));
        let (mut ends, others): (Vec<_>, Vec<_>) = all.partition(|(.., change)| is_end(change));
        ends.sort_unstable_by_key(|(.., change)| change.job.id);
        Self { ends, others }
    }
}

fn is_end(Change { guard, patch, .. }: &Change) -> bool {
    let ends =
        patch.to.is_some_and(State::is_ended) && matches!(patch.due, Some(Due::Purge(_))) && patch.tally.is_some();
    let no_more = patch.lead.is_none() && patch.mark.is_none() && !patch.quiet && !patch.purge;
    matches!(guard, Guard::Holder { .. })
        && ends
        && no_more
        && patch.progress != Some(None)
        && patch.parts != Parts::Drop
}

/// Whether a job's place in line may change: where owners take turns, nobody else must be given one meanwhile.
pub(super) fn turning(patch: &Patch) -> bool {
    patch.lead.is_some() || patch.to.is_some_and(State::is_waiting)
}

pub(super) fn push<'a>(params: &mut Params<'a>, Changes { ends, others }: &'a Changes<'a>) {
    push_jobs(params, ends);
    push_holders(params, ends);
    params.rare(Type::INT2_ARRAY, ends, |(.., change)| change.patch.to.map(|to| to as i16));
    params.rare(Type::INT8_ARRAY, ends, |(.., change)| due(change.patch.due).0);
    push_tallies(params, ends);
    push_parts(params, ends);

    let turning = others.iter().filter(|(.., change)| turning(&change.patch));
    let turning: Vec<_> = turning.map(|(.., change)| row::uuid(change.job.id)).collect();
    params.push((!turning.is_empty()).then_some(turning), Type::UUID_ARRAY);
    push_jobs(params, others);
    params.column(Type::INT2_ARRAY, others, |(.., change)| match change.guard {
        Guard::Version(_) => 0_i16,
        Guard::Holder { .. } => 1,
        Guard::StillDue { .. } => 2,
    });
    // No record has a version that is not kept.
    params.rare(Type::INT8_ARRAY, others, |(.., change)| match change.guard {
        Guard::Version(version) | Guard::StillDue { version, .. } => Some(i64::try_from(version).unwrap_or(-1)),
        Guard::Holder { .. } => None,
    });
    params.rare(Type::INT8_ARRAY, others, |(.., change)| match change.guard {
        Guard::StillDue { due, .. } => Some(due.as_micros()),
        _ => None,
    });
    push_holders(params, others);
    params.rare(Type::INT2_ARRAY, others, |(.., change)| change.patch.to.map(|to| to as i16));
    params.rare(Type::INT8_ARRAY, others, |(.., change)| due(change.patch.due).0);
    params.column(Type::BOOL_ARRAY, others, |(.., change)| due(change.patch.due).1);
    params.rare(Type::INT8_ARRAY, others, |(.., change)| change.patch.lead);
    params.rare(Type::INT2_ARRAY, others, |(.., change)| change.patch.mark.map(|mark| mark as i16));
    params.column(Type::BOOL_ARRAY, others, |(.., change)| change.patch.quiet);
    params.column(Type::BOOL_ARRAY, others, |(.., change)| change.patch.purge);
    params.rare(Type::BOOL_ARRAY, others, |(.., change)| change.patch.progress.as_ref().map(|_| true));
    push_tallies(params, others);
    push_parts(params, others);
}

fn push_jobs<'a>(params: &mut Params<'a>, changes: &'a [Numbered<'a>]) {
    params.column(Type::UUID_ARRAY, changes, |(.., change)| row::uuid(change.job.id));
    params.column(Type::INT4_ARRAY, changes, |(_, flow, _)| *flow);
    params.column(Type::INT8_ARRAY, changes, |(.., change)| born(change.job.id));
}

fn push_holders<'a>(params: &mut Params<'a>, changes: &'a [Numbered<'a>]) {
    params.rare(Type::UUID_ARRAY, changes, |(.., change)| match change.guard {
        Guard::Holder { token, .. } => Some(Uuid::from_u128(token.as_u128())),
        _ => None,
    });
    params.rare(Type::INT8_ARRAY, changes, |(.., change)| match change.guard {
        Guard::Holder { started, .. } => started.map(|at| at.as_micros()),
        _ => None,
    });
    params.rare(Type::INT2_ARRAY, changes, |(.., change)| match change.guard {
        Guard::Holder { knows, .. } => Some(knows as i16),
        _ => None,
    });
}

fn push_tallies<'a>(params: &mut Params<'a>, changes: &'a [Numbered<'a>]) {
    fn tally<T>(number: impl Fn(Tally) -> T) -> impl Fn(&Numbered<'_>) -> Option<T> {
        move |(.., change)| change.patch.tally.map(&number)
    }
    params.rare(Type::INT8_ARRAY, changes, tally(|tally| bounded(tally.attempts)));
    params.rare(Type::INT8_ARRAY, changes, tally(|tally| bounded(tally.failures)));
    params.rare(Type::INT2_ARRAY, changes, tally(|tally| i16::from(tally.crashes)));
    params.rare(Type::INT2_ARRAY, changes, tally(|tally| i16::from(tally.crashes_in_all)));
    params.rare(Type::INT4_ARRAY, changes, tally(|tally| i32::from(tally.snoozes)));
}

fn push_parts<'a>(params: &mut Params<'a>, changes: &'a [Numbered<'a>]) {
    params.rare(Type::TEXT_ARRAY, changes, |(.., change)| progress(&change.patch));
    params.column(Type::INT2_ARRAY, changes, |(.., change)| parts(&change.patch.parts).0);
    params.rare(Type::TEXT_ARRAY, changes, |(.., change)| {
        Some(row::kept(parts(&change.patch.parts).1?.content_type.as_str()))
    });
    params.rare(Type::BYTEA_ARRAY, changes, |(.., change)| Some(&parts(&change.patch.parts).1?.bytes[..]));
}

/// When an id was made, if it says so: it is of version 7.
fn born(id: JobId) -> Option<i64> {
    let bits = id.as_u128();
    let millis = i64::try_from(bits >> 80).unwrap_or(0);
    ((bits >> 76) & 0xf == 7).then_some(millis.saturating_mul(1000))
}
