//! Hands a request's body, of whatever type, to a layered endpoint, which takes one type alone.
//!
//! The body stays in the service's own future, and is read there only when it is asked for; so it need not be `Send`.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};

use super::BoxError;

/// The body of a request as the layers around an endpoint see it.
///
/// It can be read until the request is answered; who still reads it later, in a task of its own, gets an error.
pub struct RequestBody(Arc<Mutex<Pipe>>);

/// The end of the pipe that the body feeds.
pub(crate) struct Feed(Arc<Mutex<Pipe>>);

struct Pipe {
    /// What was read and not yet taken.
    frame: Option<Result<Frame<Bytes>, BoxError>>,
    /// What the body said of itself after that.
    left: SizeHint,
    ended: bool,
    wanted: bool,
    reader: Option<Waker>,
    feeder: Option<Waker>,
}

/// A pipe for this body.
pub(crate) fn pipe(body: &impl Body) -> (Feed, RequestBody) {
    let pipe = Arc::new(Mutex::new(Pipe {
        frame: None,
        left: body.size_hint(),
        ended: body.is_end_stream(),
        wanted: false,
        reader: None,
        feeder: None,
    }));
    (Feed(pipe.clone()), RequestBody(pipe))
}

fn lock(pipe: &Mutex<Pipe>) -> MutexGuard<'_, Pipe> {
    // Nothing that is done under the lock leaves the pipe half changed.
    pipe.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Feed {
    /// Reads one frame of the body into the pipe, if it is wanted and there: whether the reader has something to go on with.
    pub(crate) fn poll<B>(&self, cx: &mut Context<'_>, body: Pin<&mut B>) -> bool
    where
        B: Body,
        B::Error: Into<BoxError>,
    {
        {
            let mut pipe = lock(&self.0);
            if !pipe.wanted {
                match &mut pipe.feeder {
                    Some(feeder) => feeder.clone_from(cx.waker()),
                    none => *none = Some(cx.waker().clone()),
                }
                return false;
            }
        }
        let mut body = body;
        let Poll::Ready(frame) = body.as_mut().poll_frame(cx) else { return false };
        let mut pipe = lock(&self.0);
        pipe.wanted = false;
        pipe.left = body.size_hint();
        pipe.ended = !matches!(frame, Some(Ok(_))) || body.is_end_stream();
        pipe.frame = frame.map(|frame| match frame {
            Ok(frame) => Ok(frame.map_data(|mut data| data.copy_to_bytes(data.remaining()))),
            Err(error) => Err(error.into()),
        });
        let reader = pipe.reader.take();
        drop(pipe);
        if let Some(reader) = reader {
            reader.wake();
        }
        true
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        let mut pipe = lock(&self.0);
        if !pipe.ended && pipe.frame.is_none() {
            pipe.frame = Some(Err("the request was answered before its body was read".into()));
        }
        pipe.ended = true;
        let reader = pipe.reader.take();
        drop(pipe);
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut pipe = lock(&self.0);
        if let Some(frame) = pipe.frame.take() {
            return Poll::Ready(Some(frame));
        }
        if pipe.ended {
            return Poll::Ready(None);
        }
        pipe.wanted = true;
        pipe.reader = Some(cx.waker().clone());
        let feeder = pipe.feeder.take();
        drop(pipe);
        if let Some(feeder) = feeder {
            feeder.wake();
        }
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        let pipe = lock(&self.0);
        pipe.ended && pipe.frame.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let pipe = lock(&self.0);
        let read = match &pipe.frame {
            Some(Ok(frame)) => frame.data_ref().map_or(0, |data| data.len() as u64),
            _ => 0,
        };
        let mut left = SizeHint::new();
        if let Some(upper) = pipe.left.upper() {
            left.set_upper(upper.saturating_add(read));
        }
        left.set_lower(pipe.left.lower().saturating_add(read));
        left
    }
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RequestBody")
    }
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Feed")
    }
}
