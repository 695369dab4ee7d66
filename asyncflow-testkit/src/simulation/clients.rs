//! Clients: they submit, retry, read, wait, cancel, delete, and go away.

use std::{sync::Arc, time::Duration};

use asyncflow_core::{
    IdempotencyKey, IfLive, JobId, Limits, State, SubmitError, SubmitOptions, Submitted, Until,
    store::{Part, Query},
};
use tokio::time::sleep;

use super::{
    dice::Dice,
    judge::Called,
    stage::{Seat, Stage},
    work::Work,
};

/// So many clients come one after another, over about so many milliseconds.
pub(super) async fn come(stage: Arc<Stage>, mut dice: Dice, clients: usize, over: u64) {
    let mut left = clients;
    let bursts = dice.chance(400);
    while left > 0 {
        let at_once = if bursts { dice.within(1..=60) as usize } else { dice.within(1..=3) as usize }.min(left);
        for _ in 0..at_once {
            tokio::spawn(client(stage.clone(), dice.fork()));
        }
        left -= at_once;
        let gap = over * at_once as u64 / clients.max(1) as u64;
        sleep(Duration::from_millis(dice.within(0..=2 * gap))).await;
    }
}

/// What a client submits: the same each time that it tries.
struct Order {
    flow: Arc<str>,
    request: Part,
    key: Option<(String, Duration)>,
    owner: Option<&'static str>,
    limit_key: Option<&'static str>,
    unique: Option<(&'static str, IfLive)>,
    priority: Option<i8>,
    run_in: Option<Duration>,
}

impl Order {
    fn any(stage: &Stage, dice: &mut Dice) -> Self {
        const FLOWS: [usize; 20] = [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 5, 5];
        let keep = Duration::from_secs(dice.pick(&[5, 60, 600]));
        Self {
            flow: stage.plans[dice.pick(&FLOWS)].name.clone(),
            request: Part::json(serde_json::to_vec(&Work::any(dice)).unwrap_or_default()),
            key: match dice.below(100) {
                0..30 => Some((format!("{:x}", dice.seed()), keep)),
                30..35 => Some((format!("shared-{}", dice.below(5)), keep)),
                _ => None,
            },
            owner: dice.pick(&[None, None, Some("ann"), Some("ben"), Some("cleo")]),
            limit_key: dice.pick(&[None, None, None, Some("x"), Some("y")]),
            unique: dice.pick(&[
                None,
                None,
                None,
                None,
                None,
                None,
                None,
                None,
                Some(("one", IfLive::Reuse)),
                Some(("two", IfLive::Replace)),
            ]),
            priority: dice.chance(150).then(|| dice.pick(&[-10, -1, 1, 10])),
            run_in: dice.chance(150).then(|| dice.millis(1..=8_000)),
        }
    }

    fn options(&self) -> SubmitOptions {
        let mut options = SubmitOptions::new();
        if let Some((key, keep)) = &self.key {
            if let Ok(key) = IdempotencyKey::new(key) {
                options = options.idempotency_key(key.keep(*keep));
            }
        }
        if let Some(key) = self.limit_key {
            options = options.limit_key(key);
        }
        if let Some((key, if_live)) = self.unique {
            options = options.unique(key, if_live);
        }
        if let Some(priority) = self.priority {
            options = options.priority(priority);
        }
        if let Some(delay) = self.run_in {
            options = options.run_in(delay);
        }
        options
    }

    /// What it is called by whoever sends it, and for how long.
    fn name(&self) -> Option<Called> {
        let (key, keep) = self.key.as_ref()?;
        Some(Called {
            flow: self.flow.clone(),
            owner: self.owner.map(Arc::from),
            key: key.as_str().into(),
            keep: *keep,
        })
    }

