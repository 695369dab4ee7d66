//! Claims, as columns.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use asyncflow_core::{
    Limits, Rate, Stamp, State,
    store::{Batch, Change, Claim, Patch, Pick, StoreError, Taken},
};
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::{bounded, inserts::micros_of, micros};
use crate::{
    floors::{BEGINNING, Floors},
    params::Params,
    row,
};

/// Jobs that one claim takes at most: more than it may ask for in earnest.
const MOST_JOBS: i64 = 1 << 32;

/// The flow that a claim is of.
pub(super) fn flow(claim: &Claim) -> &Arc<str> {
    match &claim.pick {
        Pick::Job(job) => &job.flow,
        Pick::Next { flow, .. } => flow,
    }
}

pub(super) fn token(claim: &Claim) -> Uuid {
    Uuid::from_u128(claim.token.as_u128())
}

/// Jobs that are taken are held, and that is all that becomes of them: the rules know nothing else.
pub(super) fn check(claims: &[Claim]) -> Result<(), StoreError> {
    let plain = |patch: &Patch| {
        *patch == Patch { to: Some(State::Processing), due: patch.due, progress: Some(None), ..Patch::default() }
    };
    match claims.iter().all(|claim| plain(&claim.patch)) {
        true => Ok(()),
        false => Err(StoreError::rejected("a claim does more than to hold what it takes")),
    }
}

/// Where the claims of a batch begin to look.
pub(super) fn floors(batch: &Batch, flows: &[i32], known: &Floors) -> Vec<i64> {
    let floor = |(claim, number): (&Claim, &i32)| match &claim.pick {
        Pick::Next { flow, versions, .. } if claim.limits.is_none() && !comes_anywhere(batch, flow) => {
            known.of(*number, versions)
        }
        _ => BEGINNING,
    };
    batch.claims.iter().zip(flows).map(floor).collect()
}

/// Whether a batch makes jobs of a flow ready in places that only the server knows.
fn comes_anywhere(batch: &Batch, flow: &Arc<str>) -> bool {
    let back = |change: &Change| change.patch.to == Some(State::Enqueued) || change.patch.lead.is_some();
    batch.changes.iter().any(|change| change.job.flow == *flow && back(change))
        || batch.inserts.iter().any(|insert| insert.job.flow == *flow && insert.facts.policy.spacing.is_some())
}

/// How much earlier than they are made the new jobs of a flow count at most, if a batch has some.
fn lead_of_new(batch: &Batch, flow: &Arc<str>) -> Option<i64> {
    let new = batch.inserts.iter().filter(|insert| insert.job.flow == *flow && insert.facts.state == State::Enqueued);
    new.map(|insert| insert.facts.lead).max()
}

/// What a claim took tells where later ones begin to look.
pub(super) fn looked(claim: &Claim, taken: &Taken, flow: i32, floor: i64, began: Instant, known: &Floors) {
    match &claim.pick {
        Pick::Next { versions, jobs: 1.., .. } if claim.limits.is_none() => {
            known.looked(flow, versions, floor, taken.jobs.last().map(|job| job.record.rank), began);
        }
        _ => {}
    }
}

/// Of each claim the run that it is of: claims without limits that take one job each from one line, or jobs by name, follow each other in
/// one. None for a claim under an earlier one's token.
fn runs(claims: &[Claim], flows: &[i32], versions: &[Option<String>]) -> Vec<Option<i32>> {
    let (mut tokens, mut lines, mut begun) = (HashSet::new(), HashMap::new(), 0);
    let run = |((claim, flow), versions): ((&Claim, &i32), _)| {
        let line = match &claim.pick {
            _ if claim.limits.is_some() => None,
            Pick::Job(_) | Pick::Next { jobs: 1, .. } => Some(versions),
            Pick::Next { .. } => None,
        };
        if !tokens.insert(claim.token.as_u128()) {
            return None;
        }
        match lines.get(flow) {
            Some((of, run)) if line.is_some() && *of == line => Some(*run),
            _ => {
                begun += 1;
                lines.insert(*flow, (line, begun));
                Some(begun)
            }
        }
    };
    claims.iter().zip(flows).zip(versions).map(run).collect()
}

