//! How a test runs its jobs, and turns its clock.

use std::{
    future::Future,
    panic::Location,
    sync::Arc,
    time::{Duration, SystemTime},
};

use asyncflow_core::{
    Delivery, IntoPayload, JobKey, Record, Stamp, State, SubmitOptions,
    state::{self, Event},
    store::{Batch, Change},
};
use tokio::{
    task::JoinHandle,
    time::{Instant, timeout},
};

use super::{TestEngine, TestJob, attempts::Place, by_hand::lock};

/// Jobs that one call runs at most: what submits itself again and again is told so.
const MOST: usize = 5_000;
/// How long a handler may take, by the test's clock.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);
/// Turns that others are given to take up what is there for them.
const TURNS: usize = 64;

/// Waits that begin now, at the place that called.
macro_rules! located {
    ($body:expr) => {{
        let at = Location::caller();
        async move {
            match $body.await {
                Ok(value) => value,
                Err(why) => panic!("{why}\n  at {at}"),
            }
        }
    }};
}

impl TestEngine {
    /// Submits a job and runs it, ahead of all that waits: what a handler does with a request, on the same way as in production.
    ///
    /// # Panics
    /// It is not accepted, or cannot be run now.
    #[track_caller]
    pub fn perform(&self, flow: &str, request: impl IntoPayload) -> impl Future<Output = TestJob> {
        let flow = self.flow(flow);
        located!(async {
            let part = request.into_payload().map_err(|error| format!("the request cannot be written: {error}"))?;
            let submitted = flow.submit(part, SubmitOptions::new()).await;
            let id = submitted.map_err(|error| format!("the job of `{}` is not accepted: {error}", flow.name()))?.id;
            self.run_this(JobKey { flow: flow.name().clone(), id }).await
        })
    }

    /// Runs the flow's job that is next in line, for one attempt.
    ///
    /// # Panics
    /// None is ready, there is no room to run one, or it has not ended after a day by the test's clock.
    #[track_caller]
    pub fn run_next(&self, flow: &str) -> impl Future<Output = TestJob> {
        let flow = self.flow(flow).name().clone();
        located!(async move { self.run_this(self.next(&flow)?).await })
    }

    /// Starts the flow's job that is next in line, and returns when its handler waits for something: it goes on beside the test. One
    /// that never waits has ended by then.
    ///
    /// # Panics
    /// None is ready, or there is no room to run one.
    #[track_caller]
    pub fn start_next(&self, flow: &str) -> impl Future<Output = TestJob> {
        let flow = self.flow(flow).name().clone();
        located!(async move {
            let job = self.next(&flow)?;
            let attempt = self.begin(&job).await?.ok_or_else(|| not_run(&job))?;
            self.take_turns().await;
            if let Some(delivery) = attempt.delivery {
                lock(&self.running).push(delivery);
            }
            self.look(&job)
        })
    }

    /// Waits until all that [was started](Self::start_next) has ended, lost workers aside.
    ///
    /// # Panics
    /// It has not after a day by the test's clock.
    #[track_caller]
    pub fn finish_running(&self) -> impl Future<Output = ()> {
        located!(async {
            let running = std::mem::take(&mut *lock(&self.running));
            for delivery in running {
                let ended = timeout(PATIENCE, delivery).await;
                ended.map_err(|_| "a handler has not ended after a day by the test's clock".to_owned())?.ok();
            }
            Ok::<_, String>(())
        })
    }

    /// Runs the jobs that are ready now, of all flows, one attempt each, in their order; returns them as they are after it.
    ///
    /// # Panics
    /// There is no room to run one, or one has not ended after a day by the test's clock.
    #[track_caller]
    pub fn run_ready(&self) -> impl Future<Output = Vec<TestJob>> {
        located!(async {
            let mut ran = Vec::new();
            for record in self.ready() {
                ran.extend(self.run(&record.job).await?);
            }
            Ok::<_, String>(ran)
        })
    }

    /// Runs jobs of all flows, in their order, until none is ready; returns them as they were after each attempt. Those that are put
    /// off stay so.
    ///
    /// # Panics
    /// As [`run_ready`](Self::run_ready), or there is no end to it.
    #[track_caller]
    pub fn run_all(&self) -> impl Future<Output = Vec<TestJob>> {
        located!(async {
            let mut ran = Vec::new();
            self.run_further(&mut ran).await.map(|()| ran)
        })
    }

    /// Runs jobs of all flows until none waits, and turns the clock to each that is put off, be it for a retry: returns them as they
    /// were after each attempt. What a limit holds back stays.
    ///
    /// # Panics
    /// As [`run_all`](Self::run_all).
    #[track_caller]
    pub fn run_to_end(&self) -> impl Future<Output = Vec<TestJob>> {
        located!(async {
            let mut ran = Vec::new();
            loop {
                self.run_further(&mut ran).await?;
                let put_off = self.records(Some(State::Scheduled));
                let Some(due) = put_off.map(|record| record.due).min() else { return Ok::<_, String>(ran) };
                self.turn(due.since(self.stamp())).await;
            }
        })
    }

    /// Turns the clock by so much. What is due on the way happens in its order: jobs that were put off become ready (and are not run),
    /// handlers run out of time, leases end, what was kept long enough goes.
    ///
    /// It is turned in whole milliseconds, as tokio's timers are; less than one counts as one. Where nothing runs, a year costs no more
    /// than a second; where something runs, as much as the engine's life of that time.
    pub async fn advance(&self, by: Duration) {
        self.turn(by).await;
    }

