//! What can be set for one flow.

use std::{fmt, sync::Arc, time::Duration};

use http::{Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    body::{BoxError, RequestBody},
    builder::InvalidSetting,
    endpoint::{Endpoint, EndpointService, ErrorDetail, LayerOf, layered},
    owner::{AnyOwnerHook, OwnerHook},
};

/// A day: no connection stays idle for longer.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);
/// The engine keeps keys no longer.
const LONGEST_RETENTION: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// How one flow is answered for, or all of them. What is not set for a flow is as it is set for all, or else the default.
#[derive(Clone, Default)]
#[must_use = "it is of effect once it is returned to the builder"]
pub struct FlowConfig {
    pub(crate) owner: Option<Arc<dyn AnyOwnerHook>>,
    pub(crate) error_detail: Option<ErrorDetail>,
    pub(crate) wait_cap: Option<Duration>,
    pub(crate) key_retention: Option<Duration>,
    pub(crate) endpoints: [Option<Switch>; Endpoint::ALL.len()],
}

/// How an endpoint is not as it comes.
#[derive(Clone)]
pub(crate) enum Switch {
    Off,
    Layered(LayerOf),
}

impl FlowConfig {
    /// Names the owner of each request, or refuses it; see [`OwnerHook`]. Unless set, there are no owners: **knowing a job's id is the
    /// right to it**, and all callers share the space of idempotency keys.
    pub fn owner(mut self, hook: impl OwnerHook) -> Self {
        self.owner = Some(Arc::new(hook));
        self
    }

    /// How much is shown of why a job failed; [`ErrorDetail::Causes`] unless set.
    pub fn error_detail(mut self, detail: ErrorDetail) -> Self {
        self.error_detail = Some(detail);
        self
    }

    /// The longest that a request waits for a job by `Prefer: wait`, in whole seconds; 25 s unless set, below the usual proxies' patience.
    pub fn wait_cap(mut self, cap: Duration) -> Self {
        self.wait_cap = Some(cap);
        self
    }

    /// How long an `Idempotency-Key` is remembered from its first use; 24 hours unless set.
    pub fn key_retention(mut self, keep: Duration) -> Self {
        self.key_retention = Some(keep);
        self
    }

    /// Switches an endpoint off: it drops out of its path's methods, and a path without any is not there. Behind a
    /// [`FlowLayer`](crate::FlowLayer), `/data` is the inner service's then; paths with a job's id never are.
    pub fn off(mut self, endpoint: Endpoint) -> Self {
        self.endpoints[endpoint as usize] = Some(Switch::Off);
        self
    }

    /// Puts a layer around an endpoint, outside its owner hook; one that answers by itself replaces the endpoint, and one that fails is
    /// answered for with `503`. Several layers are one by `tower::ServiceBuilder`; set again, the later one counts. Where one has a timeout,
    /// [`wait_cap`](Self::wait_cap) must be below it: the `503` would hide a job that was accepted.
    pub fn layer<L, R>(mut self, endpoint: Endpoint, layer: L) -> Self
    where
        L: Layer<EndpointService> + Send + Sync + 'static,
        L::Service: Service<Request<RequestBody>, Response = Response<R>, Error: Into<BoxError>, Future: Send + 'static>
            + Clone
            + Send
            + 'static,
        R: Body<Error: Into<BoxError>> + Send + 'static,
    {
        self.endpoints[endpoint as usize] = Some(Switch::Layered(layered(layer)));
        self
    }

    pub(crate) fn check(&self) -> Result<(), InvalidSetting> {
        let within = |setting, time: Option<Duration>, most: Duration| match time {
            Some(time) if time < Duration::from_secs(1) || time > most => {
                Err(InvalidSetting::new(setting, format!("{time:?} is not within a second and {most:?}")))
            }
            _ => Ok(()),
        };
        within("wait_cap", self.wait_cap, LONGEST_WAIT)?;
        within("key_retention", self.key_retention, LONGEST_RETENTION)
    }

    /// What is set here, and for the rest what is set for all.
    pub(crate) fn over(self, all: &Self) -> Self {
        let mut endpoints = self.endpoints;
        for (own, all) in endpoints.iter_mut().zip(&all.endpoints) {
            if own.is_none() {
                own.clone_from(all);
            }
        }
        Self {
            owner: self.owner.or_else(|| all.owner.clone()),
            error_detail: self.error_detail.or(all.error_detail),
            wait_cap: self.wait_cap.or(all.wait_cap),
            key_retention: self.key_retention.or(all.key_retention),
            endpoints,
        }
    }
}

impl fmt::Debug for FlowConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let switched = |switch: fn(&Switch) -> bool| -> Vec<Endpoint> {
            let is = |endpoint: &Endpoint| self.endpoints[*endpoint as usize].as_ref().is_some_and(switch);
            Endpoint::ALL.into_iter().filter(is).collect()
        };
        f.debug_struct("FlowConfig")
            .field("owner", &self.owner.is_some())
            .field("error_detail", &self.error_detail)
            .field("wait_cap", &self.wait_cap)
            .field("key_retention", &self.key_retention)
            .field("off", &switched(|switch| matches!(switch, Switch::Off)))
            .field("layered", &switched(|switch| matches!(switch, Switch::Layered(_))))
            .finish()
    }
}
