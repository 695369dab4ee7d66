//! The attempts of a test engine: which run, and what happens to the next ones.

use std::{
    collections::{HashMap, VecDeque},
    future::{pending, poll_fn},
    sync::{Arc, Mutex},
};

use asyncflow_core::{Attempt, Handler, JobContext, JobId, JobKey, Wrap};
use tokio::sync::watch;

use super::by_hand::{Shared, lock};

/// What happens to an attempt instead of its handler.
pub(super) enum Fate {
    Ends(Attempt),
    Panics,
    Hangs,
    LosesItsWorker,
}

/// How far an attempt is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    Asked,
    Runs,
    Lost,
}

/// An attempt, from when it is asked for until its handler is dropped.
pub(super) struct Place {
    job: JobKey,
    phase: watch::Sender<Phase>,
}

impl Place {
    /// Waits until the handler runs and waits for something, or its worker is lost.
    pub(super) async fn is_under_way(&self) {
        let _ = self.phase.subscribe().wait_for(|phase| *phase > Phase::Asked).await;
    }

    /// Waits until its worker is lost.
    pub(super) async fn is_lost(&self) {
        let _ = self.phase.subscribe().wait_for(|phase| *phase == Phase::Lost).await;
    }

    fn becomes(&self, phase: Phase) {
        self.phase.send_if_modified(|now| std::mem::replace(now, phase.max(*now)) < phase);
    }
}

/// The attempts that run, and the fates of those to come.
pub(super) struct Attempts {
    shared: Arc<Shared>,
    places: Mutex<Vec<Arc<Place>>>,
    fates: Mutex<HashMap<String, VecDeque<Fate>>>,
}

impl Attempts {
    pub(super) fn new(shared: Arc<Shared>) -> Arc<Self> {
        Arc::new(Self { shared, places: Mutex::default(), fates: Mutex::default() })
    }

    pub(super) fn next(&self, flow: &str, fate: Fate) {
        lock(&self.fates).entry(flow.to_owned()).or_default().push_back(fate);
    }

    /// A place for an attempt of this job that is asked for now.
    pub(super) fn ask(&self, job: JobKey) -> Arc<Place> {
        let place = Arc::new(Place { job, phase: watch::Sender::new(Phase::Asked) });
        lock(&self.places).push(place.clone());
        place
    }

    pub(super) fn leave(&self, place: &Arc<Place>) {
        lock(&self.places).retain(|other| !Arc::ptr_eq(other, place));
    }

    /// The worker is lost: no handler goes on, and nothing more is written of their jobs.
    pub(super) fn lose(&self) {
        for place in &*lock(&self.places) {
            self.shared.lose(&place.job);
            place.becomes(Phase::Lost);
        }
    }

    /// Whether a handler is at work, or a lost one is still held by its engine.
    pub(super) fn any(&self) -> bool {
        !lock(&self.places).is_empty()
    }

    fn place(&self, id: JobId, flow: Arc<str>) -> Arc<Place> {
        let asked = |place: &&Arc<Place>| place.job.id == id && *place.phase.borrow() == Phase::Asked;
        let asked = lock(&self.places).iter().find(asked).cloned();
        asked.unwrap_or_else(|| self.ask(JobKey { flow, id }))
    }
}

/// The outermost wrap of the engine.
pub(super) struct Supervised(pub(super) Arc<Attempts>);

impl Wrap for Supervised {
    fn wrap(&self, job: JobContext, handler: Handler) -> Handler {
        let attempts = self.0.clone();
        let place = Held { place: attempts.place(job.id(), job.flow()), attempts };
        let fate = lock(&self.0.fates).get_mut(&*job.flow()).and_then(VecDeque::pop_front);
        Box::pin(async move {
            let handler = match fate {
                None => handler,
                Some(Fate::Ends(attempt)) => return attempt,
                Some(Fate::Panics) => panic!("the test said so"),
                Some(Fate::Hangs) => Box::pin(pending()),
                Some(Fate::LosesItsWorker) => {
                    place.attempts.shared.lose(&place.place.job);
                    place.place.becomes(Phase::Lost);
                    Box::pin(pending())
                }
            };
            place.supervise(handler).await
        })
    }
}

/// A place that is left however its attempt ends.
struct Held {
    attempts: Arc<Attempts>,
    place: Arc<Place>,
}

impl Held {
    async fn supervise(&self, mut handler: Handler) -> Attempt {
        let run = poll_fn(|context| {
            let polled = handler.as_mut().poll(context);
            if polled.is_pending() {
                self.place.becomes(Phase::Runs);
            }
            polled
        });
        let ended = tokio::select! {
            biased;
            () = self.place.is_lost() => None,
            attempt = run => Some(attempt),
        };
        match ended {
            Some(attempt) => attempt,
            None => {
                drop(handler);
                pending().await
            }
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.attempts.leave(&self.place);
    }
}
