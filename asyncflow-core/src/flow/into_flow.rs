//! What can be registered as a flow: a type that implements it, or a function.

use std::{fmt, future::Future, marker::PhantomData};

use super::{BoxError, Flow, FromPayload, IntoPayload, JobContext};

/// What can be registered as a flow: any [`Flow`], and any `Fn(Request, JobContext) -> impl Future<Output = Result<Response, Error>>`.
///
/// `M` tells the two apart, and is inferred.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be registered as a flow",
    label = "neither a `Flow` nor an async function of a request and a `JobContext` that returns a `Result`",
    note = "a closure is written `|request: Request, job: JobContext| async move {{ … Ok::<_, Error>(response) }}`",
    note = "a function that blocks is wrapped: `blocking(|request: Request, job: JobContext| …)`"
)]
pub trait IntoFlow<M> {
    /// What it becomes.
    type Flow;

    /// Makes a flow of it.
    fn into_flow(self) -> Self::Flow;
}

/// Marks what is a [`Flow`] already.
#[derive(Debug)]
pub struct IsFlow;

/// Marks a function of `Request` that gives a `Fut`.
#[derive(Debug)]
pub struct IsFn<Request, Fut>(PhantomData<fn(Request) -> Fut>);

impl<F: Flow> IntoFlow<IsFlow> for F {
    type Flow = F;

    fn into_flow(self) -> F {
        self
    }
}

// The bounds that make it a flow are asked for where it is registered, so that what is missing is named there.
impl<F, Request, Fut, Response, Error> IntoFlow<IsFn<Request, Fut>> for F
where
    F: Fn(Request, JobContext) -> Fut,
    Fut: Future<Output = Result<Response, Error>>,
{
    type Flow = FnFlow<F, Request>;

    fn into_flow(self) -> Self::Flow {
        FnFlow { function: self, request: PhantomData }
    }
}

/// A function as a flow.
pub struct FnFlow<F, Request> {
    function: F,
    request: PhantomData<fn(Request)>,
}

impl<F, Request> fmt::Debug for FnFlow<F, Request> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FnFlow").finish_non_exhaustive()
    }
}

impl<F, Request, Fut, Response, Error> Flow for FnFlow<F, Request>
where
    F: Fn(Request, JobContext) -> Fut + Send + Sync + 'static,
    Request: FromPayload + Send + 'static,
    Fut: Future<Output = Result<Response, Error>> + Send,
    Response: IntoPayload + Send + 'static,
    Error: Into<BoxError> + Send + 'static,
{
    type Request = Request;
    type Response = Response;
    type Error = Error;

    fn process(&self, request: Request, job: JobContext) -> impl Future<Output = Result<Response, Error>> + Send {
        (self.function)(request, job)
    }
}
