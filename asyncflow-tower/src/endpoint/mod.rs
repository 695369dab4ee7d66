//! The endpoints. A new one: a variant of [`Endpoint`] with its place (both also in their `ALL`), its method and its arm in `start`, and its
//! file beside this one.

mod answering;
mod call;
mod cancel;
mod configure;
mod delete;
mod enqueue;
mod error;
mod result;
mod status;

use http::Method;
use http_body::Body;

pub use configure::EndpointService;
pub use error::ErrorDetail;

pub(crate) use answering::{Answering, Running};
pub(crate) use call::{Call, Mount};
pub(crate) use configure::{LayerOf, Layered, layered};

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
