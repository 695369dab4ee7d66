//! Flows without their types: generic code ends here.

use std::{
    any::{Any, TypeId},
    borrow::Cow,
    panic::catch_unwind,
    sync::Arc,
};

use super::{
    Attempt, BoxError, DecodeError, Flow, FromPayload, Handler, IntoPayload, JobContext,
    again::{Again, What},
    wrap::Ending,
};
use crate::{job::JobError, state::Wish, store::Part};

/// A request that was read, on its way to the handler.
pub(crate) type Decoded = Box<dyn Any + Send>;

/// What the engine knows of a flow.
pub(crate) trait AnyFlow: Send + Sync {
    /// The types of request and response, with their names.
    fn types(&self) -> [(TypeId, &'static str); 2];
    /// The media types that requests may have.
    fn accepts(&self) -> &'static [&'static str];
    /// Reads a request.
    fn decode(&self, request: &Part) -> Result<Decoded, DecodeError>;
    /// Starts the handler on a request that [`decode`](Self::decode) read; `None` where this node has no handler.
    fn start(self: Arc<Self>, request: Decoded, job: JobContext, max_result: usize) -> Option<Handler>;
    /// Whether this node has the handler.
    fn runs(&self) -> bool;
}

/// A flow with its handler.
pub(crate) struct Erased<F>(pub(crate) F);

impl<F: Flow> AnyFlow for Erased<F> {
    fn types(&self) -> [(TypeId, &'static str); 2] {
        types::<F::Request, F::Response>()
    }

    fn accepts(&self) -> &'static [&'static str] {
        F::Request::accepts()
    }

    fn decode(&self, request: &Part) -> Result<Decoded, DecodeError> {
        decode::<F::Request>(request)
    }

    fn start(self: Arc<Self>, request: Decoded, job: JobContext, max_result: usize) -> Option<Handler> {
        let request = request.downcast::<F::Request>().ok()?;
        Some(Box::pin(async move {
            match self.0.process(*request, job).await {
                Ok(response) => encode(response, max_result),
                Err(error) => failure(F::error_type(&error), error.into()),
            }
        }))
    }

    fn runs(&self) -> bool {
        true
    }
}

/// A flow that other nodes run.
pub(crate) struct Remote<Request, Response>(pub(crate) std::marker::PhantomData<fn(Request) -> Response>);

impl<Request: FromPayload + Send + 'static, Response: 'static> AnyFlow for Remote<Request, Response> {
    fn types(&self) -> [(TypeId, &'static str); 2] {
        types::<Request, Response>()
    }

    fn accepts(&self) -> &'static [&'static str] {
        Request::accepts()
    }

    fn decode(&self, request: &Part) -> Result<Decoded, DecodeError> {
        decode::<Request>(request)
    }

    fn start(self: Arc<Self>, _: Decoded, _: JobContext, _: usize) -> Option<Handler> {
        None
    }

    fn runs(&self) -> bool {
        false
    }
}

fn types<Request: 'static, Response: 'static>() -> [(TypeId, &'static str); 2] {
    use std::any::type_name;
    [(TypeId::of::<Request>(), type_name::<Request>()), (TypeId::of::<Response>(), type_name::<Response>())]
}

/// A type's own reading may be a user's code: its panic is an error of the request that made it.
fn decode<Request: FromPayload + Send + 'static>(request: &Part) -> Result<Decoded, DecodeError> {
    match catch_unwind(|| Request::from_payload(request)) {
        Ok(request) => Ok(Box::new(request?)),
        Err(_) => Err(DecodeError::mismatch("the request cannot be read: its type panicked on it")),
    }
}

fn encode(response: impl IntoPayload, max_result: usize) -> Attempt {
    match response.into_payload() {
        Ok(result) if result.bytes.len() > max_result => Attempt::failed(
            JobError::RESULT_TOO_LARGE,
            format!("the result has {} bytes, and its flow allows {max_result}", result.bytes.len()),
        ),
        Ok(result) => Attempt(Ending::Succeeded(result)),
        Err(error) => Attempt(Ending::Failed(JobError::of(JobError::UNENCODABLE_RESULT, &*error), Wish::Never)),
    }
}

/// What becomes of an error, named so where it does not ask for something itself.
pub(super) fn failure(kind: Cow<'static, str>, error: BoxError) -> Attempt {
    let (kind, wish) = match Again::within(&*error) {
        Some(Again { what: What::Snooze(delay), .. }) => return Attempt(Ending::Snoozed(*delay)),
        // Where the wish is all of the error, its own source's type says more than it does.
        Some(again) => (
            if error.is::<Again>() { again.kind.into() } else { kind },
            match again.what {
                What::After(delay) => Wish::After(delay),
                _ => Wish::Never,
            },
        ),
        None => (kind, Wish::Policy),
    };
    Attempt(Ending::Failed(JobError::of(kind, &*error), wish))
}