    /// Turns the clock to this time, as [`advance`](Self::advance); nothing happens where it is past.
    pub async fn advance_to(&self, at: SystemTime) {
        self.turn(Stamp::from(at).since(self.stamp())).await;
    }

    async fn turn(&self, by: Duration) {
        let end = Instant::now() + whole_millis(by);
        loop {
            self.look_after();
            self.take_turns().await;
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let now = self.stamp();
            let next = self.records(None).map(|record| record.due.since(now)).filter(|next| !next.is_zero()).min();
            let step = next.map_or(left, |next| left.min(whole_millis(next)));
            if self.attempts.any() || self.records(Some(State::Processing)).next().is_some() {
                self.time.pass(step).await;
            } else {
                tokio::time::advance(step).await;
            }
        }
    }

    /// Looks after what is due as another node of a fleet would, at the very time: the engine's own looks come once a second. Leases
    /// are left to it, since they are taken for lost just by who saw them end twice.
    fn look_after(&self) {
        let now = self.stamp();
        let due = |record: &Record| record.due <= now && record.state != State::Processing;
        for record in self.records(None).filter(due) {
            if let Ok((guard, patch)) = state::decide(&record, Event::Due) {
                let changes = vec![Change { job: record.job, guard, patch }];
                // Refused, it has changed in between: by nobody, in one thread.
                let _ = self.shared.write(&Batch { changes, ..Batch::default() });
            }
        }
    }

    async fn run_further(&self, ran: &mut Vec<TestJob>) -> Result<(), String> {
        let mut refused: Vec<JobKey> = Vec::new();
        while let Some(next) = self.ready().into_iter().find(|record| !refused.contains(&record.job)) {
            if ran.len() >= MOST {
                return Err(format!(
                    "{MOST} jobs were run, and `{}` has more: do they submit each other?",
                    next.job.flow
                ));
            }
            match self.run(&next.job).await? {
                Some(job) => ran.push(job),
                None => refused.push(next.job),
            }
        }
        Ok(())
    }

    /// The ready jobs of all flows, first in line first.
    fn ready(&self) -> Vec<Record> {
        let mut ready: Vec<_> = self.records(Some(State::Enqueued)).collect();
        ready.sort_by_key(|record| (record.rank, record.job.id));
        ready
    }

    fn next(&self, flow: &Arc<str>) -> Result<JobKey, String> {
        if let Some(next) = self.ready().into_iter().find(|record| record.job.flow == *flow) {
            return Ok(next.job);
        }
        let mut why = format!("expected: a job of `{flow}` that is ready to be run\nfound:    none");
        for record in self.shared.records(flow, None) {
            why.push_str(&format!("\n  not ready: {}", self.job_of(record)));
        }
        Err(why)
    }

    async fn run_this(&self, job: JobKey) -> Result<TestJob, String> {
        self.run(&job).await?.ok_or_else(|| not_run(&job))
    }

    /// Runs a job until its attempt has ended or its worker is lost; `None` where it is not to be run here, or not any more.
    async fn run(&self, job: &JobKey) -> Result<Option<TestJob>, String> {
        let Some(attempt) = self.begin(job).await? else { return Ok(None) };
        if let Some(delivery) = attempt.delivery {
            let over = async {
                tokio::select! {
                    biased;
                    _ = delivery => {}
                    () = attempt.place.is_lost() => {}
                }
            };
            let in_time = timeout(PATIENCE, over).await;
            in_time
                .map_err(|_| format!("the handler of `{}` has not ended after a day by the test's clock", job.flow))?;
        }
        self.look(job).map(Some)
    }

    /// Claims a job and runs it until its handler waits, it has ended, or its worker is lost.
    async fn begin(&self, job: &JobKey) -> Result<Option<Begun>, String> {
        let room = self.flow(&job.flow).options().concurrency.get();
        if self.shared.records(&job.flow, Some(State::Processing)).len() >= room {
            return Err(format!(
                "`{}` runs {room} jobs, and may run no more at once: finish or lose them first",
                job.flow
            ));
        }
        let Some(worker) = self.shared.worker.borrow().clone() else { return Err("the engine has no worker".into()) };
        let place = self.attempts.ask(job.clone());
        let key = job.clone();
        let mut delivery = tokio::spawn(async move { worker.deliver(key).await });
        let ended = tokio::select! {
            biased;
            delivered = &mut delivery => delivered,
            () = place.is_under_way() => return Ok(Some(Begun { place, delivery: Some(delivery) })),
        };
        self.attempts.leave(&place);
        match ended {
            Ok(Delivery::Ran) => Ok(Some(Begun { place, delivery: None })),
            Ok(Delivery::Draining) => Err("the engine was shut down: it runs no more jobs".into()),
            Ok(_) => Ok(None),
            Err(error) => Err(format!("the attempt was ended from outside: {error}")),
        }
    }

    /// Gives others their turn, until they have taken up what is there for them.
    async fn take_turns(&self) {
        for _ in 0..TURNS {
            tokio::task::yield_now().await;
        }
    }

    fn look(&self, job: &JobKey) -> Result<TestJob, String> {
        let record = self.shared.record(job).ok_or_else(|| format!("the job is gone: {job:?}"))?;
        Ok(self.job_of(record))
    }
}

/// Rounded up: between two milliseconds, tokio's timers are late.
fn whole_millis(time: Duration) -> Duration {
    Duration::from_millis(u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX))
}

fn not_run(job: &JobKey) -> String {
    format!("the job is not taken up now: `{}` is paused, at its limits, or run by other nodes", job.flow)
}

/// An attempt that was begun.
struct Begun {
    place: Arc<Place>,
    /// Until it has ended; nothing where it has.
    delivery: Option<JoinHandle<Delivery>>,
}
