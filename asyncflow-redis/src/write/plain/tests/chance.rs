//! Batches at random: most of them plain, or nearly so.

use std::{sync::Arc, time::Duration};

use asyncflow_core::{
    JobId, JobKey, Limits, Mark, Policy, Progress, Stamp, State, Tally, Token, state,
    store::{Batch, Change, Claim, Due, Guard, Idempotency, Insert, Part, Parts, Patch, Pick, Room, Unique},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::FLOW;

/// A job that was taken, if nothing stood in the way: its id, its token, and when.
#[derive(Clone, Copy)]
pub(super) struct Held(u128, u128, i64);

impl Held {
    pub(super) fn new(number: u128, now: i64) -> Self {
        Self(number, number, now)
    }

    /// It is made and taken.
    pub(super) fn begins(self) -> (Insert, Claim) {
        let Self(id, token, _) = self;
        let insert = Insert {
            job: job(id),
            flow_version: 0,
            facts: state::submit(None, 0, &Arc::default()),
            owner: None,
            limit_key: None,
            unique: None,
            request: Part::json("1"),
            idempotency: None,
            room: Room { waiting: 1000, waiting_per_owner: None },
        };
        let patch = state::claim(Duration::from_secs(30));
        (insert, Claim { pick: Pick::Job(job(id)), limits: None, token: Token::from_u128(token), patch })
    }

    /// Its worker ends it.
    pub(super) fn ends(self) -> Change {
        let Self(id, token, started) = self;
        let started = Some(Stamp::from_micros(started));
        let patch = Patch {
            to: Some(State::Succeeded),
            due: Some(Due::Purge(Duration::from_secs(86_400))),
            tally: Some(Tally::default()),
            parts: Parts::Result(Part::json("2")),
            ..Patch::default()
        };
        Change {
            job: job(id),
            guard: Guard::Holder { token: Token::from_u128(token), started, knows: Mark::None },
            patch,
        }
    }
}

pub(super) struct Chance {
    dice: Dice,
    now: i64,
    next: u128,
    held: Vec<Held>,
    /// One that the last batch means.
    meant: Held,
}

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self { dice: Dice(StdRng::seed_from_u64(seed)), now: 0, next: 0, held: Vec::new(), meant: Held(7, 7, 0) }
    }

    /// How much later the next batch comes, in microseconds.
    pub(super) fn time(&mut self) -> i64 {
        [0, 1, 1_000_000, 40_000_000, 90_000_000_000][self.dice.below(5)]
    }

    pub(super) fn no_memory(&mut self) -> bool {
        self.dice.one_in(12)
    }

    /// A key that the last batch may need, in whose place something else comes; most often none.
    pub(super) fn spoils(&mut self) -> Option<Vec<u8>> {
        if !self.dice.one_in(3) {
            return None;
        }
        let kinds = ["d0", "d1", "d2", "d3", "d4", "a", "b", "p", "v", "t", "r", "o"];
        let kind = kinds.get(self.dice.below(16)).copied().unwrap_or("j");
        let (mut key, Held(id, token, _)) = (kind.as_bytes().to_vec(), self.meant);
        match kind {
            "t" => key.extend(token.to_be_bytes()),
            "j" | "r" | "o" => key.extend(id.to_be_bytes()),
            _ => {}
        }
        Some(key)
    }

    /// One of the last that were taken, or one that never was.
    fn held(&mut self) -> Held {
        let recent = self.dice.below(8);
        let one = self.held.iter().rev().nth(recent).or(self.held.last()).copied();
        one.unwrap_or_else(|| Held(self.number(), 7, self.now))
    }

    fn number(&mut self) -> u128 {
        self.next += 1;
        self.next << 70 | 1 << 9
    }

    /// Most often one that is plain.
    pub(super) fn batch(&mut self, now: i64) -> Batch {
        self.now = now;
        let mut batch = Batch::default();
        let (begin, end) = (self.dice.below(5), self.dice.below(4));
        for _ in 0..end {
            let held = self.held();
            let change = self.change(held);
            if change.patch.to.is_some() && !self.dice.one_in(9) {
                self.held.retain(|other| other.0 != held.0);
            }
            self.meant = held;
            batch.changes.push(change);
        }
        for _ in 0..begin {
            let (insert, claim) = self.begins();
            let taken = Held(insert.job.id.as_u128(), claim.token.as_u128(), self.now);
            if end == 0 || self.dice.one_in(4) {
                self.meant = taken;
            }
            batch.inserts.push(insert);
            if !self.dice.one_in(60) {
                self.held.push(taken);
                batch.claims.push(claim);
            }
        }
        batch
    }

    fn begins(&mut self) -> (Insert, Claim) {
        let (insert, rare) = (self.insert(), self.dice.below(60));
        let token = if rare < 3 { self.held().1 } else { self.number() };
        let pick = if rare == 3 { next() } else { Pick::Job(insert.job.clone()) };
        let limits = (rare == 4).then(|| Arc::new(Limits::new().running(1)));
        let claim = Claim { pick, limits, token: Token::from_u128(token), patch: self.claim() };
        (insert, claim)
    }

    fn insert(&mut self) -> Insert {
        let rare = self.dice.below(99);
        let id = if rare == 0 { self.held().0 } else { self.number() };
        let key: Arc<str> = ["one", "other"][self.dice.below(2)].into();
        let policy = Arc::new(Policy {
            spacing: (rare == 1).then_some(Duration::from_secs(1)),
            expiry: Duration::from_secs([60, 3600][self.dice.below(2)]),
            ..Policy::default()
        });
        let delay = (rare == 2).then_some(Duration::from_secs(1));
        let room = if rare == 3 { self.dice.below(8) as u64 } else { [100_000, u64::MAX][self.dice.below(2)] };
        Insert {
            job: job(id),
            flow_version: [0, 1, 300][self.dice.below(3)],
            facts: state::submit(delay, [-3, 0, 9][self.dice.below(3)], &policy),
            owner: (rare == 4).then(|| key.clone()),
            limit_key: (rare == 5).then(|| key.clone()),
            unique: (rare == 6).then(|| Unique { key: key.clone(), replace: None }),
            request: Part::json(vec![b'1'; self.dice.below(9)]),
            idempotency: (rare == 7).then(|| Idempotency { key, fingerprint: 1, keep: Duration::from_secs(60) }),
            room: Room { waiting: room, waiting_per_owner: (rare == 8).then_some(1) },
        }
    }

    fn claim(&mut self) -> Patch {
        let claim = state::claim(Duration::from_secs([30, 60, 1 << 40][self.dice.below(3)]));
        if self.dice.one_in(40) { Patch { lead: Some(1), ..claim } } else { claim }
    }

    fn change(&mut self, Held(id, token, started): Held) -> Change {
        let rare = self.dice.below(99);
        let token = Token::from_u128(if rare == 0 { 1 } else { token });
        let started = (rare != 1).then(|| Stamp::from_micros(started + i64::from(rare == 2)));
        let guard = match rare {
            3 => Guard::Version(2),
            _ => Guard::Holder { token, started, knows: [Mark::None, Mark::Forget][self.dice.below(2)] },
        };
        let part = Part::json(vec![b'2'; self.dice.below(9)]);
        let parts = if self.dice.one_in(2) { Parts::Result(part) } else { Parts::Error(part) };
        let after = [0, 70, 70, 86_400, 86_400, 86_400, 1 << 35, u64::MAX][self.dice.below(8)];
        let ends = Patch {
            to: Some([State::Succeeded, State::Failed, State::Cancelled][self.dice.below(3)]),
            due: Some(Due::Purge(Duration::from_secs(after))),
            tally: Some(Tally { attempts: 1, failures: 2, crashes: 3, crashes_in_all: 4, snoozes: rare as u16 }),
            parts,
            ..Patch::default()
        };
        let progress = |message: &str| Some(Some(Arc::new(Progress::new(message))));
        let patch = match rare {
            4 | 5 => Patch { mark: Some(Mark::Cancel), ..Patch::default() },
            6 | 7 => Patch { progress: progress("half"), ..Patch::default() },
            8 => Patch { progress: progress("done"), ..ends },
            9 => Patch { tally: None, ..ends },
            10 => Patch { quiet: true, ..ends },
            11 => Patch { mark: Some(Mark::None), ..ends },
            12 => Patch {
                to: Some(State::Enqueued),
                due: Some(Due::In(Duration::from_secs(9))),
                lead: Some(0),
                ..Patch::default()
            },
            13 => Patch { parts: Parts::Drop, ..ends },
            14 => Patch { purge: true, ..Patch::default() },
            _ => ends,
        };
        Change { job: job(id), guard, patch }
    }
}

fn job(id: u128) -> JobKey {
    JobKey { flow: FLOW.into(), id: JobId::from_u128(id) }
}

fn next() -> Pick {
    Pick::Next { flow: FLOW.into(), versions: Arc::new([0, 1]), jobs: 3, bytes: usize::MAX }
}

struct Dice(StdRng);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0.random_range(0..end)
    }

    fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}
