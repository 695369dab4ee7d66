//! [`FlowLayer`]: the flows in front of a service that answers everything else.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    body::{BoxError, FlowBody},
    future::FlowFuture,
    service::FlowService,
};

/// Answers the flows' requests and passes all others on, untouched: whatever is neither a flow's own path nor has a job's id as its second
/// segment goes to the inner service.
///
/// ```
/// # use asyncflow_core::FlowEngine; use asyncflow_tower::{FlowLayer, FlowService};
/// # fn app<S>(engine: FlowEngine, inner: S) -> impl Sized {
/// use tower_layer::Layer;
/// FlowLayer::new(FlowService::new(engine)).layer(inner)
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct FlowLayer {
    flows: FlowService,
}

impl FlowLayer {
    /// A layer that answers what this service answers.
    pub fn new(flows: FlowService) -> Self {
        Self { flows }
    }
}

impl<S> Layer<S> for FlowLayer {
    type Service = WithFlows<S>;

    fn layer(&self, inner: S) -> WithFlows<S> {
        WithFlows { flows: self.flows.clone(), inner }
    }
}

/// A service with flows in front of it; made by [`FlowLayer`].
#[derive(Clone, Debug)]
pub struct WithFlows<S> {
    flows: FlowService,
    inner: S,
}

impl<S, B, R> Service<Request<B>> for WithFlows<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    B: Body + 'static,
    B::Error: Into<BoxError>,
    R: Body,
    R::Error: Into<BoxError>,
{
    type Response = Response<EitherBody<R>>;
    type Error = S::Error;
    type Future = WithFlowsFuture<B, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The inner service was polled ready in place, so it is called in place.
        match self.flows.find_own(request.uri().path()) {
            Some(route) => WithFlowsFuture { answer: Whose::Ours { ours: route.enter(request) } },
            None => WithFlowsFuture { answer: Whose::Theirs { theirs: self.inner.call(request) } },
        }
    }
}

pin_project! {
    /// The answer of a [`WithFlows`], on its way.
    pub struct WithFlowsFuture<B, F> {
        #[pin]
        answer: Whose<FlowFuture<B>, F>,
    }
}

pin_project! {
    /// The body of an answer: the flows' own, or the inner service's.
    pub struct EitherBody<R> {
        #[pin]
        body: Whose<FlowBody, R>,
    }
}

pin_project! {
    #[project = Pinned]
    enum Whose<O, T> {
        Ours { #[pin] ours: O },
        Theirs { #[pin] theirs: T },
    }
}

impl<B, F, R, E> Future for WithFlowsFuture<B, F>
where
    B: Body,
    B::Error: Into<BoxError>,
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<EitherBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match self.project().answer.project() {
            Pinned::Ours { ours } => {
                let Ok(answer) = ready!(ours.poll(cx));
                Ok(answer.map(|ours| EitherBody { body: Whose::Ours { ours } }))
            }
            Pinned::Theirs { theirs } => ready!(theirs.poll(cx)).map(|answer| answer.map(EitherBody::theirs)),
        })
    }
}

impl<B, F> fmt::Debug for WithFlowsFuture<B, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WithFlowsFuture")
    }
}

impl<R> EitherBody<R> {
    pub(crate) fn theirs(theirs: R) -> Self {
        Self { body: Whose::Theirs { theirs } }
    }
}

impl<R> Body for EitherBody<R>
where
    R: Body,
    R::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.project().body.project() {
            Pinned::Ours { ours } => ours.poll_frame(cx),
            Pinned::Theirs { theirs } => theirs.poll_frame(cx).map(|frame| {
                let frame = frame?.map_err(Into::into);
                Some(frame.map(|frame| frame.map_data(|mut data| data.copy_to_bytes(data.remaining()))))
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.body {
            Whose::Ours { ours } => ours.is_end_stream(),
            Whose::Theirs { theirs } => theirs.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            Whose::Ours { ours } => ours.size_hint(),
            Whose::Theirs { theirs } => theirs.size_hint(),
        }
    }
}

impl<R> fmt::Debug for EitherBody<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.body {
            Whose::Ours { ours } => ours.fmt(f),
            Whose::Theirs { .. } => f.write_str("EitherBody(the inner service's)"),
        }
    }
}
