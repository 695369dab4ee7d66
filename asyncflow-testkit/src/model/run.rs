//! One history, asked of a store and of the plain one side by side.

use std::{collections::HashMap, fmt::Debug, sync::Arc, time::Duration};

use asyncflow_core::{
    Clock, JobError, JobId, JobKey, Limits, ManualClock, Policy, Progress, Rate, Record, Retention, Retry, Settings,
    Stamp, State, Store, Token,
    state::{self, Event, Wish},
    store::{
        Answers, Batch, Change, Changed, Claim, Claimed, Guard, Idempotency, Insert, Part, PartName, Pick, Query, Room,
        Unique,
    },
};

use super::{
    history::{Aim, Ask, Dice, NewJob, Step, Take, What},
    plain::Plain,
};

const LEASE: Duration = Duration::from_secs(30);
const HOUR: Duration = Duration::from_secs(3600);
const FLOWS: [&str; 2] = ["flow", "other"];
const NAMES: [&str; 3] = ["a", "b", "c"];
const VERSIONS: [&[u16]; 4] = [&[0], &[0, 1], &[1, 2], &[2, 1, 0]];

/// A store, the plain one, and what was asked of both so far.
pub(super) struct Run {
    store: Arc<dyn Store>,
    clock: Arc<ManualClock>,
    plain: Plain,
    rules: [(Arc<Policy>, Option<Arc<Limits>>); 2],
    /// Every job that was inserted, in order; how; and each as it was after each change.
    jobs: Vec<JobKey>,
    inserts: Vec<Insert>,
    seen: HashMap<JobId, Vec<Record>>,
    tokens: u32,
}

impl Run {
    pub(super) fn new(store: Arc<dyn Store>, clock: Arc<ManualClock>, seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let rules = FLOWS.map(|_| rules(&mut dice));
        Self {
            store,
            clock,
            plain: Plain::default(),
            rules,
            jobs: Vec::new(),
            inserts: Vec::new(),
            seen: HashMap::new(),
            tokens: 0,
        }
    }

