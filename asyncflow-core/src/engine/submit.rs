//! How a job comes in: decided, inserted, and started at once where there is room.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use siphasher::sip128::{Hasher128, SipHasher13};
use tokio::time::Instant;

use super::{
    line::{Line, Receiving},
    node::{Node, Phase, Work},
};
use crate::{
    flow::{DecodeError, Decoded},
    job::{JobId, JobKey, Stamp, State},
    pause::Pause,
    state,
    store::{Answers, Batch, Claim, Idempotency, Insert, Inserted, Part, Room, StoreError, Unique},
    trace,
    worker::Slot,
};

/// How long an idempotency key is remembered unless set.
const KEEP: Duration = Duration::from_secs(24 * 3600);
/// The longest that an insert is tried again: well below the youngest age at which a record may be purged.
const MOST_PATIENCE: Duration = Duration::from_secs(10);

/// Bytes of the longest owner: stores look jobs up by it.
const LONGEST_OWNER: usize = 1024;

/// How a job is to be run, beyond its flow's options.
///
/// ```
/// # use asyncflow_core::{IdempotencyKey, SubmitOptions}; use std::time::Duration;
/// let options = SubmitOptions::new().run_in(Duration::from_secs(60)).priority(5).idempotency_key(IdempotencyKey::new("order-17")?);
/// # Ok::<(), asyncflow_core::InvalidKey>(())
/// ```
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct SubmitOptions {
    pub(super) run_in: Option<Duration>,
    pub(super) run_at: Option<SystemTime>,
    pub(super) priority: Option<i8>,
    pub(super) key: Option<IdempotencyKey>,
    pub(super) owner: Option<Arc<str>>,
    pub(super) limit_key: Option<Arc<str>>,
    pub(super) unique: Option<(Arc<str>, IfLive)>,
    pub(super) receiving: Option<Receiving>,
}

impl SubmitOptions {
    /// Nothing special.
    pub fn new() -> Self {
        Self::default()
    }

    /// The job becomes ready after this long.
    pub fn run_in(mut self, delay: Duration) -> Self {
        (self.run_in, self.run_at) = (Some(delay), None);
        self
    }

    /// The job becomes ready at this time by the engine's clock; at once where that is past.
    pub fn run_at(mut self, at: SystemTime) -> Self {
        (self.run_in, self.run_at) = (None, Some(at));
        self
    }

    /// −10 to 10, higher is sooner; the flow's priority unless set.
    pub fn priority(mut self, priority: i8) -> Self {
        self.priority = Some(priority);
        self
    }

    /// Submitted again under the same key, the same job is answered.
    pub fn idempotency_key(mut self, key: IdempotencyKey) -> Self {
        self.key = Some(key);
        self
    }

    /// Whose job it is, in at most 1024 bytes. A [`FlowRef`](super::FlowRef) seen as an owner's sets it itself.
    pub fn owner(mut self, owner: impl Into<Arc<str>>) -> Self {
        self.owner = Some(owner.into());
        self
    }

    /// Whose limits the job counts for, where its flow has [limits per key](crate::Limits): a tenant, a host that is called. Its owner's unless set.
    /// 1 to 255 bytes.
    pub fn limit_key(mut self, key: impl Into<Arc<str>>) -> Self {
        self.limit_key = Some(key.into());
        self
    }

    /// No other job of the same flow, owner and key may live, that is wait or run, beside this one. 1 to 255 bytes.
    pub fn unique(mut self, key: impl Into<Arc<str>>, if_live: IfLive) -> Self {
        self.unique = Some((key.into(), if_live));
        self
    }

    /// The room that was taken to receive the request: given back when it is stored.
    pub fn receiving(mut self, receiving: Receiving) -> Self {
        self.receiving = Some(receiving);
        self
    }
}

/// What happens where another job lives under the same [unique key](SubmitOptions::unique). One that is to be deleted counts no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfLive {
    /// That one is answered, and none is made.
    Reuse,
    /// That one is cancelled if it still waits, and this one takes its place; where it runs already, it is answered and none is made.
    Replace,
}

/// What makes a repeated submit the same job: 1 to 255 visible ASCII characters, in one name space for each flow and owner (all who have
/// no owner share one).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey {
    key: Arc<str>,
    keep: Duration,
}

