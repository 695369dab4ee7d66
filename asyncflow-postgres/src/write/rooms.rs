//! How many jobs wait, as a node saw it last: while there is plenty of room, new jobs are not counted each time.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// More than all nodes have on their way at once.
const ON_THEIR_WAY: u64 = 16_384;
/// More than all nodes insert while what was seen is believed.
const MEANWHILE: u64 = 65_536;
/// For how long what was seen is believed.
const BELIEVED: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(crate) struct Rooms(Mutex<HashMap<i32, Seen>>);

struct Seen {
    waiting: u64,
    at: Instant,
}

impl Rooms {
    /// How many may wait at most for so many new jobs to be let in uncounted, if it has to be looked for.
    pub(super) fn look(&self, flow: i32, jobs: u64, room: u64) -> Option<i64> {
        if room == u64::MAX {
            return None;
        }
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let plenty = seen.get(&flow).is_some_and(|seen| {
            seen.at.elapsed() < BELIEVED && seen.waiting.saturating_add(jobs).saturating_add(MEANWHILE) < room
        });
        (!plenty).then(|| super::bounded(room.saturating_sub(jobs).saturating_sub(ON_THEIR_WAY)))
    }

    pub(super) fn set(&self, flow: i32, waiting: i64) {
        let seen = Seen { waiting: waiting.max(0).unsigned_abs(), at: Instant::now() };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(flow, seen);
    }
}
