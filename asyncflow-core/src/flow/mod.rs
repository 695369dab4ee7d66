//! A flow: an async function that becomes a kind of job.

mod again;
mod blocking;
mod context;
mod erased;
mod into_flow;
mod json;
mod payload;
#[cfg(all(test, asyncflow_shuttle))]
mod schedules;
mod wrap;

use std::{borrow::Cow, future::Future};

pub use again::Again;
pub use blocking::{Blocking, blocking};
pub use context::JobContext;
pub(crate) use context::{Running, Stop};
pub(crate) use erased::{AnyFlow, Decoded, Erased, Remote};
pub use into_flow::{FnFlow, IntoFlow, IsFlow, IsFn};
pub use payload::{DecodeError, FromPayload, IntoPayload, Raw};
pub(crate) use wrap::Ending;
pub use wrap::{Attempt, Handler, Wrap};

/// Any error, owned.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// A kind of job: what it is given, what it gives, and how.
///
/// Implement it with a plain `async fn`; a function or closure of a request and a [`JobContext`] that returns a `Result` is a flow as well.
/// The handler may start more than once for one job (after a crash, or by its retry policy): at least once, not exactly once.
///
/// ```
/// use asyncflow_core::{Flow, JobContext, Progress};
///
/// struct Greet;
///
/// impl Flow for Greet {
///     type Request = String;
///     type Response = String;
///     type Error = std::convert::Infallible;
///
///     async fn process(&self, name: String, job: JobContext) -> Result<String, Self::Error> {
///         job.progress(Progress::new("greeting").percentage(50));
///         Ok(format!("hello, {name}"))
///     }
/// }
/// ```
pub trait Flow: Send + Sync + 'static {
    /// What a job is given: a serde type (as JSON), or any type that reads itself from bytes.
    type Request: FromPayload + Send + 'static;
    /// What a job gives: a serde type (as JSON), or any type that writes itself as bytes.
    type Response: IntoPayload + Send + 'static;
    /// Why a job fails. [`Again`] within it asks for another attempt, for none, or for a snooze.
    type Error: Into<BoxError> + Send + 'static;

    /// Runs one attempt.
    ///
    /// The future is dropped when the job's cancellation or timeout was ignored for the grace period, and when a drain's patience ends:
    /// what must not be cut in two belongs in a task of its own.
    fn process(
        &self,
        request: Self::Request,
        job: JobContext,
    ) -> impl Future<Output = Result<Self::Response, Self::Error>> + Send;

    /// The error's type, as the wire names it: the last segment of the error type's name unless said otherwise.
    fn error_type(error: &Self::Error) -> Cow<'static, str> {
        let _ = error;
        Cow::Borrowed(last_segment(std::any::type_name::<Self::Error>()))
    }
}

/// `ArgumentError` of `app::errors::ArgumentError`; one word for errors that hide their type.
fn last_segment(name: &'static str) -> &'static str {
    if name.contains("dyn ") || name == std::any::type_name::<&str>() {
        return "Error";
    }
    let plain = name.split('<').next().unwrap_or(name);
    match plain.rsplit("::").next().unwrap_or(plain) {
        "String" => "Error",
        segment => segment,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_named_by_the_last_segment_of_its_type() {
        assert_eq!(last_segment(std::any::type_name::<std::io::Error>()), "Error");
        assert_eq!(last_segment("app::ArgumentError"), "ArgumentError");
        assert_eq!(last_segment("app::Wrong<app::Inner>"), "Wrong");
        assert_eq!(last_segment(std::any::type_name::<BoxError>()), "Error");
        assert_eq!(last_segment(std::any::type_name::<String>()), "Error");
        assert_eq!(last_segment(std::any::type_name::<&'static str>()), "Error");
    }
}