impl IdempotencyKey {
    /// A key that is remembered for 24 hours from its first use, also beyond its job's deletion.
    ///
    /// # Errors
    /// It is empty, longer than 255 characters, or has others than visible ASCII ones.
    pub fn new(key: &str) -> Result<Self, InvalidKey> {
        let fits = (1..=255).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| Self { key: key.into(), keep: KEEP }).ok_or(InvalidKey)
    }

    /// Sets how long it is remembered from its first use; ten years at most.
    pub fn keep(mut self, keep: Duration) -> Self {
        self.keep = keep.min(Duration::from_secs(10 * 365 * 24 * 3600));
        self
    }
}

/// A text that is no idempotency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidKey;

impl fmt::Display for InvalidKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an idempotency key has 1 to 255 visible ASCII characters")
    }
}

impl std::error::Error for InvalidKey {}

/// A job that is in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Submitted {
    /// Its id.
    pub id: JobId,
    /// When it was made.
    pub created: Stamp,
    /// It was there before, under the same idempotency or unique key.
    pub existed: bool,
}

/// Why a job was not accepted. Nothing was stored, unless the store was not available: then it may have been.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SubmitError {
    /// The request cannot be read.
    Decode(DecodeError),
    /// The request cannot be written.
    Encode(Arc<str>),
    /// The request has more bytes than its flow or its type allows.
    TooLarge {
        /// The most that is allowed, in bytes.
        limit: usize,
    },
    /// A priority that is not within −10 to 10.
    Priority(i8),
    /// An owner of more than 1024 bytes.
    Owner(Arc<str>),
    /// A limit key or unique key that is empty or longer than 255 bytes.
    Key(Arc<str>),
    /// The idempotency key was used for another request.
    KeyReused,
    /// Too many jobs of this owner wait.
    OverQuota,
    /// Too many jobs of this flow wait.
    TooManyWaiting,
    /// The node is shutting down, or accepts no jobs.
    ShuttingDown,
    /// The store did not take it.
    Store(StoreError),
}

impl fmt::Display for SubmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decode(error) => error.fmt(f),
            Self::Encode(error) => write!(f, "the request cannot be written: {error}"),
            Self::TooLarge { limit } => write!(f, "the request has more than the {limit} bytes that are allowed"),
            Self::Priority(priority) => write!(f, "the priority {priority} is not within -10 to 10"),
            Self::Owner(owner) => {
                write!(f, "an owner of {} bytes, which may have at most {LONGEST_OWNER}", owner.len())
            }
            Self::Key(key) => {
                write!(f, "a key of {} bytes: a limit key or unique key has 1 to 255", key.len())
            }
            Self::KeyReused => f.write_str("the idempotency key was used for another request: use a new one"),
            Self::OverQuota => f.write_str("too many jobs of this owner wait: try again when some have ended"),
            Self::TooManyWaiting => f.write_str("too many jobs of this flow wait: try again later"),
            Self::ShuttingDown => f.write_str("the node accepts no jobs now: try another one, or again later"),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SubmitError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Decode(error) => Some(error),
            Self::Store(error) => Some(error),
            _ => None,
        }
    }
}

impl From<DecodeError> for SubmitError {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::TooLarge { limit } => Self::TooLarge { limit },
            error => Self::Decode(error),
        }
    }
}

impl From<StoreError> for SubmitError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Node {
    /// Decides how a job comes in. The future inserts it, and starts it in the same round trip if a slot is free; it is to be run
    /// [uninterrupted](Self::uninterrupted), since whoever submits may go away, and what was claimed on the way is run all the same.
    /// `decoded`: the request, where it was read already.
    pub(super) fn submit(
        self: &Arc<Self>,
        line: &Arc<Line>,
        request: Part,
        decoded: Option<Decoded>,
        options: SubmitOptions,
    ) -> Result<Work<Result<Submitted, SubmitError>>, SubmitError> {
        let insert = self.insert(line, request, &options)?;
        let job = insert.job.clone();
        let delay = (insert.facts.state == State::Scheduled).then_some(insert.facts.due);
        // A job that is to run later needs no slot now.
        let mut slot = if delay.is_none() && self.takes_up(line) && line.has_bytes() { self.slot(line) } else { None };
        let claims = slot.iter().map(|_| self.claim_beside(line, &job)).collect();
        let mut batch = Batch { inserts: vec![insert], claims, ..Batch::default() };
        let (node, line, receiving) = (self.clone(), line.clone(), options.receiving);
        Ok(Box::pin(async move {
            let mut answers = node.insert_or_resolve(&mut batch, &mut slot).await?;
            drop(receiving);
            let inserted = submitted(job.id, answers.inserts.pop());
            trace::debug!(job = %job.id, flow = %line.name, accepted = inserted.is_ok(), "a job is submitted");
            let started = slot.is_some_and(|slot| node.start_claimed(slot, &mut answers, job.id, decoded));
            match delay {
                Some(delay) => node.alarm.set(delay),
                None if started || inserted.is_err() => {}
                None => node.bring(&line, std::slice::from_ref(&job)).await,
            }
            inserted
        }))
    }

