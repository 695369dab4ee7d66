//! From a place to the endpoint that answers there, or to the refusal.

use std::{fmt, sync::Arc};

use asyncflow_core::JobId;
use http::{HeaderValue, Method, Request, StatusCode, header::ALLOW};
use http_body::Body;

use crate::{
    answer::{
        Wire, empty, header_value,
        problem::{Problem, Refusal},
    },
    endpoint::{Endpoint, Layered, Mount, Place},
    future::FlowFuture,
    route::Path,
};

/// The flows of a service.
pub(crate) struct Router {
    pub(crate) wire: Arc<Wire>,
    /// In the order of their names.
    entries: Box<[Entry]>,
}

/// One flow of a service.
pub(crate) struct Entry {
    mount: Arc<Mount>,
    endpoints: [Access; Endpoint::ALL.len()],
    /// What each place allows; none: there is no such place.
    allow: [Option<HeaderValue>; Place::ALL.len()],
}

/// How an endpoint is reached.
pub(crate) enum Access {
    Open,
    Off,
    Layered(Box<dyn Layered>),
}

/// Where a path leads.
pub(crate) struct Route<'a> {
    router: &'a Router,
    entry: &'a Entry,
    /// None: there is no such path.
    place: Option<Place>,
    id: Option<JobId>,
}

impl Router {
    pub(crate) fn new(wire: Arc<Wire>, mut entries: Vec<Entry>) -> Self {
        entries.sort_by(|one, other| one.name().cmp(other.name()));
        Self { wire, entries: entries.into() }
    }

    /// Where a path leads, if to one of the flows.
    pub(crate) fn find(&self, path: &str) -> Option<Route<'_>> {
        let path = Path::parse(path, &self.wire.prefix)?;
        let found = self.entries.binary_search_by(|entry| entry.name().cmp(path.flow)).ok()?;
        Some(Route { router: self, entry: self.entries.get(found)?, place: path.place, id: path.id })
    }

    /// Where a path leads, if to what a layer answers: a flow's own path, unless nothing is on there, or one of a job. All else is the
    /// inner service's.
    pub(crate) fn find_own(&self, path: &str) -> Option<Route<'_>> {
        self.find(path).filter(|route| match route.place {
            Some(Place::Flow) => route.entry.allow[Place::Flow as usize].is_some(),
            _ => route.id.is_some(),
        })
    }

    /// Refuses a path that leads nowhere.
    pub(crate) fn lost<B: Body>(&self, request: Request<B>) -> FlowFuture<B> {
        FlowFuture::refused(Refusal::not_found(), &self.wire, request)
    }
}

impl Entry {
    pub(crate) fn new(mount: Arc<Mount>, endpoints: [Access; Endpoint::ALL.len()]) -> Self {
        let allow = Place::ALL.map(|place| {
            let open = |method: &Method| {
                let endpoint = Endpoint::at(place, method)?;
                (!matches!(endpoints[endpoint as usize], Access::Off)).then(|| method.to_string())
            };
            let methods = [Method::GET, Method::HEAD, Method::POST, Method::DELETE];
            let mut methods: Vec<String> = methods.iter().filter_map(open).collect();
            (!methods.is_empty()).then(|| {
                methods.push(Method::OPTIONS.to_string());
                header_value(methods.join(", "))
            })
        });
        Self { mount, endpoints, allow }
    }

    fn name(&self) -> &str {
        self.mount.flow.name()
    }
}

impl Route<'_> {
    /// Goes where the method leads.
    pub(crate) fn enter<B: Body>(self, request: Request<B>) -> FlowFuture<B> {
        let Self { router, entry, place, id } = self;
        let place = place.and_then(|place| Some((place, entry.allow[place as usize].as_ref()?)));
        let Some((place, allow)) = place else { return router.lost(request) };
        let endpoint =
            Endpoint::at(place, request.method()).map(|endpoint| (endpoint, &entry.endpoints[endpoint as usize]));
        match endpoint {
            Some((endpoint, Access::Open)) => FlowFuture::start(endpoint, entry.mount.clone(), place, id, request),
            Some((_, Access::Layered(layers))) => FlowFuture::layered(&**layers, request),
            _ if request.method() == Method::OPTIONS => {
                let mut answer = empty(StatusCode::NO_CONTENT);
                answer.headers_mut().insert(ALLOW, allow.clone());
                FlowFuture::ready(answer, request)
            }
            _ => {
                let refusal = Refusal::new(Problem::MethodNotAllowed, "this path has other methods");
                FlowFuture::refused(refusal.header(ALLOW, allow.clone()), &router.wire, request)
            }
        }
    }
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.entries.iter().map(Entry::name)).finish()
    }
}
