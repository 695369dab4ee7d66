//! A flow's part of a batch, as the script reads it.

use std::time::Duration;

use asyncflow_core::{
    Rate, Stamp,
    store::{Batch, Change, Claim, Due, Guard, Insert, Parts, Patch, Pick, StoreError},
};
use redis::{Cmd, RedisWrite};

use crate::{part, policies::Policies, record::NO_STAMP, server::LARGEST_PART};

use super::{Share, plain};

/// Requests that a claim takes at most: it holds up the server, and whoever shares the connection.
pub(super) const MOST_BYTES: usize = 16 << 20;
/// Jobs that a claim takes at most, for the same reason.
const MOST_JOBS: usize = 1000;

/// Adds what there is to do to a call of the script.
pub(super) fn arguments(call: &mut Cmd, share: &Share, batch: &Batch, policies: &Policies) -> Result<(), StoreError> {
    let mut named = Vec::new();
    for n in &share.inserts {
        let policy = policies.name(&batch.inserts[*n].facts.policy)?;
        if named.iter().all(|(name, _)| *name != policy.name) {
            named.push((policy.name, policy.json));
        }
    }
    let mut counts = Bytes::default();
    for count in [named.len(), share.inserts.len(), share.changes.len(), share.claims.len()] {
        counts.add(u32::try_from(count).unwrap_or(u32::MAX).to_be_bytes());
    }
    counts.add([plain::is_plain(share, batch).into()]);
    counts.send(call);
    for (name, json) in &named {
        call.arg(&name[..]).arg(&**json);
    }
    share.inserts.iter().try_for_each(|n| insert(call, &batch.inserts[*n], policies))?;
    share.changes.iter().try_for_each(|n| change(call, &batch.changes[*n]))?;
    share.claims.iter().try_for_each(|n| claim(call, &batch.claims[*n]))
}

/// Whether the server can take all of it: what it cannot must not keep it from taking the rest.
pub(super) fn check(batch: &Batch) -> Result<(), StoreError> {
    let requests = batch.inserts.iter().map(|insert| &insert.request);
    let outcomes = batch.changes.iter().filter_map(|change| match &change.patch.parts {
        Parts::Result(part) | Parts::Error(part) => Some(part),
        Parts::Keep | Parts::Drop => None,
    });
    for part in requests.chain(outcomes) {
        let size = part.bytes.len();
        if size > LARGEST_PART {
            return Err(StoreError::rejected(format_args!(
                "{size} bytes are more than a part may have ({LARGEST_PART})"
            )));
        }
        if part.content_type.as_str().len() > usize::from(u16::MAX) {
            return Err(StoreError::rejected("a content type is longer than 65535 bytes"));
        }
    }
    Ok(())
}

fn insert(call: &mut Cmd, insert: &Insert, policies: &Policies) -> Result<(), StoreError> {
    let Insert { job, flow_version, facts, owner, request, idempotency, limit_key, unique, room } = insert;
    let replaces = unique.as_ref().and_then(|unique| unique.replace.as_ref());
    let names = [owner.as_deref(), limit_key.as_deref(), unique.as_ref().map(|unique| &*unique.key)];
    let bit = |n: usize, set: bool| u8::from(set) << n;
    let mut head = Bytes::default();
    head.add(job.id.as_u128().to_be_bytes());
    head.add([facts.state as u8]);
    head.number(micros(facts.due));
    head.number(facts.lead);
    head.add(room.waiting.to_be_bytes());
    head.add([room.waiting_per_owner.is_some().into()]);
    head.add(room.waiting_per_owner.unwrap_or(0).to_be_bytes());
    head.add([bit(0, idempotency.is_some()) | bit(1, replaces.is_some())]);
    // From here on as it is kept.
    head.number(facts.policy.lead(facts.priority));
    head.number(facts.policy.spacing.map_or(-1, micros));
    head.number(i64::try_from(request.bytes.len()).unwrap_or(i64::MAX));
    head.add(flow_version.to_be_bytes());
    head.add(facts.priority.to_be_bytes());
    head.add([(0..3).map(|n| bit(n, names[n].is_some())).sum()]);
    head.add(policies.name(&facts.policy)?.name);
    for name in names.into_iter().flatten() {
        head.add(u32::try_from(name.len()).unwrap_or(u32::MAX).to_be_bytes());
        head.add(name.as_bytes());
    }
    head.send(call);
    send_part(call, request)?;
    if let Some(idempotency) = idempotency {
        let owner = owner.as_ref().map_or(String::new(), |owner| format!("{}:{owner}", owner.len()));
        // What stands before the colon tells where the owner ends; nobody has none.
        call.arg(format!("{owner}:{}", idempotency.key));
        let mut use_ = Bytes::default();
        use_.add(idempotency.fingerprint.to_be_bytes());
        use_.number(micros(idempotency.keep));
        use_.send(call);
    }
    replaces.map_or(Ok(()), |replace| patch(call, replace))
}

fn change(call: &mut Cmd, change: &Change) -> Result<(), StoreError> {
    let mut guard = Bytes::default();
    guard.add(change.job.id.as_u128().to_be_bytes());
    let (kind, version, due, token, started, knows) = match change.guard {
        Guard::Version(version) => (0, version, 0, 0, 0, 0),
        Guard::Holder { token, started, knows } => (1, 0, 0, token.as_u128(), or_none(started), knows as u8),
        Guard::StillDue { version, due } => (2, version, due.as_micros(), 0, 0, 0),
    };
    guard.add([kind]);
    guard.add(version.to_be_bytes());
    guard.number(due);
    guard.add(token.to_be_bytes());
    guard.number(started);
    guard.add([knows]);
    guard.send(call);
    patch(call, &change.patch)
}

