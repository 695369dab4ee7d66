//! What all parts of one simulation share.

use std::{
    future::Future,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock},
    time::Duration,
};

use asyncflow_core::{FlowEngine, ManualClock};
use tokio::{runtime::Handle, sync::oneshot};

use super::{dice::Dice, judge::Judge, link::Weather, work::Plan};

pub(super) struct Stage {
    /// The store's clock, which serves ids as well.
    pub(super) clock: Arc<ManualClock>,
    pub(super) plans: Arc<[Plan]>,
    /// The turn of one write.
    pub(super) writes: tokio::sync::Mutex<()>,
    judge: Mutex<Judge>,
    weather: RwLock<Weather>,
    seats: Mutex<Vec<Option<Seat>>>,
    /// Where clients and the network live.
    pub(super) outside: Handle,
}

/// A node, as clients reach it.
#[derive(Clone, Debug)]
pub(super) struct Seat {
    pub(super) runtime: Handle,
    pub(super) engine: Arc<OnceLock<FlowEngine>>,
}

impl Seat {
    /// Asks a node, if it is up; nobody waits for the answer longer than that. `None`: there is no answer.
    pub(super) async fn ask<T, F>(&self, patience: Duration, ask: impl FnOnce(FlowEngine) -> F) -> Option<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let asked = ask(self.engine.get()?.clone());
        let (answer, answered) = oneshot::channel();
        let task = self.runtime.spawn(async move { answer.send(asked.await).is_ok() });
        let answered = tokio::time::timeout(patience, answered).await;
        if answered.is_err() {
            // The client hangs up: what it asked is dropped.
            task.abort();
        }
        answered.ok()?.ok()
    }
}

impl Stage {
    pub(super) fn new(
        clock: Arc<ManualClock>,
        plans: Arc<[Plan]>,
        judge: Judge,
        nodes: usize,
        outside: Handle,
    ) -> Self {
        Self {
            clock,
            plans,
            writes: tokio::sync::Mutex::default(),
            judge: Mutex::new(judge),
            weather: RwLock::default(),
            seats: Mutex::new(vec![None; nodes]),
            outside,
        }
    }

    pub(super) fn judge(&self) -> MutexGuard<'_, Judge> {
        self.judge.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn weather(&self) -> Weather {
        *self.weather.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_weather(&self, weather: Weather) {
        *self.weather.write().unwrap_or_else(PoisonError::into_inner) = weather;
    }

    pub(super) fn seat(&self, node: usize, seat: Option<Seat>) {
        // Dropped after the lock is given back: an engine goes with it.
        let _before = std::mem::replace(&mut self.seats()[node], seat);
    }

    /// A node that is there, if there is one; whether it is well, nobody knows.
    pub(super) fn any_seat(&self, dice: &mut Dice) -> Option<Seat> {
        let seats = self.seats();
        let there: Vec<&Seat> = seats.iter().flatten().collect();
        (!there.is_empty()).then(|| there[dice.below(there.len())].clone())
    }

    fn seats(&self) -> MutexGuard<'_, Vec<Option<Seat>>> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
