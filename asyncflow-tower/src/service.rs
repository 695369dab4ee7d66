//! [`FlowService`]: an engine's flows over HTTP.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use asyncflow_core::FlowEngine;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use crate::{
    body::{BoxError, FlowBody},
    builder::FlowServiceBuilder,
    future::FlowFuture,
    router::{Route, Router},
};

/// Answers the endpoints of an engine's flows. Cheap to clone; mount it wherever a `tower` service of any body goes.
///
/// It routes below wherever it is mounted, `/data` for a flow `data`, and spawns nothing: it can be called from any executor.
/// What can be set is in [`FlowServiceBuilder`].
#[derive(Clone, Debug)]
pub struct FlowService {
    router: Arc<Router>,
}

impl FlowService {
    /// All flows of an engine, with every setting as it comes.
    ///
    /// Without an owner hook, **knowing a job's id is the right to it**.
    pub fn new(engine: FlowEngine) -> Self {
        FlowServiceBuilder::new(engine).assemble()
    }

    /// Settings for a service of this engine's flows.
    pub fn builder(engine: FlowEngine) -> FlowServiceBuilder {
        FlowServiceBuilder::new(engine)
    }

    pub(crate) fn of(router: Router) -> Self {
        Self { router: Arc::new(router) }
    }

    /// Where a path leads, if to what a layer answers.
    pub(crate) fn find_own(&self, path: &str) -> Option<Route<'_>> {
        self.router.find_own(path)
    }
}

impl<B> Service<Request<B>> for FlowService
where
    B: Body + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<FlowBody>;
    type Error = Infallible;
    type Future = FlowFuture<B>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> FlowFuture<B> {
        match self.router.find(request.uri().path()) {
            Some(route) => route.enter(request),
            None => self.router.lost(request),
        }
    }
}
