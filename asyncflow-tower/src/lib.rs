//! A tower Service and Layer that answer the endpoints of AsyncFlow's jobs over HTTP.

mod answer;
mod body;
mod builder;
mod config;
mod endpoint;
mod future;
mod headers;
mod layer;
mod owner;
mod route;
mod router;
mod service;

pub use answer::{EXPOSED_HEADERS, naming::Naming};
pub use asyncflow_core;
pub use body::{BoxError, FlowBody, RequestBody};
pub use builder::{FlowServiceBuilder, InvalidSetting};
pub use config::FlowConfig;
pub use endpoint::{Endpoint, EndpointService, ErrorDetail};
pub use future::FlowFuture;
pub use layer::{EitherBody, FlowLayer, WithFlows, WithFlowsFuture};
pub use owner::{OwnerHook, Refused};
pub use service::FlowService;
