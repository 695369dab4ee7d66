//! Flows and jobs with their types, for code.

use std::{any::TypeId, fmt, marker::PhantomData, sync::Arc, time::Duration};

use super::{Cancelled, EngineError, FlowEngine, FlowRef, SubmitError, SubmitOptions, Submitted, Until};
use crate::{
    flow::{FromPayload, IntoPayload},
    job::{JobError, JobId, Mark, Progress, Record, Stamp, State},
    store::StoreError,
};

/// How long one wait for a job's end lasts before the next; whoever waits longer notices nothing.
const ONE_WAIT: Duration = Duration::from_secs(3600);

/// One flow, with its types. Cheap to clone.
pub struct FlowHandle<Request, Response> {
    flow: FlowRef,
    types: PhantomData<fn(Request) -> Response>,
}

/// There is no flow of a name, or its types are others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowMismatch(String);

impl fmt::Display for FlowMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for FlowMismatch {}

impl<Request: 'static, Response: 'static> FlowHandle<Request, Response> {
    pub(super) fn new(engine: &FlowEngine, name: &str) -> Result<Self, FlowMismatch> {
        let Some(flow) = engine.flow_ref(name) else {
            let names = engine.flow_names().join("`, `");
            return Err(FlowMismatch(format!("there is no flow `{name}`: the engine has `{names}`")));
        };
        let [(takes, takes_name), (gives, gives_name)] = flow.line().flow.types();
        if (takes, gives) != (TypeId::of::<Request>(), TypeId::of::<Response>()) {
            let (asked, given) = (std::any::type_name::<Request>(), std::any::type_name::<Response>());
            return Err(FlowMismatch(format!(
                "flow `{name}` takes {takes_name} and gives {gives_name}, but the handle asks for {asked} and {given}"
            )));
        }
        Ok(Self { flow, types: PhantomData })
    }

    /// A job of this flow, whether it was started in code or over HTTP. Whether there is one is known when it is asked.
    pub fn job(&self, id: JobId) -> JobHandle<Response> {
        JobHandle { flow: self.flow.clone(), id, response: PhantomData }
    }

    /// The same flow by bytes and ids.
    pub fn flow_ref(&self) -> &FlowRef {
        &self.flow
    }
}

impl<Request: IntoPayload, Response: 'static> FlowHandle<Request, Response> {
    /// Submits a job.
    ///
    /// Cancel safe: a dropped future's job is there or not, as if the answer had been lost.
    ///
    /// # Errors
    /// Why it was not accepted.
    pub async fn submit(&self, request: Request) -> Result<JobHandle<Response>, SubmitError> {
        self.submit_with(request, SubmitOptions::new()).await
    }

    /// Submits a job with options of its own: a delay, a priority, an owner, an idempotency key.
    ///
    /// Cancel safe: a dropped future's job is there or not, as if the answer had been lost.
    ///
    /// # Errors
    /// Why it was not accepted.
    pub async fn submit_with(
        &self,
        request: Request,
        options: SubmitOptions,
    ) -> Result<JobHandle<Response>, SubmitError> {
        let part = encode(request)?;
        let submit = self.flow.node().submit(self.flow.line(), part, None, options)?;
        let submitted = self.flow.node().uninterrupted(submit).await.unwrap_or(Err(SubmitError::ShuttingDown))?;
        Ok(self.handle(submitted))
    }

    /// Submits many jobs in one round trip. Each is accepted or refused by itself, in the order given.
    ///
    /// Cancel safe: a dropped future's jobs are there or not, as if the answer had been lost.
    ///
    /// # Errors
    /// Why none was accepted; within, why one was not.
    pub async fn submit_many(
        &self,
        requests: impl IntoIterator<Item = Request>,
    ) -> Result<Vec<Result<JobHandle<Response>, SubmitError>>, SubmitError> {
        let (node, line) = (self.flow.node(), self.flow.line());
        let insert = |request| node.insert(line, encode(request)?, &SubmitOptions::new());
        let mut refused = Vec::new();
        let mut inserts = Vec::new();
        for request in requests {
            let insert = match insert(request) {
                Err(error @ SubmitError::ShuttingDown) => return Err(error),
                insert => insert,
            };
            refused.push(insert.as_ref().err().cloned());
            inserts.extend(insert);
        }
        let submitted =
            node.uninterrupted(node.submit_many(line, inserts)).await.unwrap_or(Err(SubmitError::ShuttingDown))?;
        let mut submitted = submitted.into_iter();
        let answer = |refused: Option<SubmitError>| match refused {
            Some(error) => Some(Err(error)),
            None => submitted.next(),
        };
        let answers = refused.into_iter().map_while(answer);
        Ok(answers.map(|submitted| submitted.map(|submitted| self.handle(submitted))).collect())
    }

    fn handle(&self, submitted: Submitted) -> JobHandle<Response> {
        JobHandle { flow: self.flow.clone(), id: submitted.id, response: PhantomData }
    }
}

