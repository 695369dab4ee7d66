//! Flows that block or compute: run off the async threads.

use std::{fmt, marker::PhantomData};

use tokio::task::JoinHandle;

use super::{BoxError, Flow, FromPayload, IntoPayload, JobContext};
use crate::worker::carry;

/// Makes a flow of a function that blocks its thread or computes for long: it runs on tokio's threads for that.
///
/// Such a function cannot be dropped. It should look at [`JobContext::is_cancelled`] now and then; until it returns, its place among the
/// jobs that run at once stays taken, and a drain does not hand its job over.
///
/// ```
/// # use asyncflow_core::{blocking, JobContext};
/// let count = blocking(|text: String, job: JobContext| {
///     Ok::<_, std::convert::Infallible>(text.lines().take_while(|_| !job.is_cancelled()).count())
/// });
/// ```
pub fn blocking<F, Request, Response, Error>(function: F) -> Blocking<F, Request>
where
    F: Fn(Request, JobContext) -> Result<Response, Error>,
{
    Blocking { function: std::sync::Arc::new(function), request: PhantomData }
}

/// A blocking function as a flow: see [`blocking`].
pub struct Blocking<F, Request> {
    function: std::sync::Arc<F>,
    request: PhantomData<fn(Request)>,
}

impl<F, Request> fmt::Debug for Blocking<F, Request> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blocking").finish_non_exhaustive()
    }
}

/// A body on its way to a thread: one that found none before its handler was dropped never begins.
struct Body<T>(JoinHandle<T>);

impl<T> Drop for Body<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<F, Request, Response, Error> Flow for Blocking<F, Request>
where
    F: Fn(Request, JobContext) -> Result<Response, Error> + Send + Sync + 'static,
    Request: FromPayload + Send + 'static,
    Response: IntoPayload + Send + 'static,
    Error: Into<BoxError> + Send + 'static,
{
    type Request = Request;
    type Response = Response;
    type Error = Error;

    async fn process(&self, request: Request, job: JobContext) -> Result<Response, Error> {
        let function = self.function.clone();
        let busy = job.busy();
        let mut body = Body(tokio::task::spawn_blocking(move || {
            // Held until the body has really ended, also when nobody waits for it any more.
            let _busy = busy;
            carry(|| function(request, job))
        }));
        match (&mut body.0).await {
            Ok(result) => result.unwrap_or_else(|panic| panic.resume()),
            // The runtime shuts down, and nobody asks any more.
            Err(_) => std::future::pending().await,
        }
    }
}
