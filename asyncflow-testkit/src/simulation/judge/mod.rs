//! Sees everything that happens, and says what must not have: the six invariants of the design, each where it would show.

mod answers;
mod fleet;
mod runs;
mod writes;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    sync::Arc,
    time::Duration,
};

use asyncflow_core::{JobId, Mark, Record, Stamp, State, Token};

pub(super) use self::{
    answers::{Called, Known},
    fleet::Gone,
    runs::Ended,
};
use self::{fleet::Life, runs::Run};
use super::{Counts, story::Story, work::Plan};

/// Accepted jobs end, whichever process dies when.
const ENDS: &str = "1 (every accepted job ends)";
/// One attempt's outcome is visible, and no stale one.
const ONE_OUTCOME: &str = "2 (one outcome)";
/// Ended jobs stay as they are, versions grow, what was answered is not undone.
const NO_WAY_BACK: &str = "3 (no way back)";
/// Nothing panics.
const NO_PANIC: &str = "4 (no panic)";
/// Nothing grows without bound.
const BOUNDED: &str = "5 (bounded)";
/// Limits hold.
const LIMITS: &str = "6 (limits)";
/// A healthy worker keeps what it holds.
const LEASES: &str = "leases (a healthy worker keeps its job)";

/// The longest that a worker may hold a job without a heartbeat, and what comes on top until it is taken over. Milliseconds.
const LONGEST_LEASE: u64 = 45_000;

/// A rule that was broken.
#[derive(Clone, Debug)]
pub(super) struct Broken {
    pub(super) rule: &'static str,
    pub(super) job: Option<JobId>,
    pub(super) text: String,
}

/// A flow, an owner, and a key.
type Name = (Arc<str>, Option<Arc<str>>, Arc<str>);

#[derive(Debug)]
pub(super) struct Judge {
    pub(super) story: Story,
    pub(super) counts: Counts,
    pub(super) broken: Option<Broken>,
    plans: Arc<[Plan]>,
    cases: Vec<Case>,
    by_id: BTreeMap<JobId, usize>,
    keys: HashMap<Name, Use>,
    /// What clients were answered for their keys.
    answered: HashMap<Name, Use>,
    unique: HashMap<Name, usize>,
    held: HashMap<Token, Vec<usize>>,
    running: HashMap<(Arc<str>, Option<Arc<str>>), u64>,
    starts: HashMap<Arc<str>, Vec<Stamp>>,
    runs: Vec<Run>,
    /// Runs whose bodies have not ended, those of nodes that are gone included.
    at_work: BTreeSet<usize>,
    lives: Vec<Life>,
    /// Milliseconds since the beginning.
    now: u64,
    store_now: Stamp,
    /// The latest that a store can take it for, whether its time goes back with the clock or on at the clock's pace.
    store_latest: Stamp,
    /// When the store's clock was last set forward.
    jumped: Option<u64>,
    open: usize,
    kept: usize,
}

/// One job, as the judge knows it.
#[derive(Debug)]
struct Case {
    record: Record,
    purged: bool,
    hold: Option<Hold>,
    /// Tokens whose lease was taken away.
    lost: Vec<Token>,
    /// What its workers were given.
    told: Vec<Told>,
    runs: Vec<usize>,
    /// The run whose result it has.
    outcome: Option<usize>,
    /// When it was made first, in milliseconds since the beginning, and by whom.
    made: (u64, usize),
    known: Known,
    cancelled: bool,
}

/// A claim's answer, as far as it is about one job.
#[derive(Clone, Copy, Debug)]
struct Told {
    life: usize,
    token: Token,
    attempt: u32,
    mark: Mark,
}

/// A worker's right to a job.
#[derive(Clone, Debug)]
struct Hold {
    life: usize,
    /// Since when its worker's trouble excuses its loss: it was renewed then.
    renewed: u64,
    /// Its request came when nobody waited for the answer any more.
    late: bool,
    /// Writes for it that failed since it was renewed.
    failures: u32,
}

#[derive(Debug)]
struct Use {
    id: JobId,
    until: Stamp,
}