pub(super) fn push<'a>(
    params: &mut Params<'a>,
    batch: &'a Batch,
    flows: &[i32],
    floors: Vec<i64>,
    at_once: &[Option<usize>],
) {
    let claims = &batch.claims[..];
    let mut fused = vec![false; claims.len()];
    at_once.iter().flatten().for_each(|claim| fused[*claim] = true);
    let any = !claims.is_empty();
    params.push(any.then_some(fused), Type::BOOL_ARRAY);
    let versions = versions(claims);
    params.push(any.then(|| runs(claims, flows, &versions)), Type::INT4_ARRAY);
    params.push(any.then(|| flows.to_vec()), Type::INT4_ARRAY);
    params.rare(Type::UUID_ARRAY, claims, |claim| match &claim.pick {
        Pick::Job(job) => Some(row::uuid(job.id)),
        Pick::Next { .. } => None,
    });
    params.push(versions.iter().any(Option::is_some).then_some(versions), Type::TEXT_ARRAY);
    params.column(Type::INT8_ARRAY, claims, |claim| match &claim.pick {
        Pick::Next { jobs, .. } => bounded(*jobs).min(MOST_JOBS),
        Pick::Job(_) => 1,
    });
    params.column(Type::INT8_ARRAY, claims, |claim| match &claim.pick {
        Pick::Next { bytes, .. } => bounded(*bytes),
        Pick::Job(_) => i64::MAX,
    });
    params.push(any.then_some(floors), Type::INT8_ARRAY);
    params.rare(Type::INT8_ARRAY, claims, |claim| lead_of_new(batch, flow(claim)));
    params.column(Type::UUID_ARRAY, claims, token);
    params.rare(Type::INT8_ARRAY, claims, |claim| micros_of(claim.patch.due));
    params.column(Type::BOOL_ARRAY, claims, |claim| claim.limits.is_some());
    let of = |claim: &'a Claim| claim.limits.as_deref();
    let mut limit = |what: fn(&Limits) -> Option<i64>| params.rare(Type::INT8_ARRAY, claims, |claim| what(of(claim)?));
    limit(|limits| limits.running.map(bounded));
    limit(|limits| limits.running_per_key.map(bounded));
    limit(|limits| limits.rate.map(|rate| spans(rate).0));
    limit(|limits| limits.rate.map(|rate| spans(rate).1));
    limit(|limits| limits.rate_per_key.map(|rate| spans(rate).0));
    limit(|limits| limits.rate_per_key.map(|rate| spans(rate).1));
}

/// Of each claim for what is next the versions that it takes, as the text of an array.
fn versions(claims: &[Claim]) -> Vec<Option<String>> {
    let listed = |claim: &Claim| {
        let Pick::Next { versions, .. } = &claim.pick else { return None };
        let mut versions = versions.to_vec();
        versions.sort_unstable();
        versions.dedup();
        Some(format!("{{{}}}", versions.iter().map(u16::to_string).collect::<Vec<_>>().join(",")))
    };
    claims.iter().map(listed).collect()
}

/// For how long one start counts, and as many as there may be at once: what the rate itself makes of nothing, and of the end of time.
fn spans(rate: Rate) -> (i64, i64) {
    let zero = Stamp::default();
    let one = rate.start(None, zero).map_or(Duration::MAX, |paid| paid.since(zero));
    (micros(one), rate.owed(Stamp::from_micros(i64::MAX), zero).as_micros())
}

#[cfg(test)]
mod tests {
    use asyncflow_core::{JobId, JobKey, Token, state};

    use super::*;

    fn claim(token: u128, pick: Pick) -> Claim {
        let patch = state::claim(Duration::from_secs(1));
        Claim { pick, limits: None, token: Token::from_u128(token), patch }
    }

    fn next(versions: &[u16], jobs: usize) -> Pick {
        Pick::Next { flow: "f".into(), versions: versions.into(), jobs, bytes: usize::MAX }
    }

    #[test]
    fn claims_of_one_line_that_take_one_job_each_are_one_run() {
        let named = || Pick::Job(JobKey { flow: "f".into(), id: JobId::from_u128(1) });
        let picks = [
            (1, next(&[1, 2], 1)),
            (2, next(&[1], 1)),
            (1, next(&[2, 1, 1], 1)),
            (1, next(&[1], 1)),
            (1, next(&[1], 2)),
            (1, next(&[1], 2)),
            (1, named()),
            (2, next(&[1], 1)),
            (1, named()),
            (1, next(&[1], 1)),
        ];
        let flows: Vec<_> = picks.iter().map(|(flow, _)| *flow).collect();
        let mut claims: Vec<_> = picks.into_iter().zip(1..).map(|((_, pick), token)| claim(token, pick)).collect();
        assert_eq!(runs(&claims, &flows, &versions(&claims)), [1, 2, 1, 3, 4, 5, 6, 2, 6, 7].map(Some));
        claims[2].token = claims[0].token;
        claims[7].limits = Some(Arc::default());
        claims[1].limits = Some(Arc::default());
        assert_eq!(
            runs(&claims, &flows, &versions(&claims)),
            [Some(1), Some(2), None, Some(3), Some(4), Some(5), Some(6), Some(7), Some(6), Some(8)]
        );
    }
}
