//! One flow by bytes and ids: what a mount calls.

use std::{fmt, sync::Arc, time::Duration};

use super::{
    FlowEngine, SubmitError, SubmitOptions, Submitted, Until,
    line::{Line, Receiving},
    node::Node,
};
use crate::{
    job::{JobId, JobKey, Mark, Record, Stamp},
    policy::{FlowOptions, InvalidOptions},
    state::{self, Event, Refusal},
    store::{Batch, Change, Changed, Part, PartName, StoreError},
};

/// Times that a change is decided anew because another came in between; more would be a store that refuses what it answered.
const MOST_DECISIONS: usize = 100;

/// One flow of an engine by bytes and ids, as mounts see it. Cheap to clone.
///
/// Its futures may be polled on any executor: what needs a timer or a task finds it in the runtime in which the engine was started.
#[derive(Clone)]
pub struct FlowRef {
    engine: FlowEngine,
    line: Arc<Line>,
    scope: Scope,
}

/// Whose jobs there are.
#[derive(Clone, Debug)]
enum Scope {
    /// Everybody's.
    All,
    /// This owner's; `None`: nobody's.
    Owner(Option<Arc<str>>),
}

/// What became of a request to cancel a job.
#[derive(Clone, Debug)]
pub enum Cancelled {
    /// The job is asked to stop, or has stopped. As it is now.
    Asked(Record),
    /// It had ended before. As it is.
    Ended(Record),
    /// There is no such job.
    Missing,
}

/// Why the engine could not answer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum EngineError {
    /// The store could not be asked.
    Store(StoreError),
    /// Limits that cannot be kept.
    Limits(InvalidOptions),
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::Limits(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for EngineError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Store(error) => Some(error),
            Self::Limits(error) => Some(error),
        }
    }
}

impl From<StoreError> for EngineError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl FlowRef {
    pub(super) fn new(engine: FlowEngine, line: Arc<Line>) -> Self {
        Self { engine, line, scope: Scope::All }
    }

    /// The same flow as this owner sees it: jobs of others are not there, and what is submitted is the owner's. `None` is who has no name.
    pub fn as_owner(&self, owner: Option<Arc<str>>) -> Self {
        Self { scope: Scope::Owner(owner), ..self.clone() }
    }

    /// The flow's name.
    pub fn name(&self) -> &Arc<str> {
        &self.line.name
    }

    /// The flow's options.
    pub fn options(&self) -> &FlowOptions {
        &self.line.options
    }

