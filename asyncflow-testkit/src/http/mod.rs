//! The HTTP conformance suite: what every mount of a [`FlowService`](asyncflow_tower::FlowService) answers, over real sockets.
//!
//! Whoever mounts the service into another framework runs the [`Suite`] against it, with a function that serves it on a free port:
//!
//! ```no_run
//! use asyncflow_testkit::http::{Server, Suite};
//!
//! #[tokio::main]
//! async fn main() {
//!     Suite::new(|service| {
//!         let app = axum::Router::new().nest_service("/jobs", service);
//!         async { Server::bind(|listener| async { drop(axum::serve(listener, app).await) }).await.below("/jobs") }
//!     })
//!     .verify()
//!     .await;
//! }
//! ```
//!
//! Each case is about one behaviour, has the behaviour's sentence as its name, and plays against nodes and a store of its own. Its client
//! sends exact bytes and normalises nothing. What a case asks is not all: every answer is also held against the rules that hold for all
//! answers, and [`Suite::verify`] compares all that was said with what bare [`hyper`](hyper()) says, ids and times being masked.
//!
//! Of what a framework's own parser or router refuses, just that it is refused is asked.

mod cases;
mod exchange;
mod flows;
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
