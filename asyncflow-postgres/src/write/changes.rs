//! Changes, as columns.

use asyncflow_core::{
    JobId,
    store::{Change, Guard, Patch},
};
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::{
    bounded,
    inserts::{due, parts, progress},
};
use crate::{params::Params, row};

/// Whether a job's place in line may change: where owners take turns, nobody else must be given one meanwhile.
pub(super) fn turning(patch: &Patch) -> bool {
    patch.lead.is_some() || patch.to.is_some_and(asyncflow_core::State::is_waiting)
}

pub(super) fn push<'a>(params: &mut Params<'a>, changes: &'a [Change], flows: &[i32]) {
    let turning: Vec<_> =
        changes.iter().filter(|change| turning(&change.patch)).map(|change| row::uuid(change.job.id)).collect();
    params.push((!turning.is_empty()).then_some(turning), Type::UUID_ARRAY);
    params.column(Type::UUID_ARRAY, changes, |change| row::uuid(change.job.id));
    params.push((!changes.is_empty()).then(|| flows.to_vec()), Type::INT4_ARRAY);
    params.column(Type::INT8_ARRAY, changes, |change| born(change.job.id));
    params.column(Type::INT2_ARRAY, changes, |change| match change.guard {
        Guard::Version(_) => 0_i16,
        Guard::Holder { .. } => 1,
        Guard::StillDue { .. } => 2,
    });
    // No record has a version that is not kept.
    params.rare(Type::INT8_ARRAY, changes, |change| match change.guard {
        Guard::Version(version) | Guard::StillDue { version, .. } => Some(i64::try_from(version).unwrap_or(-1)),
        Guard::Holder { .. } => None,
    });
    params.rare(Type::UUID_ARRAY, changes, |change| match change.guard {
        Guard::Holder { token, .. } => Some(Uuid::from_u128(token.as_u128())),
        _ => None,
    });
    params.rare(Type::INT8_ARRAY, changes, |change| match change.guard {
        Guard::Holder { started, .. } => started.map(|at| at.as_micros()),
        _ => None,
    });
    params.rare(Type::INT2_ARRAY, changes, |change| match change.guard {
        Guard::Holder { knows, .. } => Some(knows as i16),
        _ => None,
    });
    params.rare(Type::INT8_ARRAY, changes, |change| match change.guard {
        Guard::StillDue { due, .. } => Some(due.as_micros()),
        _ => None,
    });
    params.rare(Type::INT2_ARRAY, changes, |change| change.patch.to.map(|to| to as i16));
    params.rare(Type::INT8_ARRAY, changes, |change| due(change.patch.due).0);
    params.column(Type::BOOL_ARRAY, changes, |change| due(change.patch.due).1);
    params.rare(Type::INT8_ARRAY, changes, |change| change.patch.lead);
    params.rare(Type::INT2_ARRAY, changes, |change| change.patch.mark.map(|mark| mark as i16));
    params.rare(Type::INT8_ARRAY, changes, |change| change.patch.tally.map(|tally| bounded(tally.attempts)));
    params.rare(Type::INT8_ARRAY, changes, |change| change.patch.tally.map(|tally| bounded(tally.failures)));
    params.rare(Type::INT2_ARRAY, changes, |change| change.patch.tally.map(|tally| i16::from(tally.crashes)));
    params.rare(Type::INT2_ARRAY, changes, |change| change.patch.tally.map(|tally| i16::from(tally.crashes_in_all)));
    params.rare(Type::INT4_ARRAY, changes, |change| change.patch.tally.map(|tally| i32::from(tally.snoozes)));
    params.rare(Type::BOOL_ARRAY, changes, |change| change.patch.progress.as_ref().map(|_| true));
    params.rare(Type::TEXT_ARRAY, changes, |change| progress(&change.patch));
    params.column(Type::INT2_ARRAY, changes, |change| parts(&change.patch.parts).0);
    params
        .rare(Type::TEXT_ARRAY, changes, |change| Some(row::kept(parts(&change.patch.parts).1?.content_type.as_str())));
    params.rare(Type::BYTEA_ARRAY, changes, |change| Some(&parts(&change.patch.parts).1?.bytes[..]));
    params.column(Type::BOOL_ARRAY, changes, |change| change.patch.quiet);
    params.column(Type::BOOL_ARRAY, changes, |change| change.patch.purge);
}

/// When an id was made, if it says so: it is of version 7.
fn born(id: JobId) -> Option<i64> {
    let bits = id.as_u128();
    let millis = i64::try_from(bits >> 80).unwrap_or(0);
    ((bits >> 76) & 0xf == 7).then_some(millis.saturating_mul(1000))
}
