//! What a handler knows of its job, and how it is told to stop.

use std::{
    fmt,
    pin::pin,
    sync::{Arc, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    job::{JobId, Mark, Progress, Record},
    sync::{
        Mutex, MutexGuard, Notify,
        atomic::{AtomicU8, AtomicUsize, Ordering},
    },
    worker::Reporter,
};

/// A running job, as its handler sees it. Cheap to clone; of no effect once the attempt has ended.
#[derive(Clone)]
pub struct JobContext(pub(crate) Arc<Running>);

impl JobContext {
    /// The job's id.
    pub fn id(&self) -> JobId {
        self.0.id
    }

    /// The name of the job's flow.
    pub fn flow(&self) -> Arc<str> {
        self.0.record().job.flow.clone()
    }

    /// Which attempt this is, counted from 1.
    pub fn attempt(&self) -> u32 {
        self.0.record().attempt()
    }

    /// Whose job it is, where owners are named.
    pub fn owner(&self) -> Option<Arc<str>> {
        self.0.record().owner.clone()
    }

    /// Says how far the job is: cheap, never blocks, the latest report wins.
    pub fn progress(&self, progress: Progress) {
        self.0.report(progress);
    }

    /// Whether the job should stop: it was cancelled or deleted, its time is over, its node drains, or another worker has it.
    pub fn is_cancelled(&self) -> bool {
        self.0.stop() > Stop::Not
    }

    /// Waits until the job should stop; once the attempt has ended by itself, for ever. A task that outlives the handler must wait for something
    /// else beside it.
    ///
    /// Cancel safe.
    pub async fn cancelled(&self) {
        self.0.stop_changed(Stop::Not).await;
    }

    /// Marks the body as one that cannot be dropped, until the guard is.
    #[doc(hidden)]
    pub fn busy(&self) -> impl Send + use<> {
        self.0.bodies.fetch_add(1, Ordering::SeqCst);
        Busy(self.0.clone())
    }
}

impl fmt::Debug for JobContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobContext").field("id", &self.0.id).finish_non_exhaustive()
    }
}

/// Why an attempt should stop; a later reason beats an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Stop {
    /// It should not.
    Not,
    /// The job is marked.
    Marked,
    /// Its time is over.
    TimedOut,
    /// Its node goes.
    Drained,
    /// The job is held by it no more.
    Lost,
}

impl Stop {
    const ALL: [Self; 5] = [Self::Not, Self::Marked, Self::TimedOut, Self::Drained, Self::Lost];
}

/// A claimed job, from its claim to its end.
pub(crate) struct Running {
    pub(crate) id: JobId,
    /// As it was when it was last heard of.
    record: Mutex<Record>,
    /// Until when it is surely held.
    lease: Mutex<Instant>,
    stop: AtomicU8,
    stops: Notify,
    /// Bodies at work that cannot be dropped.
    bodies: AtomicUsize,
    bodiless: Notify,
    report: Mutex<Report>,
    reporter: Arc<Reporter>,
    /// The shortest time from its start to a write of its progress, and between two.
    pub(crate) interval: Duration,
}

struct Report {
    latest: Option<Arc<Progress>>,
    /// It is being written: where the job ends first, it is written with its end.
    sent: Option<Arc<Progress>>,
    /// The reporter knows that there is something to write.
    queued: bool,
    /// When one was last; before the first, when the job began: what a short job reports is written with its end alone.
    written: Instant,
    closed: bool,
}

impl Running {
    pub(crate) fn new(
        record: Record,
        began: Instant,
        lease: Instant,
        reporter: Arc<Reporter>,
        interval: Duration,
    ) -> Self {
        let report = Report { latest: None, sent: None, queued: false, written: began, closed: false };
        Self {
            id: record.job.id,
            stop: AtomicU8::new(if record.mark > Mark::None { Stop::Marked } else { Stop::Not } as u8),
            record: Mutex::new(record),
            lease: Mutex::new(lease),
            stops: Notify::new(),
            bodies: AtomicUsize::new(0),
            bodiless: Notify::new(),
            report: Mutex::new(report),
            reporter,
            interval,
        }
    }

