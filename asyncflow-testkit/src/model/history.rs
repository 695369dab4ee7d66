//! Random histories: steps that mean something whatever happened before them, so that any of them can be left out.

use std::time::Duration;

/// What a store is asked, one thing after the other.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Write { inserts: Vec<NewJob>, changes: Vec<Ask>, claims: Vec<Take> },
    Turn(Duration),
    Due { limit: usize },
    List { flow: usize, state: Option<usize>, owner: Option<usize>, after: Option<usize>, limit: usize },
    PutSettings { follows: bool },
}

#[derive(Clone, Debug)]
pub(super) struct NewJob {
    pub(super) flow: usize,
    pub(super) version: u16,
    pub(super) delay: Option<u64>,
    pub(super) priority: i8,
    pub(super) owner: Option<usize>,
    /// An idempotency key, of which body, and for how many seconds.
    pub(super) key: Option<(usize, u128, u64)>,
    pub(super) limit_key: Option<usize>,
    /// A unique key, and whether one that waits gives way.
    pub(super) unique: Option<(usize, bool)>,
    pub(super) room: u64,
    pub(super) room_per_owner: Option<u64>,
    pub(super) bytes: usize,
    /// In its place, the insert that was the so many last is sent again.
    pub(super) again: Option<usize>,
}

/// A change of a job, the so many last.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) job: usize,
    pub(super) what: What,
    /// Decided on the record as it was so many changes ago.
    pub(super) stale: usize,
    pub(super) guard: Aim,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum What {
    Due,
    LeaseLost,
    Succeeded,
    Failed,
    FailedForGood,
    Snoozed(u64),
    Drained,
    Stopped,
    Heartbeat,
    Progress,
    Cancel,
    Delete,
}

/// Whether a change's guard is the one that was decided, or misses.
#[derive(Clone, Copy, Debug)]
pub(super) enum Aim {
    Decided,
    OtherVersion,
    OtherToken,
    OtherDue,
}

#[derive(Clone, Debug)]
pub(super) struct Take {
    /// This job, the so many last; or the next ones.
    pub(super) job: Option<usize>,
    pub(super) flow: usize,
    pub(super) versions: usize,
    pub(super) jobs: usize,
    pub(super) bytes: usize,
    /// Under the token of the claim that was the so many last.
    pub(super) again: Option<usize>,
}

/// SplitMix64: few lines, and good enough to make histories.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below this one.
    pub(super) fn below(&mut self, most: usize) -> usize {
        usize::try_from(self.roll() % most.max(1) as u64).unwrap_or(0)
    }

    /// True one time in so many.
    pub(super) fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub(super) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    fn maybe<T>(&mut self, times: usize, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.one_in(times).then(|| make(self))
    }

    /// One that is most often small: what is recent.
    fn recent(&mut self) -> usize {
        let most = self.pick(&[2, 6, 24]);
        self.below(most)
    }

    fn several<T>(&mut self, most: usize, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.below(most + 1)).map(|_| make(self)).collect()
    }

    pub(super) fn history(&mut self, steps: usize) -> Vec<Step> {
        (0..steps).map(|_| self.step()).collect()
    }

    fn step(&mut self) -> Step {
        match self.below(12) {
            0 | 1 => Step::Turn(self.time()),
            2 => Step::Due { limit: self.pick(&[1, 3, 100]) },
            3 => Step::List {
                flow: self.below(2),
                state: self.maybe(2, |dice| dice.below(6)),
                owner: self.maybe(3, |dice| dice.below(3)),
                after: self.maybe(3, Self::recent),
                limit: self.pick(&[1, 2, 50]),
            },
            4 if self.one_in(3) => Step::PutSettings { follows: !self.one_in(3) },
            _ => Step::Write {
                inserts: self.several(2, Self::new_job),
                changes: self.several(3, Self::ask),
                claims: self.several(2, Self::take),
            },
        }
    }

    fn time(&mut self) -> Duration {
        let most = self.pick(&[1_000_000, 10_000_000, 40_000_000, 100_000_000]);
        Duration::from_micros(self.below(most) as u64)
    }

    fn new_job(&mut self) -> NewJob {
        NewJob {
            flow: self.below(2),
            version: self.pick(&[0, 0, 0, 1, 2]),
            delay: self.maybe(4, |dice| dice.below(60) as u64),
            priority: self.pick(&[0, 0, 0, 1, -1, 10]),
            owner: self.maybe(2, |dice| dice.below(3)),
            key: self.maybe(3, |dice| (dice.below(3), dice.pick(&[1, 1, 1, 2]), dice.pick(&[0, 20, 3600]))),
            limit_key: self.maybe(4, |dice| dice.below(2)),
            unique: self.maybe(4, |dice| (dice.below(2), dice.one_in(2))),
            room: self.pick(&[2, 5, 1000, 1000, 1000]),
            room_per_owner: self.maybe(3, |dice| dice.pick(&[1, 3])),
            bytes: self.pick(&[2, 2, 10, 100, 5000]),
            again: self.maybe(10, Self::recent),
        }
    }

    fn ask(&mut self) -> Ask {
        let what = match self.below(16) {
            0..4 => What::Due,
            4 => What::LeaseLost,
            5 | 6 => What::Succeeded,
            7 => What::Failed,
            8 => What::FailedForGood,
            9 => What::Snoozed(self.pick(&[0, 5])),
            10 => What::Drained,
            11 => What::Stopped,
            12 => What::Heartbeat,
            13 => What::Progress,
            14 => What::Cancel,
            _ => What::Delete,
        };
        let stale = self.maybe(5, |dice| 1 + dice.below(2)).unwrap_or(0);
        let miss = self.maybe(8, |dice| dice.pick(&[Aim::OtherVersion, Aim::OtherToken, Aim::OtherDue]));
        let guard = miss.unwrap_or(Aim::Decided);
        Ask { job: self.recent(), what, stale, guard }
    }

    fn take(&mut self) -> Take {
        Take {
            job: self.maybe(4, Self::recent),
            flow: self.below(2),
            versions: self.below(4),
            jobs: self.below(5),
            bytes: self.pick(&[0, 15, 6000, usize::MAX, usize::MAX]),
            again: self.maybe(5, Self::recent),
        }
    }
}