    /// The media types that requests may have, in lower case: `application/json` stands for every `+json`, `*/*` for any.
    pub fn takes_list(&self) -> &'static [&'static str] {
        self.line.flow.accepts()
    }

    /// Whether requests may have this media type, given in lower case and without parameters.
    pub fn takes(&self, essence: &str) -> bool {
        let json = essence == "application/json" || essence.ends_with("+json");
        self.takes_list()
            .iter()
            .any(|taken| *taken == "*/*" || *taken == essence || (json && *taken == "application/json"))
    }

    /// The time now, by the engine's clock.
    pub fn now(&self) -> Stamp {
        self.node().clock.now()
    }

    /// Ready after this time, by a timer of the engine's runtime: for mounts that have none of their own.
    pub fn sleep(&self, time: Duration) -> impl Future<Output = ()> + Send + use<> {
        self.node().on_runtime(|| tokio::time::sleep(time))
    }

    /// Room to receive so many bytes, given back when it is dropped; `None` where the node works on as many as it may.
    pub fn receive(&self, bytes: usize) -> Option<Receiving> {
        self.line.receive(bytes)
    }

    /// Reads the request at once. The future inserts the job, and starts it in the same round trip if there is room for it here.
    ///
    /// Cancel safe: a dropped future's job is there or not, as if the answer had been lost.
    ///
    /// # Errors
    /// Why the job was not accepted.
    pub fn submit(
        &self,
        request: Part,
        mut options: SubmitOptions,
    ) -> impl Future<Output = Result<Submitted, SubmitError>> + Send {
        if let Scope::Owner(owner) = &self.scope {
            options.owner.clone_from(owner);
        }
        let decoded = self.line.flow.decode(&request).map_err(SubmitError::from);
        let submit = decoded.and_then(|decoded| self.node().submit(&self.line, request, Some(decoded), options));
        async move { self.node().uninterrupted(submit?).await.unwrap_or(Err(SubmitError::ShuttingDown)) }
    }

    /// The record; `None` where there is no such job, or none any more.
    ///
    /// # Errors
    /// The store could not be asked.
    pub fn get(&self, id: JobId) -> impl Future<Output = Result<Option<Record>, EngineError>> + Send {
        self.node().read(self.key(id), |record| self.sees(record))
    }

    /// What the job gave: its result, or its error (see [`JobError::from_part`](crate::JobError::from_part)). `None` where it has given nothing (yet).
    ///
    /// # Errors
    /// The store could not be asked.
    pub async fn outcome(&self, id: JobId) -> Result<Option<Part>, EngineError> {
        if matches!(self.scope, Scope::Owner(_)) && self.get(id).await?.is_none() {
            return Ok(None);
        }
        let (node, job) = (self.node(), self.key(id));
        Ok(node.call(node.store.part(&job, PartName::Outcome)).await?)
    }

    /// Waits until the job is as it should be, patience ends (with the next second, while the node drains), or too many wait (then not at all);
    /// then the record as it is.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    /// The store could not be asked.
    pub async fn wait(&self, id: JobId, until: Until, patience: Duration) -> Result<Option<Record>, EngineError> {
        // A job of another owner is not waited for.
        if matches!(self.scope, Scope::Owner(_)) && self.get(id).await?.is_none() {
            return Ok(None);
        }
        Ok(self.node().wait(&self.key(id), until, patience).await?)
    }

    /// Asks a job to stop. One that waits ends at once.
    ///
    /// # Errors
    /// The store could not be asked.
    pub async fn cancel(&self, id: JobId) -> Result<Cancelled, EngineError> {
        Ok(match self.ask(id, Event::Cancel).await? {
            None | Some((_, Err(Refusal::Forgotten | Refusal::Misplaced))) => Cancelled::Missing,
            Some((record, Ok(()) | Err(Refusal::Already))) => Cancelled::Asked(record),
            Some((record, Err(Refusal::Ended))) => Cancelled::Ended(record),
        })
    }

    /// Asks a job to stop and be forgotten: from now on it is not there. `false`: it was not there.
    ///
    /// # Errors
    /// The store could not be asked.
    pub async fn delete(&self, id: JobId) -> Result<bool, EngineError> {
        Ok(matches!(self.ask(id, Event::Delete).await?, Some((_, Ok(())))))
    }

    /// Decides an event on a job as it is, and writes it; anew as long as the job changes in between.
    async fn ask(&self, id: JobId, event: Event) -> Result<Option<(Record, Result<(), Refusal>)>, EngineError> {
        let (node, job) = (self.node(), self.key(id));
        let Some(mut record) = self.get(id).await? else { return Ok(None) };
        for _ in 0..MOST_DECISIONS {
            let (guard, patch) = match state::decide(&record, event.clone()) {
                Ok(decided) => decided,
                Err(refusal) => return Ok(Some((record, Err(refusal)))),
            };
            let change = Change { job: job.clone(), guard, patch };
            let batch = Batch { changes: vec![change], ..Batch::default() };
            match node.write(&batch).await?.changes.pop() {
                Some(Changed::Applied(now)) => {
                    node.marked(&now);
                    return Ok(Some((now, Ok(()))));
                }
                Some(Changed::Refused(now)) if now.mark < Mark::Forget => record = now,
                _ => return Ok(None),
            }
        }
        Err(StoreError::unavailable("the job changes too fast").into())
    }

    fn sees(&self, record: &Record) -> bool {
        match &self.scope {
            Scope::All => true,
            Scope::Owner(owner) => record.owner == *owner,
        }
    }

    pub(super) fn key(&self, id: JobId) -> JobKey {
        JobKey { flow: self.line.name.clone(), id }
    }

    pub(super) fn node(&self) -> &Arc<Node> {
        self.engine.node()
    }

    pub(super) fn line(&self) -> &Arc<Line> {
        &self.line
    }
}

impl fmt::Debug for FlowRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlowRef").field("name", &self.line.name).field("scope", &self.scope).finish_non_exhaustive()
    }
}

impl Node {
    /// A job was marked: if it runs here, it hears of it now.
    fn marked(&self, record: &Record) {
        if record.mark > Mark::None {
            if let Some(running) = self.crew.get(record.job.id) {
                running.heard(record.clone());
            }
        }
    }
}
