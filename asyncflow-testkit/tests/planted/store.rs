//! A store, as a node reaches it, with one mistake in it: each is one that somebody could make.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use asyncflow_core::{
    JobKey, Limits, Mark, Record, Settings, State, Store, Token,
    state::{self, Event},
    store::{
        Answers, Attention, Batch, Change, Claim, Counts, Due, Guard, HintStream, Hints, Page, Part, PartName, Parts,
        Pick, Query, StoreError,
    },
};

/// A mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    /// A retry or a hand-over is written without a look at the mark.
    CancelWiped,
    /// A lease is taken because it was over when it was read.
    RenewedLeaseTaken,
    /// A claim is asked again under another token.
    ClaimForgotten,
    /// Tokens are not random.
    TokenRepeats,
    /// A lease is taken at the first look.
    OneLook,
    /// A deleted job is gone while its handler runs.
    DeletedAtOnce,
    /// Keys go with the jobs that are deleted.
    KeyForgotten,
    /// An ended job is purged however young it is.
    PurgedYoung,
    /// Snoozes are not counted.
    EndlessSnooze,
    /// A record that cannot be read heads what is due.
    UnreadableBlocks,
    /// An outcome is taken from whoever brings it.
    StaleOutcome,
    /// An outcome that could not be written is a failure.
    OutageFails,
    /// Nobody claims without having heard that something is ready.
    HintRequired,
    /// How many run is counted first, and then claimed.
    LimitInTwoSteps,
}

/// What all nodes share.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    numbers: AtomicU64,
    deletes: AtomicU64,
    unreadable: Mutex<Option<Record>>,
}

pub(crate) struct Planted {
    inner: Arc<dyn Store>,
    bug: Bug,
    shared: Arc<Shared>,
    heard: Arc<AtomicBool>,
    /// Claims that were sent: they may be asked again.
    asked: Mutex<BTreeSet<Token>>,
}

impl Planted {
    pub(crate) fn new(inner: Arc<dyn Store>, bug: Bug, shared: &Arc<Shared>) -> Self {
        Self { inner, bug, shared: shared.clone(), heard: Arc::default(), asked: Mutex::default() }
    }

    fn number(&self) -> u64 {
        self.shared.numbers.fetch_add(1, Ordering::SeqCst)
    }

