#![doc = "Async functions as jobs that are followed by id."]
mod clock;
mod job;
mod policy;
pub mod state;
pub mod store;
pub use clock::*;
pub use job::*;
pub use policy::*;
