//! A service's settings, checked when it is built.

use std::{fmt, sync::Arc, time::Duration};

use asyncflow_core::{FlowEngine, FlowRef};
use http::{HeaderValue, Request, Response, Uri};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    answer::{Wire, naming::Naming},
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
        self.check()?;
        Ok(self.assemble())
    }

    /// Settings that [`check`](Self::check) has passed, or that are as they come.
    pub(crate) fn assemble(self) -> FlowService {
        let wire = Arc::new(Wire {
            naming: self.naming,
            prefix: self.prefix.trim_end_matches('/').into(),
            base_url: self.base_url.as_deref().map(|url| url.trim_end_matches('/').into()),
            problem_base: problem_base(&self.problem_base).into(),
        });
        let flows = self.served().into_iter().filter_map(|name| self.engine.flow_ref(&name));
        let entries = flows.map(|flow| {
            let own = self.own.iter().filter(|(name, _)| **name == **flow.name());
            let config = own.fold(self.all.clone(), |before, (_, config)| config.clone().over(&before));
            entry(flow, config, wire.clone())
        });
        FlowService::of(Router::new(wire.clone(), entries.collect()))
    }

    /// The names of the flows that are answered for.
    fn served(&self) -> Vec<Arc<str>> {
        let all = self.engine.flow_names().into_iter();
        all.filter(|name| self.flows.is_empty() || self.flows.iter().any(|flow| **flow == **name)).collect()
    }

    fn check(&self) -> Result<(), InvalidSetting> {
        let wrong = |setting, why| Err(InvalidSetting::new(setting, why));
        for flow in &self.flows {
            if self.engine.flow_ref(flow).is_none() {
                return wrong(
                    "flow",
                    format!("the engine has no flow `{flow}`, but {}", listed(&self.engine.flow_names())),
                );
            }
        }
        let served = self.served();
        for (flow, _) in &self.own {
            if !served.iter().any(|name| **name == **flow) {
                return wrong("configure", format!("the service has no flow `{flow}`, but {}", listed(&served)));
            }
        }
        for config in std::iter::once(&self.all).chain(self.own.iter().map(|(_, config)| config)) {
            config.check()?;
        }
        let prefix = self.prefix.trim_end_matches('/');
        let why = match prefix {
            "" => None,
            _ if !prefix.starts_with('/') => Some("does not start with a slash"),
            _ if prefix.contains("//") => Some("has an empty segment"),
            _ if !prefix.bytes().all(is_path) => {
                Some("has what is percent-encoded in the paths of URLs, or not part of them")
            }
            _ => None,
        };
        if let Some(why) = why {
            return wrong("prefix", format!("`{prefix}` {why}: write a path as it is in URLs, such as `/jobs`"));
        }
        if let Some(url) = &self.base_url {
            let whole = url.parse::<Uri>().is_ok_and(|uri| uri.scheme().is_some() && uri.authority().is_some());
            if !whole || !url.bytes().all(|byte| is_path(byte) || b"[]".contains(&byte)) {
                let why =
                    "is not absolute: write scheme, host and path, without a query, such as `https://example.com/jobs`";
                return wrong("base_url", format!("`{url}` {why}"));
            }
        }
        let scheme = self.problem_base.split_once(':').map_or("", |(scheme, _)| scheme);
        let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
        if !is_scheme || !self.problem_base.bytes().all(|byte| is_path(byte) || b"[]?#".contains(&byte)) {
            let why = "is no absolute URI: write one such as `https://example.com/problems/`";
            return wrong("problem_base", format!("`{}` {why}", self.problem_base));
        }
        Ok(())
    }
}

fn entry(flow: FlowRef, config: FlowConfig, wire: Arc<Wire>) -> Entry {
    let accept = HeaderValue::from_str(&flow.takes_list().join(", "))
        .unwrap_or(const { HeaderValue::from_static("application/json") });
    let mount = Arc::new(Mount {
        flow,
        wire,
        owner: config.owner,
        error_detail: config.error_detail.unwrap_or_default(),
        // The check refused what is longer than the number is large.
        wait_cap: config.wait_cap.unwrap_or(WAIT_CAP).as_secs().try_into().unwrap_or(u32::MAX),
        key_retention: config.key_retention,
        accept,
    });
    let endpoints = Endpoint::ALL.map(|endpoint| match &config.endpoints[endpoint as usize] {
        None => Access::Open,
        Some(Switch::Off) => Access::Off,
        Some(Switch::Layered(layer)) => Access::Layered(layer(EndpointService::new(mount.clone(), endpoint))),
    });
    Entry::new(mount, endpoints)
}

/// With something between it and the names that follow.
fn problem_base(uri: &str) -> String {
    if uri.ends_with(|last: char| last.is_ascii_alphanumeric()) { [uri, "/"].concat() } else { uri.to_owned() }
}

/// Whether a byte may stand in a path of a URL, and in a header and a JSON string as it is.
fn is_path(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"/-._~%!$&'()*+,;=:@".contains(&byte)
}

fn listed(names: &[Arc<str>]) -> String {
    if names.is_empty() { "none at all".to_owned() } else { format!("`{}`", names.join("`, `")) }
}

/// A setting that cannot be honoured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidSetting {
    setting: &'static str,
    why: String,
}

impl InvalidSetting {
    pub(crate) fn new(setting: &'static str, why: String) -> Self {
        Self { setting, why }
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