    /// What a submit claims for its slot: where none is known to wait, its own job, which a store can insert as taken in one step.
    fn claim_beside(&self, line: &Line, job: &JobKey) -> Claim {
        match line.others_may_wait() || line.policy.spacing.is_some() {
            true => self.claim(line, 1),
            false => self.claim_job(line, job.clone()),
        }
    }

    /// Starts what was claimed beside a submit; says whether it is the job that was submitted, whose request was read already.
    fn start_claimed(self: &Arc<Self>, slot: Slot, answers: &mut Answers, id: JobId, decoded: Option<Decoded>) -> bool {
        let taken = answers.claims.pop().map(|taken| self.taken(slot.line(), taken));
        let Some(claimed) = taken.and_then(|mut claimed| claimed.pop()) else { return false };
        let started = claimed.record.job.id == id;
        self.start(slot, claimed, decoded.filter(|_| started));
        started
    }

    /// The jobs' inserts in one batch; what is ready is brought to whoever has room. To be run uninterrupted, as a [submit](Self::submit).
    pub(super) fn submit_many(
        self: &Arc<Self>,
        line: &Arc<Line>,
        inserts: Vec<Insert>,
    ) -> Work<Result<Vec<Result<Submitted, SubmitError>>, SubmitError>> {
        let asked: Vec<JobKey> = inserts.iter().map(|insert| insert.job.clone()).collect();
        let (node, line) = (self.clone(), line.clone());
        Box::pin(async move {
            let mut batch = Batch { inserts, ..Batch::default() };
            let answers = node.insert_or_resolve(&mut batch, &mut None).await?;
            node.bring(&line, &asked).await;
            Ok(asked.iter().zip(answers.inserts).map(|(job, inserted)| submitted(job.id, Some(inserted))).collect())
        })
    }

    pub(super) fn insert(&self, line: &Line, request: Part, options: &SubmitOptions) -> Result<Insert, SubmitError> {
        if self.phase() > Phase::Open || self.role == super::Role::Work {
            return Err(SubmitError::ShuttingDown);
        }
        if request.bytes.len() > line.options.max_request {
            return Err(SubmitError::TooLarge { limit: line.options.max_request });
        }
        let priority = options.priority.unwrap_or(line.options.priority);
        if !(-10..=10).contains(&priority) {
            return Err(SubmitError::Priority(priority));
        }
        if let Some(owner) = options.owner.as_ref().filter(|owner| owner.len() > LONGEST_OWNER) {
            return Err(SubmitError::Owner(owner.clone()));
        }
        let unique = options.unique.as_ref();
        if let Some(key) =
            options.limit_key.iter().chain(unique.map(|(key, _)| key)).find(|key| !(1..=255).contains(&key.len()))
        {
            return Err(SubmitError::Key(key.clone()));
        }
        let now = self.clock.now();
        let run_in = options.run_in.or_else(|| options.run_at.map(|at| Stamp::from(at).since(now)));
        let idempotency = options.key.as_ref().map(|IdempotencyKey { key, keep }| Idempotency {
            key: key.clone(),
            fingerprint: fingerprint(&request),
            keep: *keep,
        });
        Ok(Insert {
            job: JobKey { flow: line.name.clone(), id: self.chance.id(now) },
            flow_version: line.options.version,
            facts: state::submit(run_in, priority, &line.policy),
            owner: options.owner.clone(),
            request,
            idempotency,
            limit_key: options.limit_key.clone(),
            unique: unique.map(|(key, if_live)| Unique {
                key: key.clone(),
                replace: (*if_live == IfLive::Replace).then(|| state::replace(&line.policy)),
            }),
            room: Room { waiting: line.options.max_waiting, waiting_per_owner: line.options.max_waiting_per_owner },
        })
    }

    /// Brings word of jobs that are ready and were not started.
    async fn bring(&self, line: &Line, jobs: &[JobKey]) {
        if self.works(line) {
            self.backlog(line);
        }
        self.executor.dispatch(jobs).await;
    }

