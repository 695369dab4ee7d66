//! What one node tells the others at a time, as the payload of a notification.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

/// Postgres takes less than 8000 bytes.
const MOST_BYTES: usize = 7900;
/// As many jobs as fit, with the numbers of their flows.
const MOST_JOBS: usize = MOST_BYTES / 48;

/// News of one node.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Letter {
    /// Flows that have ready jobs, and the lowest of their ranks.
    pub(super) ready: BTreeMap<i32, i64>,
    pub(super) changed: BTreeSet<(i32, Uuid)>,
    pub(super) marked: BTreeSet<(i32, Uuid)>,
    pub(super) anything: bool,
    /// Readers of this node wait for news of changes.
    pub(super) reads: bool,
}

impl Letter {
    pub(super) fn ready(&mut self, flow: i32, rank: i64) {
        if self.ready.len() < MOST_JOBS {
            let lowest = self.ready.entry(flow).or_insert(rank);
            *lowest = rank.min(*lowest);
        } else {
            self.anything();
        }
    }

    pub(super) fn changed(&mut self, flow: i32, job: Uuid) {
        self.add(|letter| &mut letter.changed, flow, job);
    }

    pub(super) fn marked(&mut self, flow: i32, job: Uuid) {
        self.add(|letter| &mut letter.marked, flow, job);
    }

    /// Says all there is to say.
    pub(super) fn anything(&mut self) {
        *self = Self { anything: true, reads: self.reads, ..Self::default() };
    }

    fn add(&mut self, kind: impl Fn(&mut Self) -> &mut BTreeSet<(i32, Uuid)>, flow: i32, job: Uuid) {
        if self.anything {
            return;
        }
        if self.changed.len() + self.marked.len() >= MOST_JOBS {
            self.anything();
        } else {
            kind(self).insert((flow, job));
        }
    }

    /// The flows that it tells of.
    pub(super) fn flows(&self) -> impl Iterator<Item = i32> {
        let jobs = self.changed.iter().chain(&self.marked).map(|(flow, _)| *flow);
        self.ready.keys().copied().chain(jobs)
    }

    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The letter as text, from this node.
    pub(super) fn write(&mut self, from: Uuid) -> String {
        let text = self.text(from);
        if text.len() <= MOST_BYTES {
            return text;
        }
        self.anything();
        self.text(from)
    }

    fn text(&self, from: Uuid) -> String {
        let mut text = from.simple().to_string();
        let flags = [(self.anything, " a"), (self.reads, " i")];
        flags.iter().filter(|(set, _)| *set).for_each(|(_, flag)| text.push_str(flag));
        self.ready.iter().for_each(|(flow, rank)| text.push_str(&format!(" r{flow}.{rank}")));
        for (kind, jobs) in [('c', &self.changed), ('m', &self.marked)] {
            jobs.iter().for_each(|(flow, job)| text.push_str(&format!(" {kind}{flow}.{}", job.simple())));
        }
        text
    }

    /// Reads a letter, and who it is from. What cannot be read may be of a newer version: anything may have changed.
    pub(super) fn read(text: &str) -> (Option<Uuid>, Self) {
        let mut words = text.split(' ');
        let from = words.next().and_then(|from| Uuid::try_parse(from).ok());
        let mut letter = Self::default();
        for word in words {
            match word {
                "a" => letter.anything = true,
                "i" => letter.reads = true,
                named => letter.anything |= letter.read_named(named).is_none(),
            }
        }
        letter.anything |= from.is_none();
        (from, letter)
    }

    fn read_named(&mut self, word: &str) -> Option<()> {
        match word.split_at_checked(1)? {
            ("r", ready) => {
                let (flow, rank) = ready.split_once('.')?;
                self.ready.insert(flow.parse().ok()?, rank.parse().ok()?);
            }
            ("c", job) => {
                self.changed.insert(named(job)?);
            }
            ("m", job) => {
                self.marked.insert(named(job)?);
            }
            _ => return None,
        }
        Some(())
    }
}

fn named(job: &str) -> Option<(i32, Uuid)> {
    let (flow, id) = job.split_once('.')?;
    Some((flow.parse().ok()?, Uuid::try_parse(id).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: Uuid = Uuid::from_u128(1 << 100);

    #[test]
    fn a_letter_is_read_as_it_was_written() {
        let mut letter = Letter { reads: true, ..Letter::default() };
        assert!(!letter.is_empty() && Letter::default().is_empty());
        letter.ready(i32::MIN, i64::MIN);
        letter.ready(7, 5);
        letter.ready(7, -5);
        letter.changed(7, Uuid::from_u128(5));
        letter.marked(8, Uuid::from_u128(u128::MAX));
        let text = letter.write(NODE);
        assert_eq!(Letter::read(&text), (Some(NODE), letter));
    }

    #[test]
    fn whatever_there_is_to_say_fits() {
        let mut letter = Letter::default();
        for n in 0..10_000 {
            letter.changed(i32::MIN, Uuid::from_u128(n));
            letter.ready(i32::MIN + i32::try_from(n).unwrap(), i64::MIN);
            assert!(letter.write(NODE).len() < 8000);
        }
        assert!(letter.anything);
    }

    #[test]
    fn what_cannot_be_read_may_be_anything() {
        for strange in
            ["", "x", " ", "a r1", "0123 r1", &format!("{} q", NODE.simple()), &format!("{} c1.2", NODE.simple())]
        {
            assert!(Letter::read(strange).1.anything, "{strange:?}");
        }
    }
}
