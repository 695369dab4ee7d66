//! What the model knows of a fleet: the store's records, what each node thinks, what is on its way, and what the judge remembers.
//!
//! Everything is small and without a history: versions, times and tokens are kept as what can still make a difference (whether a record is
//! due, whether it is the one that was seen, which token equals which), so that what amounts to the same is one state.

use asyncflow_core::{Mark, State};

pub const JOBS: usize = 2;
pub const NODES: usize = 2;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    /// What the store keeps of each job.
    pub jobs: [Option<Job>; JOBS],
    /// The job that was first inserted under the one idempotency key that there is.
    pub key: Option<usize>,
    pub nodes: [Node; NODES],
    /// Requests that land when nobody waits for them any more.
    pub flights: Vec<Flight>,
    /// Messages about each job in the broker.
    pub carried: [u8; JOBS],
    /// What may still happen.
    pub left: Budget,
    /// What the judge remembers of each job.
    pub past: [Past; JOBS],
    pub flaw: Option<Flaw>,
}

/// A record. Attempts and the crashes in all follow from what is here, or have bounds beyond the model's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Job {
    pub state: State,
    pub mark: Mark,
    /// Its clock hand has passed.
    pub due: bool,
    pub token: Option<u8>,
    /// Which claim under the token holds it: stands for the time at which it was taken.
    pub started: u8,
    pub counts: Counts,
    /// Its request is there.
    pub request: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Counts {
    pub failures: u8,
    pub crashes: u8,
    pub snoozes: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node {
    pub life: Life,
    /// It does nothing, but goes on later without knowing of it.
    pub frozen: bool,
    pub slot: Slot,
    /// The job whose insert was not answered yet.
    pub inserting: Option<usize>,
    /// How far it is with taking each job's lease for lost.
    pub looks: [Look; JOBS],
    /// Jobs whose bodies run on in slots that were given away: none where the rules hold.
    pub strays: [bool; JOBS],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Life {
    Open,
    Draining,
    Gone,
}

/// A node's one place for a running job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Slot {
    Free,
    /// A claim under this token was not answered yet; of this job, where it is by id.
    Asking {
        token: u8,
        job: Option<usize>,
    },
    /// A job, and what was claimed beside its end.
    Taken {
        run: Run,
        next: Option<Held>,
    },
}

/// What a claim's answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Held {
    pub job: usize,
    pub token: u8,
    pub started: u8,
    pub mark: Mark,
    pub counts: Counts,
    /// The record is still held by the very claim that gave it (the judge knows; the node does not).
    pub current: bool,
    /// Its lease was lost (the same).
    pub lost: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Run {
    pub held: Held,
    pub doing: Doing,
    /// The claim that is sent with its end.
    pub claim: Option<u8>,
    /// Its lease has ended by the node's own clock.
    pub overdue: bool,
    /// Its body cannot be dropped.
    pub stubborn: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Doing {
    /// The handler runs, and was told this.
    Running(Stop),
    /// This is to be written. `body`: its body runs all the same.
    Ending { end: End, body: bool },
    /// Nothing is to be written, but the body has not ended.
    Body,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stop {
    Not,
    Marked,
    Drained,
    Lost,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum End {
    Succeeded,
    Failed,
    Snoozed,
    Drained,
    Stopped { started: bool },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Look {
    No,
    /// This very lease was seen expired.
    Once,
    /// It is to be taken for lost; the write is on its way. It saw this record, which since has (not) changed.
    Writing {
        saw: Job,
        same_version: bool,
        same_due: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Flight {
    Insert { job: usize, claim: Option<u8> },
    Claim { token: u8, job: Option<usize> },
    Finish { held: Held, end: End, claim: Option<u8> },
}

/// How often each thing may happen yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Budget {
    /// Answers or requests that are lost.
    pub lost: u8,
    /// Requests that land late.
    pub late: u8,
    pub kills: u8,
    pub restarts: u8,
    pub freezes: u8,
    /// Jumps of the store's clock, by more than a lease and less than a minute.
    pub jumps: u8,
    /// Times that the store is away for longer than a lease.
    pub outages: u8,
    /// Times that heartbeats of a node that lives do not arrive for as long as it takes.
    pub cuts: u8,
    pub drains: u8,
    /// Bodies that cannot be dropped.
    pub stubborn: u8,
    /// Messages that the broker doubles, and loses.
    pub copies: u8,
    pub drops: u8,
    pub cancels: u8,
    pub deletes: u8,
}

/// What the judge remembers of a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Past {
    pub created: bool,
    /// What was answered to who asked it to stop.
    pub asked: Mark,
    /// Leases lost since its handler last ended by itself.
    pub lost: u8,
    pub put_off: u8,
    /// Its handler was started since it was last taken.
    pub started: bool,
    /// It was taken for nobody, or who took it is gone or was frozen.
    pub excused: bool,
}

/// What must not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flaw {
    Undone,
    Revived,
    EndedChanged,
    VersionShrank,
    Stale,
    StartedMarked,
    Overlap,
    LimitExceeded,
    CrashOfNoHandler,
    HealthyLost,
    LostTooEarly,
    PutOffTooOften,
    TwoJobs,
    NothingToRun,
    PurgedWhileHeld,
}

impl World {
    pub fn new(left: Budget) -> Self {
        let node = Node {
            life: Life::Open,
            frozen: false,
            slot: Slot::Free,
            inserting: None,
            looks: [Look::No; JOBS],
            strays: [false; JOBS],
        };
        Self {
            jobs: [None; JOBS],
            key: None,
            nodes: [node; NODES],
            flights: Vec::new(),
            carried: [0; JOBS],
            left,
            past: [Past::default(); JOBS],
            flaw: None,
        }
    }

    /// The first of what goes wrong counts.
    pub fn flaw(&mut self, flaw: Flaw) {
        self.flaw.get_or_insert(flaw);
    }

    /// A token that nobody knows.
    pub fn fresh_token(&self) -> u8 {
        let known = |token: u8| {
            let (some, ask) = (Some(token), |slot: &Slot| match slot {
                Slot::Free => false,
                Slot::Asking { token: asked, .. } => *asked == token,
                Slot::Taken { run, next } => {
                    run.held.token == token || run.claim == Some(token) || next.is_some_and(|next| next.token == token)
                }
            });
            self.jobs.iter().flatten().any(|job| job.token == some)
                || self.nodes.iter().any(|node| ask(&node.slot))
                || self.flights.iter().any(|flight| match flight {
                    Flight::Insert { claim, .. } => *claim == some,
                    Flight::Claim { token: asked, .. } => *asked == token,
                    Flight::Finish { held, claim, .. } => held.token == token || *claim == some,
                })
        };
        (1..).find(|token| !known(*token)).unwrap_or(u8::MAX)
    }

    /// A time at which nobody knows of a claim under this token.
    pub fn fresh_start(&mut self, token: u8) -> u8 {
        let known: Vec<_> = self.held().filter(|held| held.token == token).map(|held| held.started).collect();
        (0..).find(|started| !known.contains(started)).unwrap_or(u8::MAX)
    }

    /// The same world, as it is told in one way: nodes are alike, and so are tokens, and the claims under one.
    pub fn told_in_one_way(mut self, nodes: usize) -> Self {
        self.nodes[..nodes].sort_unstable();
        self.flights.sort_unstable();
        let mut names = Names::default();
        for job in self.jobs.iter_mut().flatten() {
            if let Some(token) = &mut job.token {
                names.claim(token, &mut job.started);
            }
        }
        for node in &mut self.nodes {
            for look in node.looks.iter_mut() {
                if let Look::Writing { saw: Job { token: Some(token), .. }, .. } = look {
                    names.token(token);
                }
            }
            match &mut node.slot {
                Slot::Free => {}
                Slot::Asking { token, .. } => names.token(token),
                Slot::Taken { run, next } => {
                    names.claim(&mut run.held.token, &mut run.held.started);
                    run.claim.iter_mut().for_each(|token| names.token(token));
                    next.iter_mut().for_each(|next| names.claim(&mut next.token, &mut next.started));
                }
            }
        }
        for flight in &mut self.flights {
            match flight {
                Flight::Insert { claim, .. } => claim.iter_mut().for_each(|token| names.token(token)),
                Flight::Claim { token, .. } => names.token(token),
                Flight::Finish { held, claim, .. } => {
                    names.claim(&mut held.token, &mut held.started);
                    claim.iter_mut().for_each(|token| names.token(token));
                }
            }
        }
        self
    }

    /// Every claim's answer that somebody still goes by.
    pub fn held(&mut self) -> impl Iterator<Item = &mut Held> {
        let slots = self.nodes.iter_mut().filter_map(|node| match &mut node.slot {
            Slot::Taken { run, next } => Some([Some(&mut run.held), next.as_mut()]),
            _ => None,
        });
        let flights = self.flights.iter_mut().filter_map(|flight| match flight {
            Flight::Finish { held, .. } => Some(held),
            _ => None,
        });
        slots.flatten().flatten().chain(flights)
    }
}

/// New names for tokens, and for the claims under each, in the order in which they come up.
#[derive(Default)]
struct Names {
    tokens: Vec<u8>,
    claims: Vec<Vec<u8>>,
}

impl Names {
    fn token(&mut self, token: &mut u8) {
        let name = name(&mut self.tokens, *token);
        self.claims.resize(self.tokens.len(), Vec::new());
        *token = name + 1;
    }

    fn claim(&mut self, token: &mut u8, started: &mut u8) {
        self.token(token);
        *started = name(&mut self.claims[usize::from(*token) - 1], *started);
    }
}

fn name(known: &mut Vec<u8>, old: u8) -> u8 {
    let place = known.iter().position(|known| *known == old).unwrap_or_else(|| {
        known.push(old);
        known.len() - 1
    });
    place as u8
}

impl Node {
    /// It does things now.
    pub fn acts(&self) -> bool {
        self.life != Life::Gone && !self.frozen
    }

    pub fn run(&mut self) -> Option<&mut Run> {
        match &mut self.slot {
            Slot::Taken { run, .. } => Some(run),
            _ => None,
        }
    }
}

impl Run {
    pub fn new(held: Held) -> Self {
        Self { held, doing: Doing::Running(Stop::Not), claim: None, overdue: false, stubborn: false }
    }

    /// A handler's body is at work.
    pub fn has_body(&self) -> bool {
        match self.doing {
            Doing::Running(_) | Doing::Body => true,
            Doing::Ending { body, .. } => body,
        }
    }
}