fn patch(call: &mut Cmd, patch: &Patch) -> Result<(), StoreError> {
    bare_patch(call, patch);
    if let Some(Some(progress)) = &patch.progress {
        let json = serde_json::to_vec(&**progress);
        call.arg(json.map_err(|error| StoreError::rejected(format_args!("its progress cannot be written: {error}")))?);
    }
    match &patch.parts {
        Parts::Result(part) | Parts::Error(part) => send_part(call, part),
        Parts::Keep | Parts::Drop => Ok(()),
    }
}

fn bare_patch(call: &mut Cmd, patch: &Patch) {
    let mut bytes = Bytes::default();
    bytes.add([patch.to.map_or(u8::MAX, |state| state as u8)]);
    let (kind, after) = match patch.due {
        None => (0, 0),
        Some(Due::In(after)) => (1, micros(after)),
        Some(Due::Purge(after)) => (2, micros(after)),
    };
    bytes.add([kind]);
    bytes.number(after);
    bytes.add([patch.lead.is_some().into()]);
    bytes.number(patch.lead.unwrap_or(0));
    bytes.add([patch.mark.map_or(u8::MAX, |mark| mark as u8)]);
    let tally = patch.tally.unwrap_or_default();
    bytes.add([patch.tally.is_some().into()]);
    bytes.add(tally.attempts.to_be_bytes());
    bytes.add(tally.failures.to_be_bytes());
    bytes.add([tally.crashes, tally.crashes_in_all]);
    bytes.add(tally.snoozes.to_be_bytes());
    bytes.add([match &patch.progress {
        None => 0,
        Some(None) => 1,
        Some(Some(_)) => 2,
    }]);
    bytes.add([match &patch.parts {
        Parts::Keep => 0,
        Parts::Result(_) => 1,
        Parts::Error(_) => 2,
        Parts::Drop => 3,
    }]);
    bytes.add([patch.quiet.into(), patch.purge.into()]);
    bytes.send(call);
}

fn claim(call: &mut Cmd, claim: &Claim) -> Result<(), StoreError> {
    let limits = claim.limits.as_deref().cloned().unwrap_or_default();
    let (kind, jobs, bytes) = match &claim.pick {
        Pick::Job(_) => (0, 1, usize::MAX),
        Pick::Next { jobs, bytes, .. } => (1, (*jobs).min(MOST_JOBS), (*bytes).min(MOST_BYTES)),
    };
    let most = |limit: Option<u64>| limit.map_or(-1.0, |most| most as f64);
    let (rate, key_rate) = (spans(limits.rate), spans(limits.rate_per_key));
    let mut head = Bytes::default();
    head.add(claim.token.as_u128().to_be_bytes());
    head.add([kind]);
    for number in [most(limits.running), most(limits.running_per_key), rate.0, rate.1, key_rate.0, key_rate.1] {
        head.add(number.to_be_bytes());
    }
    head.add((jobs as f64).to_be_bytes());
    head.add((bytes as f64).to_be_bytes());
    head.send(call);
    // What a claim brings would be many jobs' at once.
    match (&claim.patch.progress, &claim.patch.parts) {
        (Some(Some(_)), _) | (_, Parts::Result(_) | Parts::Error(_)) => {
            return Err(StoreError::rejected("a claim brings no progress and no part"));
        }
        _ => bare_patch(call, &claim.patch),
    }
    match &claim.pick {
        Pick::Job(job) => call.arg(&job.id.as_u128().to_be_bytes()[..]),
        Pick::Next { versions, .. } => {
            call.arg(versions.iter().flat_map(|version| version.to_be_bytes()).collect::<Vec<_>>())
        }
    };
    Ok(())
}

/// For how long one start of a rate counts, and as many as there may be at once: −1 where there is no rate.
fn spans(rate: Option<Rate>) -> (f64, f64) {
    let Some(rate) = rate else { return (-1.0, -1.0) };
    let origin = Stamp::default();
    // What a store remembers of one start, and the most that a rate lets it.
    let one = rate.start(None, origin).unwrap_or(origin);
    let all = rate.owed(Stamp::from_micros(i64::MAX), origin);
    (one.as_micros() as f64, all.as_micros() as f64)
}

fn send_part(call: &mut Cmd, part: &asyncflow_core::store::Part) -> Result<(), StoreError> {
    part::write(part, call.writer_for_next_arg())
        .map_err(|error| StoreError::rejected(format_args!("a part cannot be written: {error}")))
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

fn or_none(stamp: Option<Stamp>) -> i64 {
    stamp.map_or(NO_STAMP, Stamp::as_micros)
}

/// One argument, put together.
#[derive(Default)]
struct Bytes(Vec<u8>);

impl Bytes {
    fn add(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.extend_from_slice(bytes.as_ref());
    }

    fn number(&mut self, number: i64) {
        self.add(number.to_be_bytes());
    }

    fn send(self, call: &mut Cmd) {
        call.arg(self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_sent_as_it_counts() {
        for rate in [
            Rate::new(3, Duration::from_secs(3)),
            Rate::new(7, Duration::from_millis(1)),
            Rate::new(1, Duration::from_secs(5)),
        ] {
            let (one, all) = spans(Some(rate));
            assert_eq!(all, one * f64::from(rate.jobs));
            assert!(one * f64::from(rate.jobs) >= rate.per.as_micros() as f64);
        }
        assert_eq!(spans(None), (-1.0, -1.0));
    }
}