    async fn change(&self, change: &mut Change) -> Result<(), StoreError> {
        let patch = &mut change.patch;
        match (self.bug, change.guard) {
            (Bug::CancelWiped, Guard::Holder { token, started, .. }) if patch.to.is_some_and(State::is_waiting) => {
                change.guard = Guard::Holder { token, started, knows: Mark::Forget };
            }
            (Bug::RenewedLeaseTaken, Guard::StillDue { version, .. }) => change.guard = Guard::Version(version),
            (Bug::StaleOutcome, Guard::Holder { token, .. }) if patch.to.is_some_and(State::is_ended) => {
                let record = self.inner.get(std::slice::from_ref(&change.job)).await?.pop().flatten();
                if let Some(record) = record.filter(|record| record.token.is_some_and(|other| other != token)) {
                    change.guard = Guard::Version(record.version);
                }
            }
            // Of a running job it is the mark alone.
            (Bug::DeletedAtOnce, _) if patch.mark == Some(Mark::Forget) && patch.due.is_none() => {
                (patch.to, patch.parts) = (Some(State::Cancelled), Parts::Drop);
                patch.due = Some(Due::Purge(std::time::Duration::ZERO));
            }
            (Bug::KeyForgotten, _) if patch.mark == Some(Mark::Forget) => {
                self.shared.deletes.fetch_add(1, Ordering::SeqCst);
            }
            (Bug::EndlessSnooze, _) => {
                if let Some(tally) = &mut patch.tally {
                    tally.snoozes = 0;
                }
            }
            (Bug::PurgedYoung, _) => {
                if let Some(Due::Purge(keep)) = patch.due {
                    patch.due = Some(Due::In(keep));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Makes a claim as it must not be; `None`: not at all.
    async fn claim(&self, mut claim: Claim, alone: bool) -> Result<Option<Claim>, StoreError> {
        match self.bug {
            Bug::ClaimForgotten => claim.token = Token::from_u128(u128::from(self.number())),
            Bug::TokenRepeats => claim.token = Token::from_u128(claim.token.as_u128() % 4),
            Bug::HintRequired => {
                let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
                if alone && !self.heard.load(Ordering::SeqCst) && !asked.contains(&claim.token) {
                    return Ok(None);
                }
                asked.insert(claim.token);
            }
            Bug::LimitInTwoSteps => {
                let (Pick::Next { flow, jobs, .. }, Some(limits)) = (&mut claim.pick, &claim.limits) else {
                    return Ok(Some(claim));
                };
                let Some(most) = limits.running else { return Ok(Some(claim)) };
                let running = self.inner.counts(flow).await?.of(State::Processing);
                *jobs = (*jobs).min(usize::try_from(most.saturating_sub(running)).unwrap_or(usize::MAX));
                if *jobs == 0 {
                    return Ok(None);
                }
                claim.limits = Some(Arc::new(Limits { running: None, ..Limits::clone(limits) }));
            }
            _ => {}
        }
        Ok(Some(claim))
    }

    async fn take_what_is_over(&self, due: &[Record]) -> Result<(), StoreError> {
        let over = due.iter().filter(|record| record.state == State::Processing);
        let changes = over.filter_map(|record| {
            let (guard, patch) = state::decide(record, Event::Due).ok()?;
            Some(Change { job: record.job.clone(), guard, patch })
        });
        self.inner.write(&Batch { changes: changes.collect(), ..Batch::default() }).await.map(drop)
    }
}

#[async_trait]
impl Store for Planted {
    async fn write(&self, batch: &Batch) -> Result<Answers, StoreError> {
        let mut batch = batch.clone();
        if self.bug == Bug::KeyForgotten {
            let deletes = self.shared.deletes.load(Ordering::SeqCst);
            for idempotency in batch.inserts.iter_mut().filter_map(|insert| insert.idempotency.as_mut()) {
                idempotency.key = format!("{}-{deletes}", idempotency.key).into();
            }
        }
        for change in &mut batch.changes {
            self.change(change).await?;
        }
        let recovers = |change: &Change| matches!(change.guard, Guard::Version(_)) && change.patch.tally.is_some();
        if self.bug == Bug::RenewedLeaseTaken && batch.changes.iter().any(recovers) {
            // It takes its time on the way: what was renewed meanwhile must be safe.
            let store = self.inner.clone();
            tokio::spawn(async move {
                tokio::time::sleep(std::time::Duration::from_secs(2)).await;
                store.write(&batch).await
            });
            return Err(StoreError::unavailable("its answer is late"));
        }
        let alone = batch.inserts.is_empty() && batch.changes.is_empty();
        let mut claims = Vec::new();
        for claim in std::mem::take(&mut batch.claims) {
            claims.push(self.claim(claim, alone).await?);
        }
        batch.claims = claims.iter().flatten().cloned().collect();
        let has_result = batch.changes.iter().any(|change| matches!(change.patch.parts, Parts::Result(_)));
        let mut answers = match self.inner.write(&batch).await {
            Err(StoreError::Unavailable(why)) if self.bug == Bug::OutageFails && has_result => {
                return Err(StoreError::Rejected(why));
            }
            answers => answers?,
        };
        if alone && answers.claims.iter().any(|taken| taken.jobs.is_empty()) {
            self.heard.store(false, Ordering::SeqCst);
        }
        let mut taken = std::mem::take(&mut answers.claims).into_iter();
        let answer = |claim: &Option<Claim>| claim.as_ref().and_then(|_| taken.next()).unwrap_or_default();
        answers.claims = claims.iter().map(answer).collect();
        Ok(answers)
    }

    async fn get(&self, jobs: &[JobKey]) -> Result<Vec<Option<Record>>, StoreError> {
        self.inner.get(jobs).await
    }

    async fn part(&self, job: &JobKey, name: PartName) -> Result<Option<Part>, StoreError> {
        self.inner.part(job, name).await
    }

    async fn due(&self, limit: usize) -> Result<Attention, StoreError> {
        let mut attention = self.inner.due(limit).await?;
        match self.bug {
            Bug::OneLook => self.take_what_is_over(&attention.records).await?,
            Bug::UnreadableBlocks => {
                let mut unreadable = self.shared.unreadable.lock().unwrap_or_else(PoisonError::into_inner);
                let scheduled = attention.records.iter().find(|record| record.state == State::Scheduled);
                *unreadable = unreadable.take().or_else(|| scheduled.cloned());
                if let Some(record) = &*unreadable {
                    attention.records = vec![record.clone(); limit];
                }
            }
            _ => {}
        }
        Ok(attention)
    }

    async fn put_settings(&self, settings: &Settings) -> Result<bool, StoreError> {
        self.inner.put_settings(settings).await
    }

    async fn list(&self, query: &Query) -> Result<Page, StoreError> {
        self.inner.list(query).await
    }

    async fn counts(&self, flow: &str) -> Result<Counts, StoreError> {
        self.inner.counts(flow).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.inner.check().await
    }

    fn largest_part(&self) -> usize {
        self.inner.largest_part()
    }

    fn hints(&self) -> HintStream {
        if self.bug != Bug::HintRequired {
            return self.inner.hints();
        }
        let (inner, hints, heard) = (self.inner.hints(), Hints::new(), self.heard.clone());
        let passed = hints.subscribe();
        inner.want_jobs(true);
        inner.want_changes(1);
        tokio::spawn(async move {
            loop {
                let news = inner.next().await;
                if news.anything || !news.ready.is_empty() {
                    heard.store(true, Ordering::SeqCst);
                }
                news.ready.iter().for_each(|flow| hints.ready(flow));
                news.changed.iter().for_each(|job| hints.changed(job));
                news.marked.iter().for_each(|job| hints.marked(job));
                if news.anything {
                    hints.anything();
                }
            }
        });
        passed
    }
}

impl fmt::Debug for Planted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Planted").field("bug", &self.bug).finish_non_exhaustive()
    }
}
