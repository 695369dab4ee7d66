//! The ready jobs of one version of a flow, so that those of a key that has to wait are passed over at once.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use crate::job::{JobId, Stamp};

/// A ready job: its rank, and which it is.
pub(super) type Ready = (i64, JobId);

/// Until its key's next job ends.
pub(super) const UNTIL_FREED: Stamp = Stamp::from_micros(i64::MAX);

#[derive(Default)]
pub(super) struct Line {
    /// Jobs that count for no key.
    keyless: BTreeSet<Ready>,
    keys: HashMap<Arc<str>, Key>,
    /// The first job of each key that need not wait.
    heads: BTreeMap<Ready, Arc<str>>,
    /// Keys that have to wait, and until when.
    parked: BTreeSet<(Stamp, Arc<str>)>,
}

#[derive(Default)]
struct Key {
    jobs: BTreeSet<Ready>,
    parked: Option<Stamp>,
}

impl Line {
    pub(super) fn is_empty(&self) -> bool {
        self.keyless.is_empty() && self.keys.is_empty()
    }

    pub(super) fn insert(&mut self, ready: Ready, key: Option<&Arc<str>>) {
        let Some(key) = key else {
            self.keyless.insert(ready);
            return;
        };
        self.change(key, |jobs| {
            jobs.insert(ready);
        });
    }

    pub(super) fn remove(&mut self, ready: Ready, key: Option<&Arc<str>>) {
        let Some(key) = key else {
            self.keyless.remove(&ready);
            return;
        };
        self.change(key, |jobs| {
            jobs.remove(&ready);
        });
    }

    /// The first job, whether or not its key has to wait.
    pub(super) fn first(&self) -> Option<Ready> {
        let parked = self.parked.iter().filter_map(|(_, key)| self.keys.get(key)?.jobs.first());
        self.keyless.first().into_iter().chain(self.heads.keys().next()).chain(parked).min().copied()
    }

    /// The first job whose key need not wait, and its key.
    pub(super) fn next(&self) -> Option<(Ready, Option<&Arc<str>>)> {
        let keyed = self.heads.first_key_value().map(|(ready, key)| (*ready, Some(key)));
        match (self.keyless.first(), keyed) {
            (Some(first), Some(keyed)) if *first < keyed.0 => Some((*first, None)),
            (Some(first), None) => Some((*first, None)),
            (_, keyed) => keyed,
        }
    }

    /// A key has to wait until then.
    pub(super) fn park(&mut self, key: &Arc<str>, until: Stamp) {
        let Some(Key { jobs, parked: parked @ None }) = self.keys.get_mut(key) else { return };
        *parked = Some(until);
        if let Some(head) = jobs.first() {
            self.heads.remove(head);
        }
        self.parked.insert((until, key.clone()));
    }

    /// A key need not wait any more; says whether it had to.
    pub(super) fn unpark(&mut self, key: &Arc<str>) -> bool {
        let Some(Key { jobs, parked }) = self.keys.get_mut(key) else { return false };
        let Some(until) = parked.take() else { return false };
        self.parked.remove(&(until, key.clone()));
        if let Some(head) = jobs.first() {
            self.heads.insert(*head, key.clone());
        }
        true
    }

    /// Keys whose time has come need not wait any more.
    pub(super) fn unpark_until(&mut self, now: Stamp) {
        while let Some((_, key)) = self.parked.first().filter(|(until, _)| *until <= now).cloned() {
            self.unpark(&key);
        }
    }

    /// When the first of the keys that wait for a time may go on.
    pub(super) fn next_time(&self) -> Option<Stamp> {
        self.parked.first().map(|(until, _)| *until).filter(|until| *until < UNTIL_FREED)
    }

    fn change(&mut self, key: &Arc<str>, change: impl FnOnce(&mut BTreeSet<Ready>)) {
        let Key { jobs, parked } = self.keys.entry(key.clone()).or_default();
        let before = jobs.first().copied();
        change(jobs);
        let after = jobs.first().copied();
        if let Some(until) = parked.filter(|_| after.is_none()) {
            self.parked.remove(&(until, key.clone()));
        }
        if parked.is_none() && before != after {
            before.map(|head| self.heads.remove(&head));
            after.map(|head| self.heads.insert(head, key.clone()));
        }
        if after.is_none() {
            self.keys.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready(rank: i64) -> Ready {
        (rank, JobId::from_u128(rank.unsigned_abs().into()))
    }

    fn next(line: &Line) -> Option<(i64, Option<&str>)> {
        line.next().map(|((rank, _), key)| (rank, key.map(|key| &**key)))
    }

    #[test]
    fn keys_that_wait_are_passed_over_and_come_back() {
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        let mut line = Line::default();
        for (rank, key) in [(1, Some(&a)), (2, Some(&a)), (3, Some(&b)), (4, None)] {
            line.insert(ready(rank), key);
        }
        assert_eq!(next(&line), Some((1, Some("a"))));
        line.park(&a, UNTIL_FREED);
        assert_eq!((next(&line), line.next_time()), (Some((3, Some("b"))), None));
        line.park(&b, Stamp::from_micros(50));
        assert_eq!((next(&line), line.next_time()), (Some((4, None)), Some(Stamp::from_micros(50))));
        line.insert(ready(-5), Some(&b));
        assert_eq!((next(&line), line.first()), (Some((4, None)), Some(ready(-5))));
        line.unpark_until(Stamp::from_micros(50));
        assert_eq!(next(&line), Some((-5, Some("b"))));
        assert!(line.unpark(&a) && !line.unpark(&a));
        line.remove(ready(-5), Some(&b));
        assert_eq!(next(&line), Some((1, Some("a"))));
        line.park(&a, Stamp::from_micros(60));
        line.remove(ready(1), Some(&a));
        line.remove(ready(2), Some(&a));
        line.insert(ready(1), Some(&a));
        assert_eq!((next(&line), line.next_time()), (Some((1, Some("a"))), None), "a key that has gone waits no more");
        for (rank, key) in [(1, Some(&a)), (3, Some(&b)), (4, None)] {
            line.remove(ready(rank), key);
        }
        assert!(line.is_empty() && next(&line).is_none());
    }
}