fn encode(request: impl IntoPayload) -> Result<crate::store::Part, SubmitError> {
    request.into_payload().map_err(|error| SubmitError::Encode(error.to_string().into()))
}

impl<Request, Response> Clone for FlowHandle<Request, Response> {
    fn clone(&self) -> Self {
        Self { flow: self.flow.clone(), types: PhantomData }
    }
}

impl<Request, Response> fmt::Debug for FlowHandle<Request, Response> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FlowHandle").field(&self.flow).finish()
    }
}

/// One job, with the type of its result. Cheap to clone; dropping it changes nothing for the job.
pub struct JobHandle<Response> {
    flow: FlowRef,
    id: JobId,
    response: PhantomData<fn() -> Response>,
}

impl<Response> JobHandle<Response> {
    /// The job's id, under which it is followed over HTTP as well.
    pub fn id(&self) -> JobId {
        self.id
    }

    /// How the job is; `None` where there is no such job, or none any more.
    ///
    /// # Errors
    /// The store could not be asked.
    pub async fn status(&self) -> Result<Option<JobStatus>, EngineError> {
        Ok(self.flow.get(self.id).await?.map(JobStatus))
    }

    /// Why the job failed; `None` where it has not.
    ///
    /// # Errors
    /// The store could not be asked.
    pub async fn error(&self) -> Result<Option<JobError>, EngineError> {
        match self.flow.get(self.id).await? {
            Some(record) if record.state == State::Failed => self.failure().await,
            _ => Ok(None),
        }
    }

    /// Asks the job to stop. One that waits ends at once; one that runs is told.
    ///
    /// # Errors
    /// The store could not be asked.
    pub async fn cancel(&self) -> Result<Cancelled, EngineError> {
        self.flow.cancel(self.id).await
    }

    /// Asks the job to stop and be forgotten: from now on it is not there. `false`: it was not there.
    ///
    /// # Errors
    /// The store could not be asked.
    pub async fn delete(&self) -> Result<bool, EngineError> {
        self.flow.delete(self.id).await
    }

    /// Waits until the job's status is another than this one (or it has ended, or is gone), for at most `patience`.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    /// The store could not be asked.
    pub async fn changed(&self, known: &JobStatus, patience: Duration) -> Result<Option<JobStatus>, EngineError> {
        Ok(self.flow.wait(self.id, Until::Changed(known.version()), patience).await?.map(JobStatus))
    }

    async fn failure(&self) -> Result<Option<JobError>, EngineError> {
        let Some(part) = self.flow.outcome(self.id).await? else { return Ok(None) };
        let error = JobError::from_part(&part)
            .map_err(|error| StoreError::unusable(format_args!("a job's error cannot be read: {error}")))?;
        Ok(Some(error))
    }
}

