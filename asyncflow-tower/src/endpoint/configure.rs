//! One endpoint with layers around it.

use std::{
    convert::Infallible,
    fmt,
    future::poll_fn,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use http::{Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use super::{Endpoint, Mount, Running};
use crate::{
    answer::problem::{Problem, Refusal},
    body::{BoxError, FlowBody, RequestBody},
    future::FlowFuture,
    route::Path,
};

/// One endpoint of one flow, as the layers around it see it: called, it answers as it would without them, the owner hook included.
///
/// It answers requests to its own path and method alone: a layer that changes these gets a `404`.
#[derive(Clone)]
pub struct EndpointService {
    mount: Arc<Mount>,
    endpoint: Endpoint,
}

impl EndpointService {
    pub(crate) fn new(mount: Arc<Mount>, endpoint: Endpoint) -> Self {
        Self { mount, endpoint }
    }

    /// Which endpoint it is.
    pub fn endpoint(&self) -> Endpoint {
        self.endpoint
    }

    /// The name of its flow.
    pub fn flow(&self) -> &str {
        self.mount.flow.name()
    }
}

impl<B> Service<Request<B>> for EndpointService
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
        let own = Path::parse(request.uri().path(), &self.mount.wire.prefix).and_then(|path| {
            let place = path.place?;
            let own = path.flow == self.flow() && Endpoint::at(place, request.method()) == Some(self.endpoint);
            own.then_some((place, path.id))
        });
        match own {
            Some((place, id)) => FlowFuture::start(self.endpoint, self.mount.clone(), place, id, request),
            None => FlowFuture::refused(Refusal::not_found(), &self.mount.wire, request),
        }
    }
}

impl fmt::Debug for EndpointService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointService").field("flow", &self.flow()).field("endpoint", &self.endpoint).finish()
    }
}

/// A layered endpoint, whatever its type.
pub(crate) trait Layered: Send + Sync {
    fn call(&self, request: Request<RequestBody>) -> Running;
}

/// Puts layers around an endpoint.
pub(crate) type LayerOf = Arc<dyn Fn(EndpointService) -> Box<dyn Layered> + Send + Sync>;

pub(crate) fn layered<L, R>(layer: L) -> LayerOf
where
    L: Layer<EndpointService> + Send + Sync + 'static,
    L::Service: Service<Request<RequestBody>, Response = Response<R>, Error: Into<BoxError>, Future: Send + 'static>
        + Clone
        + Send
        + 'static,
    R: Body<Error: Into<BoxError>> + Send + 'static,
{
    Arc::new(move |endpoint| {
        let mount = endpoint.mount.clone();
        Box::new(Outermost { service: Mutex::new(layer.layer(endpoint)), mount })
    })
}

struct Outermost<S> {
    /// Locked to be cloned alone; not every service is `Sync`.
    service: Mutex<S>,
    mount: Arc<Mount>,
}

impl<S, R> Layered for Outermost<S>
where
    S: Service<Request<RequestBody>, Response = Response<R>, Error: Into<BoxError>, Future: Send + 'static>
        + Clone
        + Send
        + 'static,
    R: Body<Error: Into<BoxError>> + Send + 'static,
{
    fn call(&self, request: Request<RequestBody>) -> Running {
        let mut service = self.service.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mount = self.mount.clone();
        Box::pin(async move {
            let answer = match poll_fn(|cx| service.poll_ready(cx)).await.map_err(Into::into) {
                Ok(()) => service.call(request).await.map_err(Into::<BoxError>::into),
                Err(error) => Err(error),
            };
            match answer {
                Ok(answer) => answer.map(FlowBody::foreign),
                // Layers fail when they are too slow, too full or closed; one that refuses answers by itself.
                Err(error) => Refusal::new(Problem::Unavailable, "a layer around this endpoint let nothing through")
                    .because(error)
                    .answer(&mount.wire),
            }
        })
    }
}
