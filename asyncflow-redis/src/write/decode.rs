//! What the script answered.

use std::{collections::HashMap, time::Duration};

use asyncflow_core::{
    JobId, JobKey, Stamp,
    store::{Answers, Batch, Changed, Claimed, Inserted, Part, Pick, StoreError, Taken},
};
use redis::{ServerError, Value};

use super::{Share, encode::MOST_BYTES};
use crate::{
    part,
    policies::Policies,
    raw::{RawRecord, unreadable_job},
    record,
};

/// The answers of all flows at their places, with records as they are kept.
pub(super) struct Raw {
    inserts: Vec<Option<Inserted>>,
    changes: Vec<Option<RawChanged>>,
    claims: Vec<Option<RawTaken>>,
}

enum RawChanged {
    Applied(RawRecord),
    Refused(RawRecord),
    Missing,
}

struct RawTaken {
    /// With their requests, but for large ones.
    jobs: Vec<(RawRecord, Option<Part>)>,
    after: Option<Duration>,
}

impl Raw {
    pub(super) fn new(batch: &Batch) -> Self {
        let empty = |entries: usize| std::iter::repeat_with(|| None).take(entries);
        Self {
            inserts: empty(batch.inserts.len()).map(|_: Option<()>| None).collect(),
            changes: empty(batch.changes.len()).map(|_: Option<()>| None).collect(),
            claims: empty(batch.claims.len()).map(|_: Option<()>| None).collect(),
        }
    }

    /// Takes in the answer of one flow; nothing where it makes no sense.
    pub(super) fn add(&mut self, batch: &Batch, share: &Share, answer: Vec<Value>) -> Option<()> {
        let mut words = Words(answer.into_iter());
        let now = Stamp::from_micros(words.number()?);
        for n in &share.inserts {
            self.inserts[*n] = Some(inserted(&words.bytes()?, now)?);
        }
        for n in &share.changes {
            let kind = words.bytes()?;
            let job = batch.changes[*n].job.clone();
            self.changes[*n] = Some(match &kind[..] {
                b"M" => RawChanged::Missing,
                b"A" => RawChanged::Applied(words.record(job)?),
                b"R" => RawChanged::Refused(words.record(job)?),
                _ => return None,
            });
        }
        if share.claims.is_empty() {
            return Some(());
        }
        let sent = share.inserts.iter().map(|n| (batch.inserts[*n].job.id, &batch.inserts[*n].request)).collect();
        for n in &share.claims {
            self.claims[*n] = Some(words.taken(share, &batch.claims[*n].pick, &sent)?);
        }
        Some(())
    }

    pub(super) fn records(&self) -> impl Iterator<Item = &RawRecord> {
        let changed = self.changes.iter().flatten().filter_map(|changed| match changed {
            RawChanged::Applied(record) | RawChanged::Refused(record) => Some(record),
            RawChanged::Missing => None,
        });
        changed.chain(self.claims.iter().flatten().flat_map(|taken| taken.jobs.iter().map(|(record, _)| record)))
    }

    /// Jobs that were taken without their requests, which are to be put there.
    pub(super) fn without_requests(&mut self) -> impl Iterator<Item = (&JobKey, &mut Option<Part>)> {
        let taken = self.claims.iter_mut().flatten().flat_map(|taken| &mut taken.jobs);
        taken.filter(|(_, request)| request.is_none()).map(|(record, request)| (&record.job, request))
    }

    /// The answers, once all policies are known that can be; nothing where some are missing.
    pub(super) fn read(self, policies: &Policies) -> Option<Result<Answers, StoreError>> {
        let changed = |raw| {
            Ok(match raw {
                RawChanged::Applied(record) => Changed::Applied(record.read(policies)?),
                RawChanged::Refused(record) => Changed::Refused(record.read(policies)?),
                RawChanged::Missing => Changed::Missing,
            })
        };
        let taken = |RawTaken { jobs, after }| {
            // One that cannot be read, or whose request has gone meanwhile, stays until its lease ends: it must not keep the others from
            // their worker.
            let claimed = |(record, request): (RawRecord, Option<Part>)| {
                Some(Claimed { record: record.read(policies).ok()?, request: request? })
            };
            let mut jobs: Vec<_> = jobs.into_iter().filter_map(claimed).collect();
            // They come so but for those of one rank that are answered again.
            jobs.sort_by_key(|claimed| (claimed.record.rank, claimed.record.job.id));
            Taken { jobs, after }
        };
        let inserts = self.inserts.into_iter().collect::<Option<Vec<_>>>()?;
        let changes: Vec<_> = self.changes.into_iter().collect::<Option<_>>()?;
        let claims = self.claims.into_iter().map(|raw| raw.map(taken)).collect::<Option<_>>()?;
        let changes = changes.into_iter().map(changed).collect::<Result<_, _>>();
        Some(changes.map(|changes| Answers { inserts, changes, claims }))
    }
}

