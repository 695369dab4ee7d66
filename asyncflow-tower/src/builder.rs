//! A service's settings, checked when it is built.

use std::{fmt, sync::Arc, time::Duration};

use asyncflow_core::{FlowEngine, FlowRef};
use http::{HeaderValue, Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    answer::{Wire, header_value, naming::Naming},
    body::{BoxError, RequestBody},
    config::{FlowConfig, Switch},
    endpoint::{Endpoint, EndpointService, ErrorDetail, Mount},
    owner::OwnerHook,
    router::{Access, Entry, Router},
    service::FlowService,
};

/// Before the names of problem types unless set.
const PROBLEM_BASE: &str = "https://asyncflow.dev/problems/";
/// The longest wait unless set.
const WAIT_CAP: Duration = Duration::from_secs(25);

/// Settings for a [`FlowService`].
///
/// ```
/// # use asyncflow_core::FlowEngine; use asyncflow_tower::*;
/// # fn build(engine: FlowEngine) -> Result<FlowService, InvalidSetting> {
/// FlowService::builder(engine)
///     .naming(Naming::CamelCase)
///     .base_url("https://example.com/jobs")
///     .configure("data", |flow| flow.off(Endpoint::Delete).error_detail(ErrorDetail::Opaque))
///     .build()
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a service is there once it is built"]
pub struct FlowServiceBuilder {
    engine: FlowEngine,
    naming: Naming,
    prefix: String,
    base_url: Option<String>,
    problem_base: String,
    /// None are named: all.
    flows: Vec<String>,
    all: FlowConfig,
    own: Vec<(String, FlowConfig)>,
}

impl FlowServiceBuilder {
    pub(crate) fn new(engine: FlowEngine) -> Self {
        Self {
            engine,
            naming: Naming::default(),
            prefix: String::new(),
            base_url: None,
            problem_base: PROBLEM_BASE.to_owned(),
            flows: Vec::new(),
            all: FlowConfig::default(),
            own: Vec::new(),
        }
    }

    /// How the members of JSON are called; [`Naming::Mixed`] unless set.
    pub fn naming(mut self, naming: Naming) -> Self {
        self.naming = naming;
        self
    }

    /// The path before every flow, such as `/jobs`, for servers that don't cut it off where they mount the service; none unless set.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// The public URL under which the service is mounted, its path included: URLs in headers are absolute then. Unless set they are
    /// relative references, which are right behind any proxy; but some clients insist on absolute ones.
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = Some(url.into());
        self
    }

    /// The absolute URI before the names of problem types; `https://asyncflow.dev/problems/` unless set.
    pub fn problem_base(mut self, uri: impl Into<String>) -> Self {
        self.problem_base = uri.into();
        self
    }

    /// Answers for this flow, and for others that are named so; for all where none is. It is at the path of its name all the same.
    pub fn flow(mut self, name: impl Into<String>) -> Self {
        self.flows.push(name.into());
        self
    }

    /// Sets something for one flow alone.
    pub fn configure(mut self, flow: impl Into<String>, set: impl FnOnce(FlowConfig) -> FlowConfig) -> Self {
        self.own.push((flow.into(), set(FlowConfig::default())));
        self
    }

    /// Sets something for every flow that doesn't set it itself.
    pub fn configure_all(mut self, set: impl FnOnce(FlowConfig) -> FlowConfig) -> Self {
        self.all = set(self.all);
        self
    }

    /// [`FlowConfig::owner`] for every flow.
    pub fn owner(self, hook: impl OwnerHook) -> Self {
        self.configure_all(|flow| flow.owner(hook))
    }

    /// [`FlowConfig::error_detail`] for every flow.
    pub fn error_detail(self, detail: ErrorDetail) -> Self {
        self.configure_all(|flow| flow.error_detail(detail))
    }

    /// [`FlowConfig::wait_cap`] for every flow.
    pub fn wait_cap(self, cap: Duration) -> Self {
        self.configure_all(|flow| flow.wait_cap(cap))
    }

    /// [`FlowConfig::off`] for every flow.
    pub fn off(self, endpoint: Endpoint) -> Self {
        self.configure_all(|flow| flow.off(endpoint))
    }

    /// [`FlowConfig::layer`] for every flow.
    pub fn layer<L, R>(self, endpoint: Endpoint, layer: L) -> Self
    where
        L: Layer<EndpointService> + Send + Sync + 'static,
        L::Service: Service<Request<RequestBody>, Response = Response<R>, Error: Into<BoxError>, Future: Send + 'static>
            + Clone
            + Send
            + 'static,
        R: Body<Error: Into<BoxError>> + Send + 'static,
    {
        self.configure_all(|flow| flow.layer(endpoint, layer))
    }

    /// The service.
    ///
    /// # Errors
    /// A flow is named that the engine or the service doesn't have, or a value that cannot be honoured; the error names the setting.
    pub fn build(self) -> Result<FlowService, InvalidSetting> {
        todo!()
    }
}

/// A setting that cannot be honoured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidSetting {
    setting: &'static str,
    why: String,
}

impl InvalidSetting {
    fn new(setting: &'static str, why: impl Into<String>) -> Self {
        Self { setting, why: why.into() }
    }

    /// The setting's name: that of the method that sets it.
    pub fn setting(&self) -> &'static str {
        self.setting
    }
}

impl fmt::Display for InvalidSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "setting `{}`: {}", self.setting, self.why)
    }
}

impl std::error::Error for InvalidSetting {}