    async fn send(&self, seat: &Seat, patience: Duration) -> Option<Result<Submitted, SubmitError>> {
        let (flow, owner) = (self.flow.clone(), self.owner.map(Arc::from));
        let (request, options) = (self.request.clone(), self.options());
        seat.ask(patience, |engine| async move {
            let flow = engine.flow_ref(&flow)?.as_owner(owner);
            Some(flow.submit(request, options).await)
        })
        .await?
    }
}

async fn client(stage: Arc<Stage>, mut dice: Dice) {
    if dice.chance(20) {
        return operator(stage, dice).await;
    }
    let order = Order::any(&stage, &mut dice);
    let mut tries = 1 + dice.below(4);
    let submitted = loop {
        tries -= 1;
        let patience = dice.pick(&[100, 3_000, 20_000, 20_000]);
        let answer = match stage.any_seat(&mut dice) {
            Some(seat) => order.send(&seat, Duration::from_millis(patience)).await,
            None => None,
        };
        match answer {
            Some(Ok(submitted)) => break submitted,
            Some(Err(SubmitError::Store(_) | SubmitError::ShuttingDown)) | None if tries > 0 => {
                sleep(dice.millis(10..=3_000)).await;
            }
            _ => return,
        }
    };
    stage.judge().accepted(submitted.id, order.name().map(|name| (name, submitted.created)));
    follow(&stage, &mut dice, &order, submitted.id).await;
    if order.key.is_some() && dice.chance(300) {
        let Some(seat) = stage.any_seat(&mut dice) else { return };
        if let Some(Ok(again)) = order.send(&seat, Duration::from_secs(20)).await {
            stage.judge().accepted(again.id, order.name().map(|name| (name, again.created)));
        }
    }
}

/// What a client does about a job that it has submitted.
async fn follow(stage: &Arc<Stage>, dice: &mut Dice, order: &Order, id: JobId) {
    let patience = Duration::from_secs(40);
    for _ in 0..dice.below(6) {
        if dice.chance(600) {
            sleep(dice.millis(0..=4_000)).await;
        }
        let Some(seat) = stage.any_seat(dice) else { continue };
        let owner = order.owner.map(Arc::from);
        let flow = order.flow.clone();
        let known = stage.judge().known(id);
        let what = dice.below(100);
        let wait = dice.millis(0..=20_000);
        let ask = move |engine: asyncflow_core::FlowEngine| engine.flow_ref(&flow).map(|flow| flow.as_owner(owner));
        match what {
            0..35 => {
                let read = seat.ask(patience, |engine| async move { Some(ask(engine)?.get(id).await) }).await;
                if let Some(Some(Ok(record))) = read {
                    stage.judge().read(id, known, record.as_ref());
                }
            }
            35..65 => {
                let until = if dice.chance(700) { Until::Ended } else { Until::Changed(dice.below(4) as u64) };
                let read = seat.ask(patience, |engine| async move { Some(ask(engine)?.wait(id, until, wait).await) });
                if let Some(Some(Ok(record))) = read.await {
                    stage.judge().read(id, known, record.as_ref());
                }
            }
            65..80 => {
                let read = seat.ask(patience, |engine| async move {
                    let flow = ask(engine)?;
                    let record = flow.get(id).await.ok()??;
                    let part = flow.outcome(id).await.ok()??;
                    (record.state == State::Succeeded).then_some(part)
                });
                if let Some(Some(part)) = read.await {
                    stage.judge().result(id, &part);
                }
            }
            80..91 => {
                let asked = seat.ask(patience, |engine| async move { Some(ask(engine)?.cancel(id).await) }).await;
                if let Some(Some(Ok(answer))) = asked {
                    stage.judge().cancelled(id, known, &answer);
                }
            }
            _ => {
                let asked = seat.ask(patience, |engine| async move { Some(ask(engine)?.delete(id).await) }).await;
                if let Some(Some(Ok(was_there))) = asked {
                    stage.judge().deleted(id, known, was_there);
                }
            }
        }
    }
}

/// Looks at what there is, deletes some of it, or submits many at once.
async fn operator(stage: Arc<Stage>, mut dice: Dice) {
    let flow = stage.plans[dice.below(stage.plans.len())].name.clone();
    let Some(seat) = stage.any_seat(&mut dice) else { return };
    let patience = Duration::from_secs(20);
    if dice.chance(500) {
        let many: Vec<_> = (0..dice.within(2..=20)).map(|_| Work::any(&mut dice)).collect();
        let submitted =
            seat.ask(
                patience,
                |engine| async move { engine.flow::<Work, usize>(&flow).ok()?.submit_many(many).await.ok() },
            );
        for job in submitted.await.into_iter().flatten().flatten().flatten() {
            stage.judge().accepted(job.id(), None);
        }
        return;
    }
    let listed = seat.ask(patience, |engine| async move {
        let page = engine.list(&Query::new(flow).limit(20)).await.ok()?;
        Some(page.records.into_iter().map(|record| record.job).collect::<Vec<_>>())
    });
    let Some(Some(jobs)) = listed.await else { return };
    for job in jobs.into_iter().take(3) {
        let Some(seat) = stage.any_seat(&mut dice) else { return };
        let (known, id) = (stage.judge().known(job.id), job.id);
        let deleted = seat.ask(patience, |engine| async move { engine.flow_ref(&job.flow)?.delete(id).await.ok() });
        if let Some(Some(was_there)) = deleted.await {
            stage.judge().deleted(id, known, was_there);
        }
    }
}

/// Pauses a flow for a while, or sets other limits for one; in the end, all is as it was.
pub(super) async fn administer(stage: Arc<Stage>, mut dice: Dice, until: Duration) {
    let end = tokio::time::Instant::now() + until;
    let patience = Duration::from_secs(5);
    while tokio::time::Instant::now() < end {
        sleep(dice.millis(0..=15_000)).await;
        let plan = stage.plans[dice.below(stage.plans.len())].clone();
        let other = plan.also.map(|also| Limits { running: Some(also), ..plan.options.limits.clone() });
        let paused = other.is_none();
        if let Some(seat) = stage.any_seat(&mut dice) {
            let (name, other) = (plan.name.clone(), other.clone());
            seat.ask(patience, |engine| async move {
                if paused { engine.pause(&name).await.is_ok() } else { engine.set_limits(&name, other).await.is_ok() }
            })
            .await;
        }
        sleep(dice.millis(0..=6_000)).await;
        let mut undone = false;
        while !undone {
            sleep(Duration::from_millis(500)).await;
            let Some(seat) = stage.any_seat(&mut dice) else { continue };
            let name = plan.name.clone();
            let undo = seat.ask(patience, |engine| async move {
                if paused { engine.resume(&name).await.is_ok() } else { engine.set_limits(&name, None).await.is_ok() }
            });
            undone = undo.await == Some(true);
        }
    }
}
