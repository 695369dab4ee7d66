//! What the parts of one engine share: its store, its flows, its time.

use std::{
    fmt,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::Arc,
    task::{Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep};

use super::{Role, alarm::Alarm, line::Line, waiting::Waiting};
use crate::{
    chance::Chance,
    clock::Clock,
    executor::Executor,
    flow::Wrap,
    job::{JobKey, Record},
    store::{Answers, Batch, Change, Changed, Claim, Pick, Store, StoreError},
    sync::{
        Handle, JoinHandle, Mutex, Notify,
        atomic::{AtomicU8, AtomicUsize, Ordering},
    },
    trace,
    worker::{Crew, Reporter, Rest},
};

/// How long a handler has to end once its node goes: a drain's patience was over by then.
pub(crate) const LAST_GRACE: Duration = Duration::from_secs(1);

pub(crate) struct Node {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) executor: Arc<dyn Executor>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) chance: Chance,
    pub(crate) runtime: Handle,
    pub(crate) timing: Timing,
    pub(crate) role: Role,
    pub(crate) wraps: Vec<Arc<dyn Wrap>>,
    pub(crate) flows: Vec<Arc<Line>>,
    /// The jobs that it runs.
    pub(crate) crew: Crew,
    pub(crate) reporter: Arc<Reporter>,
    pub(crate) rest: Rest,
    /// Attempts that have ended by themselves since the drain began.
    pub(crate) finished: AtomicUsize,
    /// Jobs that went back to wait for another node.
    pub(crate) handed_over: AtomicUsize,
    pub(crate) waiting: Waiting,
    pub(crate) alarm: Alarm,
    /// The version of the settings that were taken up.
    pub(super) settings: Mutex<u64>,
    /// Word of ready jobs, for whoever fills free slots.
    pub(crate) word: Notify,
    pub(super) phase: AtomicU8,
    pub(super) phases: Notify,
}

/// How far a node is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Phase {
    /// It takes and runs jobs.
    Open,
    /// It takes nothing new, and finishes what it runs.
    Draining,
    /// It hands back what it still gets.
    Closed,
}

/// The times by which a node lives. One setting scales them: [`EngineBuilder::lease`](crate::EngineBuilder::lease).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timing {
    /// How long a worker holds a job without a heartbeat.
    pub lease: Duration,
    /// How often it renews what it holds.
    pub heartbeat: Duration,
    /// How long a call of the store may take.
    pub call: Duration,
    /// How long a handler may ignore that it should stop.
    pub grace: Duration,
    /// How often the node looks for what is due, for ready jobs, and for what its readers wait for.
    pub tick: Duration,
}

impl Timing {
    /// The times that go with this lease: a sixth of it for heartbeat and call, a third for grace; a tick a second, or each heartbeat.
    pub(crate) fn of(lease: Duration) -> Self {
        let sixth = lease / 6;
        Self { lease, heartbeat: sixth, call: sixth, grace: lease / 3, tick: sixth.min(Duration::from_secs(1)) }
    }
}

impl Default for Timing {
    fn default() -> Self {
        Self::of(Duration::from_secs(30))
    }
}

/// What is run to its end even if whoever asked for it goes away.
pub(crate) type Work<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What the store was asked.
type Asked<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

impl Node {
    pub(crate) fn line(&self, name: &str) -> Option<&Arc<Line>> {
        self.flows.iter().find(|line| *line.name == *name)
    }

    /// Whether jobs of this flow run here.
    pub(crate) fn works(&self, line: &Line) -> bool {
        self.role != Role::Serve && line.flow.runs()
    }

    /// Whether jobs of this flow are taken up here now.
    pub(crate) fn takes_up(&self, line: &Line) -> bool {
        self.works(line) && !line.live.is_paused()
    }

