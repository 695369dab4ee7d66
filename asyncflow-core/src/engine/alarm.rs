//! When this node has something to look after before its next tick: short delays that it wrote itself.

use std::{collections::BTreeSet, sync::PoisonError, time::Duration};

use tokio::time::Instant;

use crate::sync::{Mutex, Notify};

/// Delays that are known beside the next tick; beyond, the tick finds them.
const MOST: usize = 1024;
/// Delays above this one are left to the ticks.
const NEAR: Duration = Duration::from_secs(2);

#[derive(Default)]
pub(crate) struct Alarm {
    times: Mutex<BTreeSet<Instant>>,
    earlier: Notify,
}

impl Alarm {
    /// Something will be due after this long.
    pub(crate) fn set(&self, delay: Duration) {
        if delay > NEAR {
            return;
        }
        // Due times within a few milliseconds are looked after together.
        let at = Instant::now() + delay + Duration::from_millis(1);
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        let near = times.range(at..at + Duration::from_millis(2)).next().is_some();
        if near || times.len() >= MOST {
            return;
        }
        let first = times.first().is_none_or(|first| at < *first);
        times.insert(at);
        drop(times);
        if first {
            self.earlier.notify_one();
        }
    }

    /// Waits until something is due, or until this time at the latest.
    pub(crate) async fn wait_until(&self, latest: Instant) {
        loop {
            let now = Instant::now();
            let next = {
                let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
                let rung = times.first().is_some_and(|first| *first <= now);
                if rung {
                    *times = times.split_off(&(now + Duration::from_nanos(1)));
                }
                if rung || latest <= now {
                    return;
                }
                times.first().map_or(latest, |first| latest.min(*first))
            };
            tokio::select! {
                biased;
                () = tokio::time::sleep_until(next) => {}
                () = self.earlier.notified() => {}
            }
        }
    }
}
