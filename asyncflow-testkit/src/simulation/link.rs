//! A node's way to the store, on which calls are lost, late, or never come.

use std::{
    fmt,
    future::Future,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use asyncflow_core::{
    JobKey, Record, Settings, Store,
    store::{Answers, Attention, Batch, Counts, HintStream, Hints, Page, Part, PartName, Query, StoreError},
};
use tokio::sync::{Notify, oneshot};

use super::{dice::Dice, stage::Stage};

/// How often things go wrong, in a thousand calls.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Weather {
    /// A call is lost on its way.
    pub(super) before: u32,
    /// A write is applied, and its answer is lost.
    pub(super) after: u32,
    /// A call takes a while.
    pub(super) slow: u32,
    /// A write comes after whoever sent it has given up.
    pub(super) late: u32,
    /// A hint is lost.
    pub(super) deaf: u32,
}

/// One life's way to the store.
pub(super) struct Link {
    inner: Arc<dyn Store>,
    stage: Arc<Stage>,
    life: usize,
    dice: Mutex<Dice>,
    state: Arc<State>,
}

/// How the way is now.
#[derive(Debug, Default)]
pub(super) struct State {
    cut: AtomicBool,
    /// While it is cut off, calls fail at once; else they hang.
    fails: AtomicBool,
    mended: Notify,
}

impl State {
    /// Cuts the node off from the store, so that calls fail at once or hang; or lets it reach the store again.
    pub(super) fn cut(&self, cut: bool, fails: bool) {
        self.fails.store(fails, Ordering::SeqCst);
        self.cut.store(cut, Ordering::SeqCst);
        self.mended.notify_waiters();
    }

    async fn pass(&self) -> Result<(), StoreError> {
        while self.cut.load(Ordering::SeqCst) {
            if self.fails.load(Ordering::SeqCst) {
                return Err(StoreError::unavailable("simulated: cut off"));
            }
            let mut mended = pin!(self.mended.notified());
            mended.as_mut().enable();
            if self.cut.load(Ordering::SeqCst) {
                mended.await;
            }
        }
        Ok(())
    }
}

impl Link {
    pub(super) fn new(inner: Arc<dyn Store>, stage: Arc<Stage>, life: usize, dice: Dice) -> (Self, Arc<State>) {
        let state = Arc::new(State::default());
        (Self { inner, stage, life, dice: Mutex::new(dice), state: state.clone() }, state)
    }

    fn dice(&self) -> MutexGuard<'_, Dice> {
        self.dice.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A read on its way there and back.
    async fn read<T>(&self, read: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        self.state.pass().await?;
        let weather = self.stage.weather();
        let (lost, there, back) = {
            let mut dice = self.dice();
            let lost = dice.chance(weather.before);
            let mut delay = || dice.chance(weather.slow).then(|| dice.millis(1..=60));
            (lost, delay(), delay())
        };
        if lost {
            self.stage.judge().counts.faults.calls += 1;
            return Err(StoreError::unavailable("simulated: the call was lost"));
        }
        if let Some(there) = there {
            self.stage.judge().counts.faults.delays += 1;
            tokio::time::sleep(there).await;
        }
        let answer = read.await;
        if let Some(back) = back {
            tokio::time::sleep(back).await;
        }
        answer
    }

    /// What becomes of a write.
    fn fate(&self) -> Fate {
        let weather = self.stage.weather();
        let mut dice = self.dice();
        if dice.chance(weather.before) {
            return Fate::Before;
        }
        let after = dice.chance(weather.after);
        let late = dice.chance(weather.late);
        if !late && !dice.chance(weather.slow) {
            return if after { Fate::After } else { Fate::Plain };
        }
        // No request is late by more than the age below which nothing is purged.
        let there = if late { dice.millis(500..=30_000) } else { dice.millis(0..=60) };
        Fate::Slow { there, back: dice.millis(0..=60), late, after }
    }
}

enum Fate {
    Plain,
    Before,
    After,
    Slow { there: Duration, back: Duration, late: bool, after: bool },
}

/// Writes, and tells the judge.
async fn commit(
    inner: &dyn Store,
    stage: &Stage,
    life: usize,
    batch: &Batch,
    late: impl Fn() -> bool,
) -> Result<Answers, StoreError> {
    // One write at a time, so that the judge sees them in the order in which they are applied.
    let _turn = stage.writes.lock().await;
    let give_way: Vec<_> = batch.inserts.iter().filter_map(|insert| stage.judge().may_give_way(insert)).collect();
    let answers = inner.write(batch).await?;
    let gave_way = if give_way.is_empty() { Vec::new() } else { inner.get(&give_way).await? };
    let mut judge = stage.judge();
    gave_way.iter().flatten().for_each(|record| judge.gave_way(record));
    judge.wrote(life, batch, &answers, late());
    judge.counts.writes += 1;
    Ok(answers)
}

