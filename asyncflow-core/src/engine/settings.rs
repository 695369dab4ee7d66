//! What is set for flows while nodes run: paused, other limits.

use std::sync::{Arc, PoisonError};

use super::{EngineError, FlowEngine, line::Line, node::Node};
use crate::{
    policy::{FlowOptions, FlowSettings, InvalidOptions, Limits, Settings},
    store::StoreError,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

/// Times that a change is made anew because another came in between; more would be a store that refuses what it answered.
const MOST_TIMES: usize = 100;

/// What holds for a flow now, on one node.
#[derive(Debug, Default)]
pub(crate) struct Live {
    paused: AtomicBool,
    limited: AtomicBool,
    limits: Mutex<Option<Arc<Limits>>>,
    /// A rate held a ready job back.
    held: AtomicBool,
}

impl Live {
    pub(super) fn new(options: &FlowOptions) -> Self {
        let live = Self::default();
        live.set(options, &FlowSettings::default());
        live
    }

    fn set(&self, options: &FlowOptions, settings: &FlowSettings) {
        let limits = settings.limits.as_ref().unwrap_or(&options.limits);
        let limits = (!limits.is_none()).then(|| Arc::new(limits.clone()));
        self.limited.store(limits.is_some(), Ordering::SeqCst);
        *self.limits.lock().unwrap_or_else(PoisonError::into_inner) = limits;
        self.paused.store(settings.paused, Ordering::SeqCst);
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.paused.load(Ordering::Relaxed)
    }

    pub(crate) fn is_limited(&self) -> bool {
        self.limited.load(Ordering::Relaxed)
    }

    /// Whether how many may run at once is limited.
    pub(crate) fn bounds_running(&self) -> bool {
        self.is_limited() && self.limits().is_some_and(|limits| limits.bounds_running())
    }

    pub(super) fn limits(&self) -> Option<Arc<Limits>> {
        if !self.is_limited() {
            return None;
        }
        self.limits.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Node {
    /// Takes up what is set for the flows.
    pub(super) fn take_up(&self, settings: &Settings) {
        // As a whole: of two that are taken up at once, one would leave half of itself under the other's version.
        let mut known = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
        if *known == settings.version {
            return;
        }
        *known = settings.version;
        for line in &self.flows {
            line.live.set(&line.options, settings.flows.get(&*line.name).unwrap_or(&FlowSettings::default()));
            if self.takes_up(line) {
                self.backlog(line);
            }
        }
    }

    /// A rate holds ready jobs of this flow back for so long.
    pub(crate) fn held_back(&self, line: &Line, wait: std::time::Duration) {
        line.live.held.store(true, Ordering::SeqCst);
        self.alarm.set(wait);
    }

    /// Looks again for jobs that a rate held back.
    pub(super) fn look_at_held_back(&self) {
        for line in &self.flows {
            if line.live.held.swap(false, Ordering::SeqCst) {
                self.backlog(line);
            }
        }
    }
}

/// What is set for flows while nodes run. All nodes take it up within a second.
impl FlowEngine {
    /// What is set for the flows.
    ///
    /// # Errors
    /// The store could not be asked.
    pub async fn settings(&self) -> Result<Arc<Settings>, EngineError> {
        Ok(self.node().call(self.store().due(0)).await?.settings)
    }

    /// From now on no node takes up jobs of this flow; those that run go on, and new ones are accepted.
    ///
    /// # Errors
    /// The store could not be asked. Then it may or may not have been set.
    pub async fn pause(&self, flow: &str) -> Result<(), EngineError> {
        self.set(flow, |settings| settings.paused = true).await
    }

    /// Jobs of this flow are taken up again.
    ///
    /// # Errors
    /// The store could not be asked. Then it may or may not have been set.
    pub async fn resume(&self, flow: &str) -> Result<(), EngineError> {
        self.set(flow, |settings| settings.paused = false).await
    }

    /// Sets the limits of this flow in place of its options'; with `None`, those of its options hold again.
    ///
    /// # Errors
    /// The limits cannot be kept, or the store could not be asked. Then they may or may not have been set.
    pub async fn set_limits(&self, flow: &str, limits: Option<Limits>) -> Result<(), EngineError> {
        if let Some(limits) = &limits {
            limits.check().map_err(|why| EngineError::Limits(InvalidOptions::new("limits", why)))?;
        }
        self.set(flow, |settings| settings.limits.clone_from(&limits)).await
    }

    async fn set(&self, flow: &str, set: impl Fn(&mut FlowSettings)) -> Result<(), EngineError> {
        let node = self.node();
        for _ in 0..MOST_TIMES {
            let mut settings = Settings::clone(&*self.settings().await?);
            settings.version += 1;
            let mut one = settings.flows.remove(flow).unwrap_or_default();
            set(&mut one);
            if !one.is_none() {
                settings.flows.insert(flow.to_owned(), one);
            }
            if node.call(node.store.put_settings(&settings)).await? {
                node.take_up(&settings);
                return Ok(());
            }
        }
        Err(StoreError::unavailable("its settings change faster than they can be read").into())
    }
}
