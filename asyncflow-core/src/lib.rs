//! Turns async functions into jobs that are followed by id: flows, an engine, a store, an executor, and no HTTP.
//!
//! A job's whole truth is one record in a [`Store`], which is also the queue. An [`Executor`] brings jobs to workers sooner than they would
//! look for themselves. The [`FlowEngine`] joins the two by a pure state machine ([`state`]). So every store works with every executor, and
//! a crash loses nothing.

mod by_id;
mod chance;
mod clock;
mod engine;
mod executor;
mod flow;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod job;
mod pause;
mod policy;
#[cfg(all(test, asyncflow_shuttle))]
mod schedules;
pub mod state;
pub mod store;
mod sync;
mod trace;
mod worker;

pub use clock::{Clock, ManualClock, SystemClock, TokioClock};
pub use engine::{
    Cancelled, EngineBuilder, EngineError, FlowEngine, FlowHandle, FlowMismatch, FlowRef, FlowStats, Health,
    IdempotencyKey, IfLive, InvalidKey, JobHandle, JobStatus, Receiving, Role, ShutdownReport, StartError, Stats,
    SubmitError, SubmitOptions, Submitted, Timing, Until, WaitError,
};
pub use executor::{Executor, TokioExecutor};
pub use flow::{
    Again, Attempt, Blocking, BoxError, DecodeError, Flow, FnFlow, FromPayload, Handler, IntoFlow, IntoPayload, IsFlow,
    IsFn, JobContext, Raw, Wrap, blocking,
};
pub use job::{InvalidJobId, JobError, JobId, JobKey, Mark, Progress, Record, Stamp, State, Tally, Token};
pub use policy::{FlowOptions, FlowSettings, InvalidOptions, Limits, Policy, Rate, Retention, Retry, Settings};
pub use store::{MemoryStore, Store};
pub use worker::{Delivery, Worker};
