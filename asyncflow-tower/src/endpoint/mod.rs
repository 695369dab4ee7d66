//! The endpoints. A new one: a variant of [`Endpoint`] with its place, its method and its arm in `start`, and its file beside this one.

mod cancel;
mod configure;
mod delete;
mod enqueue;
mod error;
mod result;
mod status;

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use asyncflow_core::{FlowRef, JobId};
use http::{HeaderMap, HeaderValue, Method};
use http_body::Body;

use crate::{
    answer::{Answer, Wire, id_text, links::Links, problem::Refusal},
    body::BoxError,
    headers::{Present, etag, prefer::Prefer},
    owner::AnyOwnerHook,
};

pub use configure::EndpointService;
pub use error::ErrorDetail;

pub(crate) use configure::{LayerOf, Layered, layered};
pub(crate) use enqueue::Receive;

/// What can be asked of a flow and of its jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Endpoint {
    /// `POST /data`: submits a job.
    Enqueue,
    /// `GET /data/{id}/status`, and `GET /data/{id}`: how a job is.
    Status,
    /// `GET /data/{id}/result`: what a job returned.
    Result,
    /// `GET /data/{id}/error`: why a job failed.
    Error,
    /// `POST /data/{id}/cancel`: asks a job to stop.
    Cancel,
    /// `DELETE /data/{id}`: asks a job to stop, and forgets it.
    Delete,
}

/// The paths of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Flow,
    Job,
    Status,
    Result,
    Error,
    Cancel,
}

impl Place {
    pub(crate) const ALL: [Self; 6] = [Self::Flow, Self::Job, Self::Status, Self::Result, Self::Error, Self::Cancel];

    /// The place of this name below a job.
    pub(crate) fn below_job(name: &str) -> Option<Self> {
        Some(match name {
            "status" => Self::Status,
            "result" => Self::Result,
            "error" => Self::Error,
            "cancel" => Self::Cancel,
            _ => return None,
        })
    }
}

impl Endpoint {
    pub(crate) const ALL: [Self; 6] =
        [Self::Enqueue, Self::Status, Self::Result, Self::Error, Self::Cancel, Self::Delete];

    /// The endpoint that a method names at a place; `HEAD` counts as `GET`.
    pub(crate) fn at(place: Place, method: &Method) -> Option<Self> {
        Some(match (place, method) {
            (Place::Flow, &Method::POST) => Self::Enqueue,
            (Place::Job | Place::Status, &Method::GET | &Method::HEAD) => Self::Status,
            (Place::Job, &Method::DELETE) => Self::Delete,
            (Place::Result, &Method::GET | &Method::HEAD) => Self::Result,
            (Place::Error, &Method::GET | &Method::HEAD) => Self::Error,
            (Place::Cancel, &Method::POST) => Self::Cancel,
            _ => return None,
        })
    }

    /// Begins to answer a call.
    pub(crate) fn start(self, call: Call, body: &impl Body) -> Answering {
        macro_rules! run {
            ($endpoint:ident) => {
                Answering::Run(Box::pin(async move {
                    let answer = $endpoint::answer(&call).await;
                    call.settle(answer)
                }))
            };
        }
        match self {
            Self::Enqueue => enqueue::start(call, body),
            Self::Status => run!(status),
            Self::Result => run!(result),
            Self::Error => run!(error),
            Self::Cancel => run!(cancel),
            Self::Delete => run!(delete),
        }
    }
}

/// An answer that is being made.
pub(crate) type Running = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// An endpoint at work.
pub(crate) enum Answering {
    /// It reads the request's body; none once it has.
    Receive(Option<Receive>),
    /// It asks the engine.
    Run(Running),
    /// It is done; none once the answer is taken.
    Done(Option<Answer>),
}

impl Answering {
    /// # Panics
    /// It is polled again after it was ready.
    pub(crate) fn poll<B>(&mut self, cx: &mut Context<'_>, mut body: Pin<&mut B>) -> Poll<Answer>
    where
        B: Body,
        B::Error: Into<BoxError>,
    {
        loop {
            match self {
                Self::Receive(reading) => {
                    if let Some(receive) = reading {
                        if let Err(answer) = ready!(receive.poll(cx, body.as_mut())) {
                            return Poll::Ready(answer);
                        }
                    }
                    *self = reading.take().map_or(Self::Done(None), |receive| Self::Run(receive.submit()));
                }
                Self::Run(running) => return running.as_mut().poll(cx),
                Self::Done(answer) => match answer.take() {
                    Some(answer) => return Poll::Ready(answer),
                    None => panic!("polled after it was ready"),
                },
            }
        }
    }
}

/// One flow, as one service answers for it.
pub(crate) struct Mount {
    pub(crate) flow: FlowRef,
    pub(crate) wire: Arc<Wire>,
    pub(crate) owner: Option<Arc<dyn AnyOwnerHook>>,
    pub(crate) error_detail: ErrorDetail,
    /// In seconds.
    pub(crate) wait_cap: u32,
    /// How long idempotency keys are kept; as long as the engine does unless set.
    pub(crate) key_retention: Option<Duration>,
    /// The media types that the flow takes.
    pub(crate) accept: HeaderValue,
}

/// One request to one endpoint, past its owner hook.
pub(crate) struct Call {
    mount: Arc<Mount>,
    /// The flow as the request's owner sees it, where there is an owner hook.
    owned: Option<FlowRef>,
    place: Place,
    /// The job; none where the path has no id in its place.
    id: Option<JobId>,
    headers: HeaderMap,
    present: Present,
}

impl Call {
    pub(crate) fn new(
        mount: Arc<Mount>,
        owned: Option<FlowRef>,
        place: Place,
        id: Option<JobId>,
        headers: HeaderMap,
    ) -> Self {
        let present = Present::of(&headers);
        Self { mount, owned, place, id, headers, present }
    }

    fn flow(&self) -> &FlowRef {
        self.owned.as_ref().unwrap_or(&self.mount.flow)
    }

    /// The job that the path names. An id that is none is that of a job that there never was.
    fn job(&self) -> Result<JobId, Refusal> {
        self.id.ok_or_else(Refusal::not_found)
    }

    fn prefer(&self) -> Prefer {
        if self.present.prefer { Prefer::read(&self.headers, self.mount.wait_cap) } else { Prefer::default() }
    }

    /// Whether the client says that it knows this version of what it asks for.
    fn knows(&self, version: u64) -> bool {
        self.present.if_none_match && etag::is_known(&self.headers, version)
    }

    fn links(&self, id: JobId) -> Links<'_> {
        Links { wire: &self.mount.wire, flow: self.mount.flow.name(), id: id_text(id), place: self.place }
    }

    fn settle(&self, answer: Result<Answer, Refusal>) -> Answer {
        answer.unwrap_or_else(|refusal| refusal.answer(&self.mount.wire))
    }
}