impl<Response: FromPayload> JobHandle<Response> {
    /// The job's result; `None` where it has not ended yet.
    ///
    /// # Errors
    /// It ended otherwise, or is not there, or the store could not be asked.
    pub async fn result(&self) -> Result<Option<Response>, WaitError> {
        let record = self.flow.get(self.id).await?.ok_or(WaitError::Missing)?;
        self.of(&record).await
    }

    /// Waits for the job's end, on whichever node it runs, and gives its result.
    ///
    /// Cancel safe: the job goes on without being waited for.
    ///
    /// # Errors
    /// It ended otherwise, or is not there, or the store could not be asked.
    pub async fn wait(&self) -> Result<Response, WaitError> {
        loop {
            let job = self.flow.key(self.id);
            let record = self.flow.node().wait_open(&job, Until::Ended, ONE_WAIT).await.map_err(EngineError::from)?;
            let record = record.ok_or(WaitError::Missing)?;
            if let Some(result) = self.of(&record).await? {
                return Ok(result);
            }
            // Too many wait, or the node drains: no place to wait in, so the job is looked at now and then.
            self.flow.node().pause().await;
        }
    }

    async fn of(&self, record: &Record) -> Result<Option<Response>, WaitError> {
        match record.state {
            State::Succeeded => {
                // Deleted in between, it is not there.
                let part = self.flow.outcome(self.id).await?.ok_or(WaitError::Missing)?;
                Ok(Some(Response::from_payload(&part).map_err(|error| WaitError::Undecodable(error.to_string()))?))
            }
            State::Failed => Err(WaitError::Failed(self.failure().await?.ok_or(WaitError::Missing)?)),
            State::Cancelled => Err(WaitError::Cancelled),
            State::Scheduled | State::Enqueued | State::Processing => Ok(None),
        }
    }
}

impl<Response> Clone for JobHandle<Response> {
    fn clone(&self) -> Self {
        Self { flow: self.flow.clone(), id: self.id, response: PhantomData }
    }
}

impl<Response> fmt::Debug for JobHandle<Response> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobHandle").field("flow", self.flow.name()).field("id", &self.id).finish()
    }
}

/// Why there is no result to wait for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum WaitError {
    /// The job failed.
    Failed(JobError),
    /// The job was cancelled.
    Cancelled,
    /// There is no such job, or none any more.
    Missing,
    /// The result is of another type.
    Undecodable(String),
    /// The engine could not answer.
    Engine(EngineError),
}

impl fmt::Display for WaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => error.fmt(f),
            Self::Cancelled => f.write_str("the job was cancelled"),
            Self::Missing => f.write_str("there is no such job"),
            Self::Undecodable(error) => write!(f, "the job's result is of another type: {error}"),
            Self::Engine(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for WaitError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Failed(error) => Some(error),
            Self::Engine(error) => Some(error),
            _ => None,
        }
    }
}

impl From<EngineError> for WaitError {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

/// How a job was when it was asked.
#[derive(Clone, Debug)]
pub struct JobStatus(Record);

impl JobStatus {
    /// The job's id.
    pub fn id(&self) -> JobId {
        self.0.job.id
    }

    /// Where it is in its life.
    pub fn state(&self) -> State {
        self.0.state
    }

    /// When it was made.
    pub fn created(&self) -> Stamp {
        self.0.created
    }

    /// When its latest attempt was claimed.
    pub fn started(&self) -> Option<Stamp> {
        self.0.started
    }

    /// When it ended.
    pub fn ended(&self) -> Option<Stamp> {
        self.0.ended
    }

    /// The attempt that runs, or how many have ended.
    pub fn attempt(&self) -> u32 {
        self.0.attempt()
    }

    /// The latest report of its latest attempt.
    pub fn progress(&self) -> Option<&Arc<Progress>> {
        self.0.progress.as_ref()
    }

    /// Whether it was asked to stop.
    pub fn cancel_requested(&self) -> bool {
        self.0.mark > Mark::None
    }

    /// Grows with each change.
    pub fn version(&self) -> u64 {
        self.0.version
    }
}