    /// Takes a step, and compares all that can be asked after it.
    ///
    /// # Errors
    /// What the store answered, and what it should have.
    pub(super) async fn step(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Turn(by) => self.clock.advance(*by),
            Step::Write { inserts, changes, claims } => {
                let batch = self.batch(inserts, changes, claims);
                let right = self.plain.write(&batch, self.clock.now());
                let answers = self.store.write(&batch).await.map_err(failed)?;
                compare_answers(&batch, answers, right)?;
            }
            Step::Due { limit } => self.due(*limit).await?,
            Step::List { flow, state, owner, after, limit } => {
                let mut query = Query::new(FLOWS[*flow]).limit(*limit);
                (query.state, query.owner) = (state.map(|state| State::ALL[state]), name(*owner));
                query.after = after.and_then(|nth| self.job(nth)).map(|job| job.id);
                let (page, right) = (self.store.list(&query).await.map_err(failed)?, self.plain.list(&query));
                same("a page's records", &page.records, &right.records)?;
                same("where a page goes on", &page.next, &right.next)?;
            }
            Step::PutSettings { follows } => {
                let version = self.plain.settings().version + if *follows { 1 } else { 3 };
                let mut settings = Settings { version, ..self.plain.settings().clone() };
                settings.flows.entry(FLOWS[0].into()).or_default().paused = version % 2 == 0;
                let put = self.store.put_settings(&settings).await.map_err(failed)?;
                same("whether settings were put", &put, &self.plain.put_settings(&settings))?;
            }
        }
        self.look().await
    }

    /// All records, parts and counts.
    async fn look(&mut self) -> Result<(), String> {
        let records = self.store.get(&self.jobs).await.map_err(failed)?;
        same("as many records as were asked for", &records.len(), &self.jobs.len())?;
        for (job, record) in self.jobs.iter().zip(&records) {
            same("a record", &record.as_ref(), &self.plain.get(job))?;
            let seen = self.seen.entry(job.id).or_default();
            if let Some(record) = record.as_ref().filter(|record| seen.last() != Some(record)) {
                seen.push(record.clone());
            }
            for name in [PartName::Request, PartName::Outcome] {
                let part = self.store.part(job, name).await.map_err(failed)?;
                same("a part", &shown(part), &shown(self.plain.part(job, name)))?;
            }
        }
        for flow in FLOWS {
            let counts = self.store.counts(flow).await.map_err(failed)?;
            same("counts", &counts, &self.plain.counts(flow))?;
        }
        Ok(())
    }

    async fn due(&self, limit: usize) -> Result<(), String> {
        let due = self.store.due(limit).await.map_err(failed)?;
        let mut right = self.plain.due(self.clock.now());
        right.sort_by_key(|record| record.due);
        let times = |records: &mut dyn Iterator<Item = Stamp>| records.collect::<Vec<_>>();
        let right_times = times(&mut right.iter().take(limit).map(|record| record.due));
        same("when what is due was due", &times(&mut due.records.iter().map(|record| record.due)), &right_times)?;
        let mut ids: Vec<_> = due.records.iter().map(|record| record.job.id).collect();
        ids.sort_unstable();
        ids.dedup();
        same("as many jobs as are due", &ids.len(), &right_times.len())?;
        for record in &due.records {
            same("a record that is due", &Some(record), &self.plain.get(&record.job))?;
        }
        same("settings", &*due.settings, self.plain.settings())
    }

    fn batch(&mut self, inserts: &[NewJob], asks: &[Ask], takes: &[Take]) -> Batch {
        let inserts = inserts.iter().map(|new| self.insert(new)).collect();
        let mut changes: Vec<Change> = Vec::new();
        for ask in asks {
            // A batch has at most one change a job.
            let change = self.change(ask).filter(|change| changes.iter().all(|other| other.job != change.job));
            changes.extend(change);
        }
        let mut claims: Vec<Claim> = Vec::new();
        for take in takes {
            let claim = self.claim(take);
            claims.extend(Some(claim).filter(|claim| claims.iter().all(|other| other.token != claim.token)));
        }
        Batch { inserts, changes, claims }
    }

    /// The job that was inserted as the so many last.
    fn job(&self, nth: usize) -> Option<&JobKey> {
        self.jobs.iter().rev().nth(nth)
    }

    fn insert(&mut self, new: &NewJob) -> Insert {
        // An insert is sent again as it was.
        let again = new.again.and_then(|nth| self.inserts.iter().rev().nth(nth));
        // Not where its key may have become another's: no insert is sent again for so long.
        let lasts = |insert: &&Insert| insert.idempotency.as_ref().is_none_or(|key| key.keep > HOUR / 2);
        if let Some(again) = again.filter(lasts) {
            return again.clone();
        }
        let millis = self.clock.now().as_micros().unsigned_abs() / 1000;
        let bits = u128::from(millis) << 80 | 0x7000 << 64 | 0x8 << 60 | self.jobs.len() as u128;
        let job = JobKey { flow: FLOWS[new.flow].into(), id: JobId::from_u128(bits) };
        self.jobs.push(job.clone());
        let policy = &self.rules[usize::from(*job.flow != *FLOWS[0])].0;
        let insert = Insert {
            job,
            flow_version: new.version,
            facts: state::submit(new.delay.map(Duration::from_secs), new.priority, policy),
            owner: name(new.owner),
            request: Part::json(format!("\"{}\"", "r".repeat(new.bytes))),
            idempotency: new.key.map(|(key, fingerprint, seconds)| Idempotency {
                key: NAMES[key].into(),
                fingerprint,
                keep: Duration::from_secs(seconds),
            }),
            limit_key: name(new.limit_key),
            unique: new.unique.map(|(key, replaces)| Unique {
                key: NAMES[key].into(),
                replace: replaces.then(|| state::replace(policy)),
            }),
            room: Room { waiting: new.room, waiting_per_owner: new.room_per_owner },
        };
        self.inserts.push(insert.clone());
        insert
    }

    fn change(&self, ask: &Ask) -> Option<Change> {
        let job = self.job(ask.job)?;
        let seen = self.seen.get(&job.id)?;
        let record = seen.iter().rev().nth(ask.stale).or(seen.last())?;
        let event = match ask.what {
            What::Due => Event::Due,
            What::LeaseLost => Event::LeaseLost,
            What::Succeeded => Event::Succeeded(Part::json("\"result\"")),
            What::Failed | What::FailedForGood => Event::Failed {
                error: JobError::new("Wrong", "it went wrong"),
                wish: if matches!(ask.what, What::Failed) { Wish::Policy } else { Wish::Never },
                chance: 0.5,
            },
            What::Snoozed(seconds) => Event::Snoozed(Duration::from_secs(seconds)),
            What::Drained => Event::Drained,
            What::Stopped => Event::Stopped { started: true },
            What::Heartbeat => Event::Heartbeat(LEASE),
            What::Progress => Event::Progress(Arc::new(Progress::new("it goes on")), LEASE),
            What::Cancel => Event::Cancel,
            What::Delete => Event::Delete,
        };
        let (decided, patch) = state::decide(record, event).ok()?;
        let guard = match (ask.guard, decided) {
            (Aim::Decided, guard) => guard,
            // One that no record comes to: what was decided on a record is never asked of the one that came after it.
            (Aim::OtherVersion, _) => Guard::Version(record.version + 1_000),
            (Aim::OtherToken, Guard::Holder { started, knows, .. }) => {
                Guard::Holder { token: Token::from_u128(1), started, knows }
            }
            (Aim::OtherToken, guard) => guard,
            (Aim::OtherDue, _) => {
                let due = Stamp::from_micros(record.due.as_micros() - 1);
                Guard::StillDue { version: record.version, due }
            }
        };
        Some(Change { job: job.clone(), guard, patch })
    }

    fn claim(&mut self, take: &Take) -> Claim {
        let nth = take.again.map_or(self.tokens, |again| self.tokens.saturating_sub(u32::try_from(again).unwrap_or(0)));
        self.tokens += u32::from(nth == self.tokens);
        let job = take.job.and_then(|nth| self.job(nth)).cloned();
        let flow = job.as_ref().map_or(take.flow, |job| usize::from(*job.flow != *FLOWS[0]));
        let pick = job.map_or_else(
            || Pick::Next {
                flow: FLOWS[take.flow].into(),
                versions: VERSIONS[take.versions].into(),
                jobs: take.jobs,
                bytes: take.bytes,
            },
            Pick::Job,
        );
        // A token is of one flow.
        let token = Token::from_u128(u128::from(nth) << 8 | 0xf0 | flow as u128);
        Claim { pick, limits: self.rules[flow].1.clone(), token, patch: state::claim(LEASE) }
    }
}

