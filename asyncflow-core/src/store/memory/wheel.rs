//! When jobs of a shard are to be looked at: buckets of time, in which a job stands at or before it is due.
//!
//! Most due times move before they come (a lease becomes a retention), so a job that is due later than its bucket stays where it is until
//! that bucket's time, and is moved then. No job stands further ahead than [`HORIZON`], so what is left behind of one that was moved
//! forward is gone after that.

use std::collections::BTreeMap;

use super::entry::Entry;
use crate::{by_id::ById, job::Stamp};

/// A bucket is 2^16 µs, about 66 ms.
const BUCKET_BITS: u32 = 16;
/// About four and a half minutes, in buckets.
const HORIZON: u64 = 4096;
/// About 17 seconds: new jobs are looked at soon, since most have ended by then and need no place before.
const NEW_HORIZON: u64 = 256;

#[derive(Default)]
pub(super) struct Wheel {
    buckets: BTreeMap<u64, Vec<u128>>,
}

impl Wheel {
    /// Makes sure that the job is looked at when it is due.
    pub(super) fn put(&mut self, entry: &mut Entry, now: Stamp) {
        let horizon = if entry.bucket == u64::MAX && entry.record.version == 1 { NEW_HORIZON } else { HORIZON };
        let at = bucket(entry.record.due).min(bucket(now) + horizon);
        if at < entry.bucket {
            entry.bucket = at;
            self.buckets.entry(at).or_default().push(entry.record.job.id.as_u128());
        }
    }

    /// Calls `found` with jobs that are due, at most `limit`; they stay where they are until they change.
    pub(super) fn due(&mut self, jobs: &mut ById<Box<Entry>>, now: Stamp, limit: usize, mut found: impl FnMut(&Entry)) {
        let (mut left, mut later) = (limit, Vec::new());
        let current = bucket(now);
        let mut next = self.buckets.first_key_value().map(|(at, _)| *at);
        while let Some(at) = next.filter(|at| *at <= current && left > 0) {
            let Some(ids) = self.buckets.get_mut(&at) else { break };
            ids.retain(|id| {
                let Some(entry) = jobs.get(id).filter(|entry| entry.bucket == at) else { return false };
                if entry.record.due <= now {
                    if left > 0 {
                        left -= 1;
                        found(entry);
                    }
                    return true;
                }
                let moved = bucket(entry.record.due) > at;
                later.extend(moved.then_some(*id));
                !moved
            });
            if ids.is_empty() {
                self.buckets.remove(&at);
            }
            next = self.buckets.range(at + 1..).next().map(|(at, _)| *at);
        }
        for id in later {
            if let Some(entry) = jobs.get_mut(&id) {
                entry.bucket = u64::MAX;
                self.put(entry, now);
            }
        }
    }
}

fn bucket(at: Stamp) -> u64 {
    at.as_micros().max(0).unsigned_abs() >> BUCKET_BITS
}