    pub(crate) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::SeqCst) {
            0 => Phase::Open,
            1 => Phase::Draining,
            _ => Phase::Closed,
        }
    }

    /// Goes on to a later phase; says whether it was in an earlier one.
    pub(crate) fn advance(&self, phase: Phase) -> bool {
        let earlier = self.phase.fetch_max(phase as u8, Ordering::SeqCst) < phase as u8;
        if earlier {
            self.phases.notify_waiters();
        }
        if phase == Phase::Closed {
            self.rest.end();
        }
        earlier
    }

    /// Waits until the node is in this phase or a later one.
    pub(crate) async fn reached(&self, phase: Phase) {
        while self.phase() < phase {
            let mut notified = pin!(self.phases.notified());
            notified.as_mut().enable();
            if self.phase() < phase {
                notified.await;
            }
        }
    }

    /// There may be ready jobs of a flow that no slot was free for: whoever fills free slots hears of it if one is free by now.
    pub(crate) fn backlog(&self, line: &Line) {
        line.backlog.store(true, Ordering::SeqCst);
        if line.slots.free() > 0 {
            self.word.notify_one();
        }
    }

    /// A claim of ready jobs of a flow, under a new token.
    pub(crate) fn claim(&self, line: &Line, jobs: usize) -> Claim {
        let (flow, versions) = (line.name.clone(), line.versions.clone());
        let pick = Pick::Next { flow, versions, jobs, bytes: line.bytes_free() };
        self.claim_by(line, pick)
    }

    /// A claim of this job, under a new token.
    pub(crate) fn claim_job(&self, line: &Line, job: JobKey) -> Claim {
        self.claim_by(line, Pick::Job(job))
    }

    fn claim_by(&self, line: &Line, pick: Pick) -> Claim {
        let limits = line.live.limits();
        Claim { pick, limits, token: self.chance.token(), patch: crate::state::claim(self.timing.lease) }
    }

    /// Asks the store, for as long as a call may take. The future may be polled on any thread.
    ///
    /// Dropped or out of time, a write may or may not have been applied.
    pub(crate) fn call<T>(&self, call: Asked<'_, T>) -> impl Future<Output = Result<T, StoreError>> {
        self.call_until(|| Instant::now() + self.timing.call, call)
    }

    /// Asks the store, until this time at the latest. Embedded stores answer at once: for them, `end` is not even asked for.
    pub(crate) fn call_until<T>(
        &self,
        mut end: impl FnMut() -> Instant,
        mut call: Asked<'_, T>,
    ) -> impl Future<Output = Result<T, StoreError>> {
        let late = || StoreError::unavailable("it did not answer in time");
        let mut patience: Option<Pin<Box<Sleep>>> = None;
        poll_fn(move |context| {
            if let Poll::Ready(answer) = call.as_mut().poll(context) {
                // Who stood still meanwhile has both, and goes by the time: what an old answer gives may be another's by now.
                let is_late = patience.as_ref().is_some_and(|patience| patience.deadline() <= Instant::now());
                return Poll::Ready(if is_late { Err(late()) } else { answer });
            }
            // Boxed, as all that embedded stores have no need of: what waits in a request or a job has its size.
            let patience =
                patience.get_or_insert_with(|| self.on_runtime(|| Box::pin(tokio::time::sleep_until(end()))));
            ready!(patience.as_mut().poll(context));
            Poll::Ready(Err(late()))
        })
    }

    /// Writes, for as long as a call may take.
    pub(crate) fn write<'a>(&'a self, batch: &'a Batch) -> impl Future<Output = Result<Answers, StoreError>> {
        self.call(self.store.write(batch))
    }

    /// Writes changes of different jobs, and answers in their order; where one can never be taken, each by itself, so that it fails alone:
    /// `None`.
    pub(crate) async fn change(&self, changes: &[Change]) -> Result<Vec<Option<Changed>>, StoreError> {
        let write = |changes: &[Change]| -> Asked<'_, Vec<Changed>> {
            let batch = Batch { changes: changes.to_vec(), ..Batch::default() };
            Box::pin(async move { Ok(self.write(&batch).await?.changes) })
        };
        each_alone(changes, write, |change, why| {
            trace::warning!(job = %change.job.id, why = %why, "the store can never take a change of this job");
        })
        .await
    }

    /// Reads records, and answers in the order of the jobs; where one can never be read, each by itself, so that it fails alone: `None`.
    pub(super) async fn look(&self, jobs: &[JobKey]) -> Result<Vec<Option<Option<Record>>>, StoreError> {
        each_alone(
            jobs,
            |jobs| Box::pin(self.call(self.store.get(jobs))),
            |job, why| {
                trace::debug!(job = %job.id, why = %why, "a job's record cannot be read");
            },
        )
        .await
    }

    /// Does work in a task of its own, whose kind is one for all: each kind that there is makes the crate longer to build.
    pub(crate) fn aside(&self, work: impl Future<Output = ()> + Send + 'static) {
        let work: Work<()> = Box::pin(work);
        self.runtime.spawn(work);
    }

    /// Runs a future to its end even if whoever waits for it goes away. `None`: the runtime is shutting down.
    pub(crate) async fn uninterrupted<T: Send + 'static>(&self, work: Work<T>) -> Option<T> {
        match self.begun(work).await {
            Ok(value) => Some(value),
            Err(task) => task.await.ok(),
        }
    }

    /// Begins work here; a task goes on with it where it does not end at once.
    pub(crate) async fn begun<T: Send + 'static>(&self, mut future: Work<T>) -> Result<T, JoinHandle<T>> {
        match poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await {
            Poll::Ready(value) => Ok(value),
            Poll::Pending => Err(self.runtime.spawn(future)),
        }
    }

    /// Waits for a tick.
    pub(crate) async fn pause(&self) {
        self.on_runtime(|| tokio::time::sleep(self.timing.tick)).await;
    }

    /// Within the engine's runtime, whichever thread this is: timers and tasks find it.
    pub(crate) fn on_runtime<T>(&self, f: impl FnOnce() -> T) -> T {
        let _within = self.runtime.enter();
        f()
    }

    /// The end of a lease that is asked for now.
    pub(crate) fn lease_end(&self) -> Instant {
        Instant::now() + self.timing.lease
    }
}

/// Asks for all at once, and answers in their order; where one of them is rejected for good, for each by itself: `None` for that one.
async fn each_alone<'a, A, T>(
    all: &'a [A],
    ask: impl Fn(&'a [A]) -> Asked<'a, Vec<T>>,
    rejected: impl Fn(&A, &str),
) -> Result<Vec<Option<T>>, StoreError> {
    match ask(all).await {
        Err(StoreError::Rejected(_)) => {}
        answers => return Ok(answers?.into_iter().map(Some).collect()),
    }
    let mut answers = Vec::with_capacity(all.len());
    for one in all {
        answers.push(match ask(std::slice::from_ref(one)).await {
            Ok(mut answer) => answer.pop(),
            Err(StoreError::Rejected(why)) => {
                rejected(one, &why);
                None
            }
            Err(error) => return Err(error),
        });
    }
    Ok(answers)
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flows: Vec<_> = self.flows.iter().map(|line| &line.name).collect();
        f.debug_struct("Node")
            .field("flows", &flows)
            .field("store", &self.store)
            .field("executor", &self.executor)
            .field("role", &self.role)
            .field("phase", &self.phase())
            .finish_non_exhaustive()
    }
}
