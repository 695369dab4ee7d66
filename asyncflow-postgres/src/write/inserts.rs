//! New jobs, as columns.

use std::collections::{HashMap, HashSet};

use asyncflow_core::{
    JobId, State,
    store::{Batch, Due, Insert, Part, Parts, Patch, Pick, StoreError},
};
use serde_json::json;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::{Numbers, bounded, claims, micros, takes_next};
use crate::{database::LARGEST_PART, params::Params, row};

/// Whether nothing may stand in the way of these but their own ids, so that they are inserted at once.
pub(super) fn is_plain(inserts: &[Insert]) -> bool {
    let mut ids = HashSet::with_capacity(inserts.len());
    inserts.iter().all(|insert| {
        let quota = insert.owner.is_some() && insert.room.waiting_per_owner.is_some();
        let special = insert.idempotency.is_some() || insert.unique.is_some() || insert.facts.policy.spacing.is_some();
        !quota && !special && ids.insert(insert.job.id)
    })
}

/// Of each new job the claim of the same batch that takes it, where no other entry could come in between.
pub(super) fn taken_at_once(batch: &Batch) -> Vec<Option<usize>> {
    let mut at_once = vec![None; batch.inserts.len()];
    let ready: HashMap<JobId, usize> = batch
        .inserts
        .iter()
        .enumerate()
        .filter(|(_, insert)| insert.facts.state == State::Enqueued)
        .map(|(nth, insert)| (insert.job.id, nth))
        .collect();
    let changed: HashSet<_> = batch.changes.iter().map(|change| change.job.id).collect();
    let (mut tokens, mut emptied) = (HashSet::new(), HashSet::new());
    for (nth, claim) in batch.claims.iter().enumerate() {
        let new_token = tokens.insert(claim.token.as_u128());
        if takes_next(&claim.pick) {
            emptied.insert(claims::flow(claim));
        }
        let Pick::Job(job) = &claim.pick else { continue };
        let Some(insert) = ready.get(&job.id).copied().filter(|_| new_token && claim.limits.is_none()) else {
            continue;
        };
        let alone = !changed.contains(&job.id) && !emptied.contains(&job.flow) && batch.inserts[insert].job == *job;
        if alone && at_once[insert].is_none() && micros_of(claim.patch.due).is_some() {
            at_once[insert] = Some(nth);
        }
    }
    at_once
}

/// What can never be kept.
pub(super) fn check(inserts: &[Insert]) -> Result<(), StoreError> {
    for insert in inserts {
        let size = insert.request.bytes.len();
        if size > LARGEST_PART {
            return Err(StoreError::rejected(format_args!(
                "{size} bytes are more than a part may have ({LARGEST_PART})"
            )));
        }
    }
    Ok(())
}