impl Judge {
    pub(super) fn new(plans: Arc<[Plan]>, written: bool, store_now: Stamp) -> Self {
        Self {
            story: Story::new(written),
            counts: Counts::default(),
            broken: None,
            plans,
            cases: Vec::new(),
            by_id: BTreeMap::new(),
            keys: HashMap::new(),
            answered: HashMap::new(),
            unique: HashMap::new(),
            held: HashMap::new(),
            running: HashMap::new(),
            starts: HashMap::new(),
            runs: Vec::new(),
            at_work: BTreeSet::new(),
            lives: Vec::new(),
            now: 0,
            store_now,
            store_latest: store_now,
            jumped: None,
            open: 0,
            kept: 0,
        }
    }

    /// Time goes on.
    pub(super) fn turn(&mut self, now: u64, store_now: Stamp) {
        // Time goes by also while the clock is set back.
        let gone_by = Duration::from_millis(now.saturating_sub(self.now));
        self.store_latest = self.store_latest + store_now.since(self.store_now).max(gone_by);
        (self.now, self.store_now) = (now, store_now);
        self.story.turn(now);
    }

    /// The store's clock was set forward or back.
    pub(super) fn jumped(&mut self, by: i64) {
        self.story.tell(format_args!("the store's clock is set by {by} s"));
        if by > 0 {
            self.jumped = Some(self.now);
        }
        self.starts.clear();
    }

    /// Jobs that have not ended yet.
    pub(super) fn open(&self) -> usize {
        self.open
    }

    /// Jobs whose record is kept.
    pub(super) fn kept(&self) -> usize {
        self.kept
    }

    /// What a panic said that nobody had asked for.
    pub(super) fn panicked(&mut self, text: String) {
        self.rule(NO_PANIC, None, format_args!("{text}"));
    }

    /// Something grows.
    pub(super) fn grows(&mut self, text: fmt::Arguments<'_>) {
        self.rule(BOUNDED, None, text);
    }

    /// Nothing goes on, though nothing goes wrong any more.
    pub(super) fn stuck(&mut self) {
        let open = self.open;
        let first = self.cases.iter().position(|case| !case.purged && !case.record.state.is_ended());
        let text = first.map_or_else(String::new, |index| shown(&self.cases[index].record));
        self.rule(ENDS, first, format_args!("{open} jobs do not end; the first: {text}"));
    }

    /// What stays to be kept, though its time is over.
    pub(super) fn stays(&mut self) {
        let kept = self.kept;
        let first = self.cases.iter().position(|case| !case.purged);
        let text = first.map_or_else(String::new, |index| shown(&self.cases[index].record));
        self.rule(BOUNDED, first, format_args!("{kept} jobs are not purged; the first: {text}"));
    }

    fn rule(&mut self, rule: &'static str, case: Option<usize>, text: fmt::Arguments<'_>) {
        if self.broken.is_some() {
            return;
        }
        let job = case.map(|index| self.cases[index].record.job.id);
        match job {
            Some(job) => self.story.of(job, format_args!("BROKEN: rule {rule}: {text}")),
            None => self.story.tell(format_args!("BROKEN: rule {rule}: {text}")),
        }
        self.broken = Some(Broken { rule, job, text: text.to_string() });
    }

    fn plan(&self, flow: &str) -> Option<&Plan> {
        self.plans.iter().find(|plan| *plan.name == *flow)
    }
}

/// A record in short.
fn shown(record: &Record) -> String {
    let mark = match record.mark {
        Mark::None => "",
        Mark::Cancel => ", to be cancelled",
        Mark::Forget => ", to be forgotten",
    };
    let tally = record.tally;
    format!(
        "{} {} v{}{mark}, due {}, {} attempts, {} failures, {} crashes, {} snoozes",
        record.job.flow,
        record.state,
        record.version,
        record.due.as_micros() / 1000,
        tally.attempts,
        tally.failures,
        tally.crashes_in_all,
        tally.snoozes
    )
}

fn lives(state: State, mark: Mark) -> bool {
    !state.is_ended() && mark < Mark::Forget
}
