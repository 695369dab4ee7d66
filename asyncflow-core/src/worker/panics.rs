//! A handler's panic ends its attempt, and nothing else.

use std::{
    any::Any,
    cell::Cell,
    future::Future,
    panic::{self, AssertUnwindSafe},
    pin::Pin,
    sync::Once,
    task::Context,
    task::Poll,
};

use crate::{
    flow::{Attempt, Ending, Handler},
    job::{JobError, bounded},
    state::Wish,
};

thread_local! {
    /// Where the latest panic of this thread happened.
    static PLACE: Cell<Option<String>> = const { Cell::new(None) };
}

/// Adds to the process's panic hook that it notes where a panic happens, for the developers' view of a job's error.
pub(crate) fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            PLACE.set(info.location().map(ToString::to_string));
            before(info);
        }));
    });
}

/// A panic on its way to another thread.
pub(crate) struct Carried {
    payload: Box<dyn Any + Send>,
    place: Option<String>,
}

impl Carried {
    /// Goes on with the panic on this thread, as if it had happened here where it did.
    pub(crate) fn resume(self) -> ! {
        PLACE.set(self.place);
        panic::resume_unwind(self.payload)
    }
}

/// Runs `f` on this thread for another one, which is to go on with its panic.
pub(crate) fn carry<T>(f: impl FnOnce() -> T) -> Result<T, Carried> {
    panic::catch_unwind(AssertUnwindSafe(f)).map_err(|payload| Carried { payload, place: PLACE.take() })
}

/// Polls a handler, and makes a failed attempt of its panic.
pub(super) fn poll(handler: &mut Handler, context: &mut Context<'_>) -> Poll<Attempt> {
    // The handler is not polled again after a panic.
    panic::catch_unwind(AssertUnwindSafe(|| Pin::new(handler).poll(context)))
        .unwrap_or_else(|payload| Poll::Ready(panicked(payload)))
}

/// Runs `f`, which may be a user's code, and makes a failed attempt of its panic.
pub(super) fn guard<T>(f: impl FnOnce() -> T) -> Result<T, Attempt> {
    panic::catch_unwind(AssertUnwindSafe(f)).map_err(panicked)
}

/// Drops what a user's code made, such as a handler that is stopped: it is over with or without a panic.
pub(super) fn discard<T>(value: T) {
    if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(|| drop(value))) {
        // It may panic again when it is dropped.
        std::mem::forget(payload);
    }
}

fn panicked(payload: Box<dyn Any + Send>) -> Attempt {
    let text = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a text");
    let place = PLACE.take().unwrap_or_else(|| "an unknown place".into());
    let mut error = JobError::new(JobError::PANICKED, "the job panicked");
    error.detail = Some(bounded(format!("panicked at {place}: {text}")));
    discard(payload);
    Attempt(Ending::Failed(error, Wish::Policy))
}