/// What holds for a flow in one history.
fn rules(dice: &mut Dice) -> (Arc<Policy>, Option<Arc<Limits>>) {
    let second = Duration::from_secs(1);
    let policy = Policy {
        retry: dice.pick(&[None, Some(3)]).map_or(Retry::Never, |attempts| Retry::fixed(attempts, 5 * second)),
        retention: Retention::of(dice.pick(&[Duration::ZERO, 90 * second])),
        expiry: 300 * second,
        max_crashes: 2,
        max_snoozes: 2,
        spacing: dice.pick(&[None, Some(second), Some(20 * second)]),
        ..Policy::default()
    };
    let (running, rate) = ([None, Some(1), Some(3)], [None, None, Some(Rate::new(2, 30 * second))]);
    let limits = Limits {
        running: dice.pick(&running),
        running_per_key: dice.pick(&running),
        rate: dice.pick(&rate),
        rate_per_key: dice.pick(&rate),
    };
    (Arc::new(policy), dice.one_in(2).then(|| Arc::new(limits)))
}

fn name(nth: Option<usize>) -> Option<Arc<str>> {
    nth.map(|nth| NAMES[nth].into())
}

fn failed(error: asyncflow_core::store::StoreError) -> String {
    format!("the store failed: {error}")
}

fn shown(part: Option<Part>) -> Option<(String, String)> {
    part.map(|part| (part.content_type.to_string(), String::from_utf8_lossy(&part.bytes).into_owned()))
}

fn same<T: PartialEq + Debug>(what: &str, is: &T, should_be: &T) -> Result<(), String> {
    if is == should_be { Ok(()) } else { Err(format!("{what}:\n  it is      {is:?}\n  it should be {should_be:?}")) }
}

fn compare_answers(batch: &Batch, answers: Answers, right: Answers) -> Result<(), String> {
    same("as many inserts as were asked", &answers.inserts.len(), &batch.inserts.len())?;
    for (insert, (is, should_be)) in batch.inserts.iter().zip(answers.inserts.iter().zip(&right.inserts)) {
        same(&format!("the insert of {}", insert.job.id), is, should_be)?;
    }
    same("as many changes as were asked", &answers.changes.len(), &batch.changes.len())?;
    for (change, (is, should_be)) in batch.changes.iter().zip(answers.changes.iter().zip(&right.changes)) {
        same::<Changed>(&format!("the change of {} by {:?}", change.job.id, change.guard), is, should_be)?;
    }
    same("as many claims as were asked", &answers.claims.len(), &batch.claims.len())?;
    for (claim, (is, should_be)) in batch.claims.iter().zip(answers.claims.iter().zip(&right.claims)) {
        let jobs = |jobs: &[Claimed]| -> Vec<_> {
            jobs.iter().map(|claimed| (claimed.record.clone(), shown(Some(claimed.request.clone())))).collect()
        };
        let what = format!("the jobs of the claim of {:?} within {:?}", claim.pick, claim.limits);
        same(&what, &jobs(&is.jobs), &jobs(&should_be.jobs))?;
        // Where keys are limited too, a job may be held back by both; a store need not look for which of them is the first to let it go.
        let by_key = claim
            .limits
            .as_ref()
            .is_some_and(|limits| limits.running_per_key.or(limits.rate_per_key.map(|_| 1)).is_some());
        if !by_key || (is.after.is_some() && should_be.after.is_some()) {
            same(&format!("how long {what} waits"), &is.after, &should_be.after)?;
        }
    }
    Ok(())
}