/// A write that is on its way: given up by whoever sent it, it has failed for all that it knows.
struct Sent<'a> {
    stage: &'a Stage,
    batch: &'a Batch,
    answered: bool,
}

impl Drop for Sent<'_> {
    fn drop(&mut self) {
        if !self.answered {
            self.stage.judge().failed(self.batch);
        }
    }
}

#[async_trait]
impl Store for Link {
    async fn write(&self, batch: &Batch) -> Result<Answers, StoreError> {
        let mut sent = Sent { stage: &self.stage, batch, answered: false };
        self.state.pass().await?;
        let fate = self.fate();
        let mut lost = false;
        let answers = match fate {
            Fate::Plain => commit(&*self.inner, &self.stage, self.life, batch, || false).await?,
            Fate::Before => {
                self.stage.judge().counts.faults.calls += 1;
                return Err(StoreError::unavailable("simulated: the write was lost"));
            }
            Fate::After => {
                lost = true;
                commit(&*self.inner, &self.stage, self.life, batch, || false).await?
            }
            Fate::Slow { there, back, late, after } => {
                self.stage.judge().counts.faults.delays += 1;
                if late {
                    self.stage.judge().failed(batch);
                }
                lost = after;
                let (answer, answered) = oneshot::channel();
                let (inner, stage, life, batch) = (self.inner.clone(), self.stage.clone(), self.life, batch.clone());
                // Apart from the node: it arrives whatever becomes of whoever sent it.
                self.stage.outside.spawn(async move {
                    tokio::time::sleep(there).await;
                    let answers = commit(&*inner, &stage, life, &batch, || answer.is_closed()).await;
                    tokio::time::sleep(back).await;
                    let _ = answer.send(answers);
                });
                answered.await.map_err(|_| StoreError::unavailable("simulated: the store is gone"))??
            }
        };
        if lost {
            self.stage.judge().counts.faults.calls += 1;
            return Err(StoreError::unavailable("simulated: the answer was lost"));
        }
        sent.answered = true;
        self.stage.judge().told(self.life, &answers);
        Ok(answers)
    }

    async fn get(&self, jobs: &[JobKey]) -> Result<Vec<Option<Record>>, StoreError> {
        self.read(self.inner.get(jobs)).await
    }

    async fn part(&self, job: &JobKey, name: PartName) -> Result<Option<Part>, StoreError> {
        self.read(self.inner.part(job, name)).await
    }

    async fn due(&self, limit: usize) -> Result<Attention, StoreError> {
        self.read(self.inner.due(limit)).await
    }

    async fn put_settings(&self, settings: &Settings) -> Result<bool, StoreError> {
        self.read(self.inner.put_settings(settings)).await
    }

    async fn list(&self, query: &Query) -> Result<Page, StoreError> {
        self.read(self.inner.list(query)).await
    }

    async fn counts(&self, flow: &str) -> Result<Counts, StoreError> {
        self.read(self.inner.counts(flow)).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.read(self.inner.check()).await
    }

    fn largest_part(&self) -> usize {
        self.inner.largest_part()
    }

    /// Passes hints on, but for those that are lost.
    fn hints(&self) -> HintStream {
        let (inner, hints) = (self.inner.hints(), Hints::new());
        let (stage, mut dice, passed) = (self.stage.clone(), self.dice().fork(), hints.subscribe());
        inner.want_jobs(true);
        inner.want_changes(1);
        tokio::spawn(async move {
            loop {
                let news = inner.next().await;
                let deaf = stage.weather().deaf;
                let mut heard = || {
                    let heard = !dice.chance(deaf);
                    stage.judge().counts.faults.hints += u64::from(!heard);
                    heard
                };
                news.ready.iter().filter(|_| heard()).for_each(|flow| hints.ready(flow));
                news.changed.iter().filter(|_| heard()).for_each(|job| hints.changed(job));
                news.marked.iter().filter(|_| heard()).for_each(|job| hints.marked(job));
                if news.anything && heard() {
                    hints.anything();
                }
            }
        });
        passed
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("life", &self.life).finish_non_exhaustive()
    }
}
