//! Bodies: those that come in, and those that go out.

mod flow_body;
mod pipe;
mod read;

pub use flow_body::FlowBody;
pub use pipe::RequestBody;

pub(crate) use pipe::{Feed, pipe};
pub(crate) use read::{Announced, Collected, TooLarge};

/// Any error of a body or a layer.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