    /// The record as it was when it was last heard of.
    pub(crate) fn record(&self) -> MutexGuard<'_, Record> {
        lock(&self.record)
    }

    /// The record has been heard of. One that another worker holds, or nobody, is this one's no more: its claim is never taken up.
    pub(crate) fn heard(&self, record: Record) {
        let mut known = self.record();
        if record.version < known.version {
            return;
        }
        let stop = match (record.is_of_one_claim(&known), record.mark) {
            (false, _) => Stop::Lost,
            (true, Mark::None) => Stop::Not,
            (true, Mark::Cancel | Mark::Forget) => Stop::Marked,
        };
        if stop < Stop::Lost {
            *known = record;
        }
        drop(known);
        self.tell(stop);
    }

    /// The lease has been renewed.
    pub(crate) fn renewed(&self, until: Instant) {
        *lock(&self.lease) = until;
    }

    /// Until when it is surely held.
    pub(crate) fn lease(&self) -> Instant {
        *lock(&self.lease)
    }

    /// Tells the handler to stop.
    pub(crate) fn tell(&self, stop: Stop) {
        if self.stop.fetch_max(stop as u8, Ordering::SeqCst) < stop as u8 {
            self.stops.notify_waiters();
        }
    }

    pub(crate) fn stop(&self) -> Stop {
        Stop::ALL[usize::from(self.stop.load(Ordering::SeqCst))]
    }

    /// Waits until there is another reason to stop than this one.
    pub(crate) async fn stop_changed(&self, from: Stop) {
        wait_until(&self.stops, || self.stop() > from).await;
    }

    /// Whether a body is at work that cannot be dropped.
    pub(crate) fn is_busy(&self) -> bool {
        self.bodies.load(Ordering::SeqCst) > 0
    }

    /// Waits until no body is at work any more that cannot be dropped.
    pub(crate) async fn bodies_ended(&self) {
        if self.is_busy() {
            // Boxed, as all that is rare: what waits in a job's task has its size.
            Box::pin(wait_until(&self.bodiless, || !self.is_busy())).await;
        }
    }

    fn report(self: &Arc<Self>, progress: Progress) {
        self.put_report(|report| report.latest = Some(Arc::new(progress)));
    }

    /// The report that was taken has been written.
    pub(crate) fn written(&self) {
        lock(&self.report).sent = None;
    }

    /// The report that was taken could not be written: it is to be written yet, unless there is a newer one.
    pub(crate) fn unwritten(self: &Arc<Self>) {
        self.put_report(|report| report.latest = report.latest.take().or(report.sent.take()));
    }

    fn put_report(self: &Arc<Self>, put: impl FnOnce(&mut Report)) {
        let mut report = lock(&self.report);
        if report.closed {
            return;
        }
        put(&mut report);
        if !std::mem::replace(&mut report.queued, true) {
            drop(report);
            self.reporter.queue(self.clone());
        }
    }

    /// From when on the report may be written, if there is one.
    pub(crate) fn report_due(&self) -> Option<Instant> {
        let report = lock(&self.report);
        report.latest.as_ref()?;
        Some(report.written + self.interval)
    }

    /// The report, to be written now.
    pub(crate) fn take_report(&self) -> Option<Arc<Progress>> {
        let mut report = lock(&self.report);
        report.queued = false;
        report.written = Instant::now();
        report.sent = report.latest.take();
        report.sent.clone()
    }

    /// The report that was not written yet for all one knows; later ones are of no effect.
    pub(crate) fn last_report(&self) -> Option<Arc<Progress>> {
        let mut report = lock(&self.report);
        report.closed = true;
        report.latest.take().or(report.sent.take())
    }
}

/// A body at work that cannot be dropped.
struct Busy(Arc<Running>);

impl Drop for Busy {
    fn drop(&mut self) {
        if self.0.bodies.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.bodiless.notify_waiters();
        }
    }
}

/// Waits for a condition whose changes are notified to all waiters: none is missed between the look and the wait.
async fn wait_until(notify: &Notify, holds: impl Fn() -> bool) {
    while !holds() {
        let mut notified = pin!(notify.notified());
        notified.as_mut().enable();
        if holds() {
            return;
        }
        notified.as_mut().await;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
