//! When jobs of a shard are to be looked at: buckets of time, in which a job stands at or before it is due.
//!
//! Most due times move before they come (a lease becomes a retention), so a job that is due later than its bucket stays where it is until
//! that bucket's time, and is moved then. No job stands further ahead than [`HORIZON`], so what is left behind of one that was moved
//! forward is gone after that.

use std::collections::BTreeMap;

use super::entry::Entry;
use crate::{
    by_id::ById,
    job::{JobId, Stamp},
};

/// A bucket is 2^16 µs, about 66 ms.
const BUCKET_BITS: u32 = 16;
/// About four and a half minutes, in buckets.
const HORIZON: u64 = 4096;
/// About 17 seconds: new jobs are looked at soon, since most have ended by then and need no place before.
const NEW_HORIZON: u64 = 256;

#[derive(Default)]
pub(super) struct Wheel {
    buckets: BTreeMap<u64, Vec<JobId>>,
}

impl Wheel {
    /// Makes sure that a new job is looked at when it is due.
    pub(super) fn put_new(&mut self, entry: &mut Entry, now: Stamp) {
        self.put_within(NEW_HORIZON, entry, now);
    }

    /// Makes sure that the job is looked at when it is due.
    pub(super) fn put(&mut self, entry: &mut Entry, now: Stamp) {
        self.put_within(HORIZON, entry, now);
    }

    fn put_within(&mut self, horizon: u64, entry: &mut Entry, now: Stamp) {
        let at = bucket(entry.record.due).min(bucket(now) + horizon);
        if at < entry.bucket {
            entry.bucket = at;
            self.buckets.entry(at).or_default().push(entry.record.job.id);
        }
    }

    /// Calls `found` with jobs that are due, at most `limit`; they stay where they are until they change. Its cost is that of what it
    /// finds, and of what it moves: never that of all that is due.
    pub(super) fn due(&mut self, jobs: &mut ById<Box<Entry>>, now: Stamp, limit: usize, mut found: impl FnMut(&Entry)) {
        let (mut left, mut later) = (limit, Vec::new());
        let current = bucket(now);
        let mut next = self.buckets.first_key_value().map(|(at, _)| *at);
        while let Some(at) = next.filter(|at| *at <= current && left > 0) {
            let Some(ids) = self.buckets.get_mut(&at) else { break };
            let mut index = 0;
            while let Some(id) = ids.get(index).copied().filter(|_| left > 0) {
                match jobs.get_mut(id).filter(|entry| entry.bucket == at) {
                    Some(entry) if entry.record.due <= now => {
                        found(entry);
                        left -= 1;
                        index += 1;
                    }
                    Some(entry) if bucket(entry.record.due) == at => index += 1,
                    Some(entry) => {
                        // Left behind here once before, it may stand here twice: from now on it doesn't.
                        entry.bucket = u64::MAX;
                        later.push(id);
                        ids.swap_remove(index);
                    }
                    None => {
                        ids.swap_remove(index);
                    }
                }
            }
            if ids.is_empty() {
                self.buckets.remove(&at);
            }
            next = self.buckets.range(at + 1..).next().map(|(at, _)| *at);
        }
        for id in later {
            if let Some(entry) = jobs.get_mut(id) {
                self.put(entry, now);
            }
        }
    }
}

fn bucket(at: Stamp) -> u64 {
    at.as_micros().max(0).unsigned_abs() >> BUCKET_BITS
}
