//! What is wrapped around handlers.

use std::{fmt, future::Future, pin::Pin, time::Duration};

use super::{BoxError, JobContext, erased, last_segment};
use crate::{job::JobError, state::Wish, store::Part};

/// A handler at work on one attempt.
pub type Handler = Pin<Box<dyn Future<Output = Attempt> + Send>>;

/// Wraps something around every attempt of every flow of an engine: logging, metrics, a context to set up. Like a tower layer, the last
/// one added is the outermost.
///
/// ```
/// use asyncflow_core::{Attempt, Handler, JobContext, Wrap};
///
/// struct Timed;
///
/// impl Wrap for Timed {
///     fn wrap(&self, job: JobContext, handler: Handler) -> Handler {
///         Box::pin(async move {
///             let began = std::time::Instant::now();
///             let attempt = handler.await;
///             println!("{} took {:?}: {:?}", job.id(), began.elapsed(), attempt);
///             attempt
///         })
///     }
/// }
/// ```
pub trait Wrap: Send + Sync + 'static {
    /// The handler to run instead. It is called before the attempt starts; what it does belongs into the future.
    fn wrap(&self, job: JobContext, handler: Handler) -> Handler;
}

/// How a handler ended by itself. `Debug` shows no payload.
pub struct Attempt(pub(crate) Ending);

pub(crate) enum Ending {
    Succeeded(Part),
    Failed(JobError, Wish),
    Snoozed(Duration),
}

impl Attempt {
    /// An attempt that failed with this error, for a wrap that does not run the handler at all: as if the handler had returned it,
    /// [`Again`](super::Again) included.
    pub fn failure<E: Into<BoxError>>(error: E) -> Self {
        erased::failure(last_segment(std::any::type_name::<E>()).into(), error.into())
    }

    /// Whether it succeeded.
    pub fn is_success(&self) -> bool {
        matches!(self.0, Ending::Succeeded(_))
    }

    /// Why it failed, where it did.
    pub fn error(&self) -> Option<&JobError> {
        match &self.0 {
            Ending::Failed(error, _) => Some(error),
            _ => None,
        }
    }

    /// For how long it put its job off, where it did.
    pub fn snoozed(&self) -> Option<Duration> {
        match self.0 {
            Ending::Snoozed(delay) => Some(delay),
            _ => None,
        }
    }

    pub(crate) fn failed(kind: &'static str, message: impl Into<String>) -> Self {
        Self(Ending::Failed(JobError::new(kind, message), Wish::Never))
    }
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Ending::Succeeded(part) => write!(f, "succeeded with {part:?}"),
            Ending::Failed(error, _) => write!(f, "failed with {error:?}"),
            Ending::Snoozed(delay) => write!(f, "snoozed for {delay:?}"),
        }
    }
}
