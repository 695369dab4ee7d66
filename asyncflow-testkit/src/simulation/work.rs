//! The flows of a simulated fleet, and what their handlers do.

use std::{sync::Arc, time::Duration};

use asyncflow_core::{Again, BoxError, FlowOptions, JobContext, Limits, Progress, Rate, Retention, Retry};
use serde::{Deserialize, Serialize};

use super::{dice::Dice, judge::Ended, stage::Stage};

/// What a handler's panic says, so that it is known from others.
pub(super) const PANIC: &str = "simulated: a handler panics";

/// A flow, as all nodes know it.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) name: Arc<str>,
    pub(super) options: FlowOptions,
    /// The limit on running jobs of the fleet that is set now and then in place of the options'.
    pub(super) also: Option<u64>,
}

impl Plan {
    /// Jobs that a node may run at once.
    pub(super) fn concurrency(&self) -> usize {
        self.options.concurrency.get()
    }

    /// Jobs that the fleet may run at once, at most.
    pub(super) fn most_running(&self) -> Option<u64> {
        self.options.limits.running.map(|most| most.max(self.also.unwrap_or(0)))
    }
}

/// The flows of one simulation.
pub(super) fn plans(dice: &mut Dice) -> Arc<[Plan]> {
    let second = Duration::from_secs(1);
    let plain = plan(dice, "plain", FlowOptions::new());
    let again = plan(dice, "again", FlowOptions::new().retry(Retry::exponential(4, second / 4)).timeout(4 * second));
    let fixed = plan(dice, "fixed", FlowOptions::new().retry(Retry::fixed(3, second / 2)));
    let narrow = plan(dice, "narrow", FlowOptions::new().max_waiting(40).max_waiting_per_owner(8));
    let limits = Limits::new().running(dice.within(1..=6));
    let limits = if dice.chance(500) { limits.running_per_key(2) } else { limits };
    let mut limited = plan(dice, "limited", FlowOptions::new().limits(limits));
    limited.also = dice.chance(300).then(|| dice.within(1..=6));
    let rate = Rate::new(dice.within(5..=30) as u32, second);
    let rated = plan(dice, "rated", FlowOptions::new().limits(Limits::new().rate(rate)));
    [plain, again, fixed, narrow, limited, rated].into()
}

fn plan(dice: &mut Dice, name: &str, options: FlowOptions) -> Plan {
    let second = Duration::from_secs(1);
    let options = options
        .concurrency(dice.within(2..=12) as usize)
        .expiry(dice.pick(&[60, 600, 600, 3600]) * second)
        .retention(Retention::of(dice.pick(&[0, 20, 70]) * second))
        .max_snoozes(dice.within(3..=8) as u16)
        .max_crashes(dice.within(2..=4) as u8)
        .fair(dice.chance(300));
    Plan { name: name.into(), options, also: None }
}

/// What a job is to do.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Work {
    what: What,
    millis: u64,
    times: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum What {
    /// Succeeds after a while, or at once.
    Sleep,
    /// Reports on its way.
    Report,
    /// Ends when it should stop.
    Obey,
    /// Goes on when it should stop, for a while and in a body that cannot be dropped.
    Stay,
    /// Fails so many times.
    Fail,
    /// Fails so many times, and says when to try again.
    After,
    /// Fails, and wants no other attempt.
    Never,
    /// Puts itself off so many times.
    Snooze,
    /// Panics so many times.
    Panic,
}

impl Work {
    pub(super) fn any(dice: &mut Dice) -> Self {
        let what = match dice.below(100) {
            0..55 => What::Sleep,
            55..63 => What::Report,
            63..68 => What::Obey,
            68..74 => What::Stay,
            74..82 => What::Fail,
            82..86 => What::After,
            86..88 => What::Never,
            88..95 => What::Snooze,
            _ => What::Panic,
        };
        let times = if dice.chance(50) { u32::MAX } else { dice.within(1..=3) as u32 };
        let millis = match what {
            What::Sleep if dice.chance(500) => 0,
            What::Report | What::Obey | What::Stay if dice.chance(400) => dice.within(1_000..=15_000),
            _ if dice.chance(30) => dice.within(500..=9_000),
            _ => dice.within(1..=300),
        };
        Self { what, millis, times }
    }
}

/// Runs one attempt on this life of a node. Answers which run it was.
pub(super) async fn perform(stage: Arc<Stage>, life: usize, work: Work, job: JobContext) -> Result<usize, BoxError> {
    let (run, before) = Run::begin(&stage, life, &job, work.what == What::Stay);
    let before = u32::try_from(before).unwrap_or(u32::MAX);
    let a_while = Duration::from_millis(work.millis);
    let sleep = async |time: Duration| {
        if !time.is_zero() {
            tokio::time::sleep(time).await;
        }
    };
    match work.what {
        What::Sleep => {
            sleep(a_while).await;
            Ok(run.end(Ended::Succeeded))
        }
        What::Report => {
            for step in 0..10 {
                job.progress(Progress::new("going on").percentage(f64::from(step * 10)));
                sleep(a_while / 10).await;
            }
            Ok(run.end(Ended::Succeeded))
        }
        What::Obey => {
            tokio::select! {
                biased;
                () = job.cancelled() => {
                    run.end(Ended::Failed);
                    Err("it should stop".into())
                }
                () = sleep(a_while) => Ok(run.end(Ended::Succeeded)),
            }
        }
        What::Stay => {
            let busy = job.busy();
            let body = tokio::spawn(async move {
                // Until the body has ended, whoever waits for it.
                let _busy = busy;
                tokio::time::sleep(a_while).await;
                run.end(Ended::Dropped)
            });
            let run = body.await?;
            stage.judge().says(run, Ended::Succeeded);
            Ok(run)
        }
        What::Fail | What::After | What::Panic if before >= work.times => Ok(run.end(Ended::Succeeded)),
        What::Snooze if before >= work.times => Ok(run.end(Ended::Succeeded)),
        What::Panic => {
            sleep(a_while).await;
            panic!("{PANIC}");
        }
        What::Fail => {
            sleep(a_while).await;
            run.end(Ended::Failed);
            Err("it was told to fail".into())
        }
        What::After => {
            run.end(Ended::Failed);
            Err(Again::after(a_while, "it was told to fail").into())
        }
        What::Never => {
            run.end(Ended::Failed);
            Err(Again::never("it was told to fail").into())
        }
        What::Snooze => {
            run.end(Ended::Snoozed);
            Err(Again::snooze(a_while).into())
        }
    }
}

/// A body at work: the judge hears of its end, however it comes.
struct Run {
    stage: Arc<Stage>,
    index: usize,
    ended: bool,
}

impl Run {
    /// Also answers how many runs the job had before.
    fn begin(stage: &Arc<Stage>, life: usize, job: &JobContext, stays: bool) -> (Self, usize) {
        let (index, before) = stage.judge().began(life, job.id(), job.attempt(), stays);
        (Self { stage: stage.clone(), index, ended: false }, before)
    }

    fn end(mut self, how: Ended) -> usize {
        self.ended = true;
        self.stage.judge().ended(self.index, how);
        self.index
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if !self.ended {
            self.stage.judge().ended(self.index, Ended::Dropped);
        }
    }
}