pub(super) fn push<'a>(params: &mut Params<'a>, batch: &'a Batch, numbers: &Numbers, at_once: &[Option<usize>]) {
    let inserts = &batch.inserts[..];
    let some = |numbers: Vec<i32>| (!inserts.is_empty()).then_some(numbers);
    let claim = |nth: usize| at_once[nth].map(|claim| &batch.claims[claim]);
    let ids = || inserts.iter().map(|insert| row::uuid(insert.job.id));
    params.push(ids().min(), Type::UUID);
    params.push(ids().max(), Type::UUID);
    params.column(Type::UUID_ARRAY, inserts, |insert| row::uuid(insert.job.id));
    params.push(some(numbers.inserts.iter().map(|(flow, _)| *flow).collect()), Type::INT4_ARRAY);
    params.column(Type::INT4_ARRAY, inserts, |insert| i32::from(insert.flow_version));
    params.push(some(numbers.inserts.iter().map(|(_, policy)| *policy).collect()), Type::INT4_ARRAY);
    params.column(Type::INT2_ARRAY, inserts, |insert| insert.facts.state as i16);
    params.column(Type::INT8_ARRAY, inserts, |insert| micros(insert.facts.due));
    params.column(Type::INT8_ARRAY, inserts, |insert| insert.facts.lead);
    params.column(Type::INT2_ARRAY, inserts, |insert| i16::from(insert.facts.priority));
    params.rare(Type::TEXT_ARRAY, inserts, |insert| insert.owner.as_deref().map(row::kept));
    params.rare(Type::TEXT_ARRAY, inserts, |insert| insert.limit_key.as_deref().map(row::kept));
    params.column(Type::TEXT_ARRAY, inserts, |insert| row::kept(insert.request.content_type.as_str()));
    params.column(Type::BYTEA_ARRAY, inserts, |insert| &insert.request.bytes[..]);
    let tokens: Vec<_> = (0..inserts.len()).map(|nth| claim(nth).map(claims::token)).collect();
    params.push(tokens.iter().any(Option::is_some).then_some(tokens), Type::UUID_ARRAY);
    let leases: Vec<_> =
        (0..inserts.len()).map(|nth| claim(nth).and_then(|claim| micros_of(claim.patch.due))).collect();
    params.push(leases.iter().any(Option::is_some).then_some(leases), Type::INT8_ARRAY);
    params.rare(Type::INT8_ARRAY, inserts, |insert| insert.facts.policy.spacing.map(micros));
    params.rare(Type::INT8_ARRAY, inserts, |insert| {
        insert.facts.policy.spacing.map(|_| insert.facts.policy.lead(insert.facts.priority))
    });
    params.rare(Type::TEXT_ARRAY, inserts, |insert| insert.unique.as_ref().map(|unique| row::kept(&unique.key)));
    params.rare(Type::TEXT_ARRAY, inserts, |insert| Some(as_json(insert.unique.as_ref()?.replace.as_ref()?)));
    params.rare(Type::TEXT_ARRAY, inserts, |insert| insert.idempotency.as_ref().map(|used| row::kept(&used.key)));
    params.rare(Type::UUID_ARRAY, inserts, |insert| {
        insert.idempotency.as_ref().map(|used| Uuid::from_u128(used.fingerprint))
    });
    params.rare(Type::INT8_ARRAY, inserts, |insert| insert.idempotency.as_ref().map(|used| micros(used.keep)));
    params.column(Type::INT8_ARRAY, inserts, |insert| bounded(insert.room.waiting));
    params.rare(Type::INT8_ARRAY, inserts, |insert| insert.room.waiting_per_owner.map(bounded));
}

/// How long a claim's lease is.
pub(super) fn micros_of(due: Option<Due>) -> Option<i64> {
    match due {
        Some(Due::In(duration)) => Some(micros(duration)),
        _ => None,
    }
}

/// A patch as JSON, named as the columns of changes are.
fn as_json(patch: &Patch) -> String {
    let (kind, part) = parts(&patch.parts);
    let (due, youngest) = due(patch.due);
    let hex = |part: &Part| part.bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    json!({
        "to": patch.to.map(|to| to as i16), "due": due, "youngest": youngest, "lead": patch.lead,
        "mark": patch.mark.map(|mark| mark as i16),
        "attempts": patch.tally.map(|tally| tally.attempts), "failures": patch.tally.map(|tally| tally.failures),
        "crashes": patch.tally.map(|tally| tally.crashes), "crashes_in_all": patch.tally.map(|tally| tally.crashes_in_all),
        "snoozes": patch.tally.map(|tally| tally.snoozes),
        "reports": patch.progress.is_some(), "progress": progress(patch),
        "parts": kind, "type": part.map(|part| row::kept(part.content_type.as_str())), "bytes": part.map(hex),
        "quiet": patch.quiet, "purge": patch.purge,
    })
    .to_string()
}

/// What becomes of the parts, and the one that comes.
pub(super) fn parts(parts: &Parts) -> (i16, Option<&Part>) {
    match parts {
        Parts::Keep => (0, None),
        Parts::Result(part) => (1, Some(part)),
        Parts::Error(part) => (2, Some(part)),
        Parts::Drop => (3, None),
    }
}

/// How long until a job is due, and whether not before a minute after it was made.
pub(super) fn due(due: Option<Due>) -> (Option<i64>, bool) {
    match due {
        Some(Due::In(duration)) => (Some(micros(duration)), false),
        Some(Due::Purge(duration)) => (Some(micros(duration)), true),
        None => (None, false),
    }
}

/// The progress that a patch sets, as JSON.
pub(super) fn progress(patch: &Patch) -> Option<String> {
    let progress = patch.progress.as_ref()?.as_ref()?;
    // Read as JSON, or made of what could be written as it.
    serde_json::to_string(&**progress).ok()
}
