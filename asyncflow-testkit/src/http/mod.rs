//! The HTTP conformance suite: every row of the wire contract, over real sockets, for whatever serves a [`FlowService`].
//!
//! [`FlowService`]: asyncflow_tower::FlowService

mod cases;
mod exchange;
mod flows;
mod outage;
mod probe;
mod reference;
mod request;
mod rules;
mod stage;
mod suite;
mod transcript;
mod wire;
mod world;

pub use reference::hyper;
pub use suite::{Server, Suite};
pub use transcript::Transcript;