    /// Inserts, and claims for the slot. A claim whose answer is lost may have been served: that is found out, whatever becomes of the insert.
    async fn insert_or_resolve(
        self: &Arc<Self>,
        batch: &mut Batch,
        slot: &mut Option<Slot>,
    ) -> Result<Answers, StoreError> {
        let patience = self.timing.call.min(MOST_PATIENCE);
        let mut end = None;
        let first = self.call_until(|| *end.insert(Instant::now() + patience), self.store.write(batch));
        let error = match first.await {
            Err(error @ (StoreError::Unavailable(_) | StoreError::Rejected(_))) => error,
            answers => return answers,
        };
        if let (Some(claim), Some(slot)) = (batch.claims.pop(), slot.take()) {
            let node = self.clone();
            self.aside(async move {
                let claimed = node.resolve(slot.line(), claim).await;
                node.start_all(vec![slot], claimed);
            });
        }
        match error {
            StoreError::Unavailable(_) => {
                let soon = Instant::now() + patience / 2;
                // Boxed, as all that is rare: what waits in a submit has its size.
                Box::pin(self.insert_again(batch, error, end.map_or(soon, |end| end.min(soon)))).await
            }
            error => Err(error),
        }
    }

    /// Inserts until this time, after a first time that was not answered: an insert of an id that is there changes nothing.
    async fn insert_again(&self, batch: &Batch, mut error: StoreError, end: Instant) -> Result<Answers, StoreError> {
        let mut pause = Pause::default();
        // Whoever submits may have no runtime around it.
        while let Some(pause) = self.on_runtime(|| pause.until(end)) {
            pause.await;
            match self.call_until(|| end, self.store.write(batch)).await {
                Err(again @ StoreError::Unavailable(_)) => error = again,
                answers => return answers,
            }
        }
        Err(error)
    }
}

fn submitted(id: JobId, inserted: Option<Inserted>) -> Result<Submitted, SubmitError> {
    let inserted = inserted.ok_or_else(|| StoreError::unavailable("it left an insert unanswered"))?;
    match inserted {
        Inserted::Created { created } => Ok(Submitted { id, created, existed: false }),
        Inserted::Existing { id: existing, created } => {
            Ok(Submitted { id: existing, created, existed: existing != id })
        }
        Inserted::OtherBody => Err(SubmitError::KeyReused),
        Inserted::Full => Err(SubmitError::TooManyWaiting),
        Inserted::OverQuota => Err(SubmitError::OverQuota),
    }
}

/// Of a request's bytes and media type, parameters aside: stable between versions and machines, since stores keep it.
fn fingerprint(request: &Part) -> u128 {
    use std::hash::Hasher;
    let mut hasher = SipHasher13::new();
    hasher.write(request.content_type.essence().as_bytes());
    hasher.write_u8(0xff);
    hasher.write(&request.bytes);
    hasher.finish128().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::ContentType;

    #[test]
    fn keys_are_visible_and_of_bounded_length() {
        for fits in ["a", "!~", &"x".repeat(255)] {
            assert!(IdempotencyKey::new(fits).is_ok());
        }
        for wrong in ["", " ", "a b", "é", "\u{7f}", &"x".repeat(256)] {
            assert_eq!(IdempotencyKey::new(wrong), Err(InvalidKey));
        }
        assert_eq!(InvalidKey.to_string(), "an idempotency key has 1 to 255 visible ASCII characters");
    }

    #[test]
    fn a_key_is_remembered_for_as_long_as_is_said_within_ten_years() {
        let key = IdempotencyKey::new("k").unwrap();
        assert_eq!(key.keep, Duration::from_secs(24 * 3600));
        for (said, kept) in [(Duration::ZERO, 0), (Duration::from_secs(7), 7), (Duration::MAX, 315_360_000)] {
            assert_eq!(key.clone().keep(said).keep, Duration::from_secs(kept));
        }
    }

    #[test]
    fn a_fingerprint_is_of_bytes_and_type_and_stays_what_it_was() {
        let part =
            |content_type: &str, bytes: &'static [u8]| Part { content_type: content_type.into(), bytes: bytes.into() };
        let one = fingerprint(&Part::json(&b"{}"[..]));
        assert_eq!(one, fingerprint(&part("application/json; charset=utf-8", b"{}")));
        assert_ne!(one, fingerprint(&part("application/x+json", b"{}")));
        assert_ne!(one, fingerprint(&Part::json(&b"{ }"[..])));
        assert_eq!(one, fingerprint(&Part { content_type: ContentType::Json, bytes: "{}".into() }));
        assert_eq!(one, 109_537_027_996_701_720_768_483_064_961_821_523_298);
    }
}