/// The request of a job that has none.
fn nothing() -> Part {
    Part::json(bytes::Bytes::new())
}

fn inserted(bytes: &[u8], now: Stamp) -> Option<Inserted> {
    Some(match bytes.split_first()? {
        (b'C', _) => Inserted::Created { created: now },
        (b'B', _) => Inserted::OtherBody,
        (b'F', _) => Inserted::Full,
        (b'Q', _) => Inserted::OverQuota,
        (b'E', existing) => {
            let (id, created) = existing.split_first_chunk()?;
            let id = JobId::from_u128(u128::from_be_bytes(*id));
            Inserted::Existing { id, created: Stamp::from_micros(i64::from_be_bytes(created.try_into().ok()?)) }
        }
        _ => return None,
    })
}

/// The script's answer, from front to end.
struct Words(std::vec::IntoIter<Value>);

impl Words {
    fn bytes(&mut self) -> Option<Vec<u8>> {
        match self.0.next()? {
            Value::BulkString(bytes) => Some(bytes),
            _ => None,
        }
    }

    fn perhaps(&mut self) -> Option<Option<Vec<u8>>> {
        match self.0.next()? {
            Value::BulkString(bytes) => Some(Some(bytes)),
            Value::Nil => Some(None),
            _ => None,
        }
    }

    fn number(&mut self) -> Option<i64> {
        match self.0.next()? {
            Value::BulkString(bytes) => std::str::from_utf8(&bytes).ok()?.parse().ok(),
            Value::Int(number) => Some(number),
            _ => None,
        }
    }

    /// A record, behind which its progress stands where it has some.
    fn record(&mut self, job: JobKey) -> Option<RawRecord> {
        let kept = self.bytes()?;
        let progress = if record::has_progress(&kept) { self.perhaps()? } else { None };
        Some(RawRecord { job, kept, progress })
    }

    fn taken(&mut self, share: &Share, pick: &Pick, sent: &HashMap<JobId, &Part>) -> Option<RawTaken> {
        let jobs = self.number()?;
        let after = match self.perhaps()? {
            Some(wait) => Some(std::str::from_utf8(&wait).ok()?.parse().ok()?),
            None => None,
        };
        // No wait, but bytes that were too many: where that is for our own bound, the rest may be taken at once.
        let bounded = matches!(pick, Pick::Next { bytes, .. } if *bytes > MOST_BYTES);
        let after = after.filter(|wait| *wait > 0 || bounded).map(Duration::from_micros);
        let mut taken = RawTaken { jobs: Vec::new(), after };
        for _ in 0..jobs {
            let id = JobId::from_u128(u128::from_be_bytes(self.bytes()?.try_into().ok()?));
            let record = self.record(JobKey { flow: share.flow.name.clone(), id })?;
            let request = match self.0.next()? {
                Value::Int(_) => None,
                Value::BulkString(kept) => Some(part::read(kept).unwrap_or_else(nothing)),
                Value::Nil => Some(sent.get(&id).map_or_else(nothing, |part| (*part).clone())),
                _ => return None,
            };
            taken.jobs.push((record, request));
        }
        Some(taken)
    }
}

/// What the script says of a record that it cannot read.
pub(super) fn unreadable(error: &ServerError, flow: &std::sync::Arc<str>) -> Option<StoreError> {
    let mut words = error.details().filter(|_| error.code() == "ASYNCFLOW")?.split(' ').skip(1);
    let id = JobId::from_u128(u128::from_str_radix(words.next()?, 16).ok()?);
    let format = words.next()?.parse().ok()?;
    Some(unreadable_job(&JobKey { flow: flow.clone(), id }, &record::of_format(format)))
}
