//! Which batches the script may take the short way with: most, where nodes have room. What it does with them: `lua/write/2_plain.lua`.

use asyncflow_core::{
    State,
    store::{Batch, Change, Claim, Due, Guard, Insert, Parts, Patch, Pick},
};

use super::Share;

/// Jobs of either kind at most: a command of the script takes 1000 arguments, and up to six of a job.
const MOST_JOBS: usize = 160;

/// Whether this is new jobs that are taken up at once, and ends of jobs by who holds them, of which nothing needs to be counted or limited.
pub(super) fn is_plain(share: &Share, batch: &Batch) -> bool {
    let inserts = || share.inserts.iter().map(|n| &batch.inserts[*n]);
    let changes = || share.changes.iter().map(|n| &batch.changes[*n]);
    let claims = || share.claims.iter().map(|n| &batch.claims[*n]);
    let jobs = || inserts().map(|insert| &insert.job).chain(changes().map(|change| &change.job));
    share.inserts.len().max(share.changes.len()) <= MOST_JOBS
        && share.inserts.len() == share.claims.len()
        && inserts().zip(claims()).all(|(insert, claim)| begins(insert, claim))
        && changes().all(ends)
        && all_differ(jobs().map(|job| job.id.as_u128()))
        && all_differ(claims().map(|claim| claim.token.as_u128()))
}

fn begins(insert: &Insert, claim: &Claim) -> bool {
    let is_plain = insert.owner.is_none()
        && insert.limit_key.is_none()
        && insert.unique.is_none()
        && insert.idempotency.is_none()
        && insert.facts.state == State::Enqueued
        && insert.facts.policy.spacing.is_none();
    is_plain
        && claim.limits.is_none()
        && matches!(&claim.pick, Pick::Job(job) if *job == insert.job)
        && matches!(
            claim.patch,
            Patch {
                to: Some(State::Processing),
                due: Some(Due::In(_)),
                lead: None,
                mark: None,
                tally: None,
                progress: None | Some(None),
                parts: Parts::Keep,
                quiet: false,
                purge: false,
            }
        )
}

fn ends(change: &Change) -> bool {
    matches!(change.guard, Guard::Holder { .. })
        && matches!(
            change.patch,
            Patch {
                to: Some(State::Succeeded | State::Failed | State::Cancelled),
                due: Some(Due::Purge(_)),
                lead: None,
                mark: None,
                tally: Some(_),
                progress: None,
                parts: Parts::Result(_) | Parts::Error(_),
                quiet: false,
                purge: false,
            }
        )
}

fn all_differ(numbers: impl Iterator<Item = u128>) -> bool {
    let mut numbers: Vec<_> = numbers.collect();
    numbers.sort_unstable();
    numbers.windows(2).all(|two| two[0] != two[1])
}

#[cfg(test)]
mod tests;
