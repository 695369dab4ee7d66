//! The body of an answer.

use std::{
    any::Any,
    fmt,
    pin::Pin,
    sync::{Mutex, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::BoxError;
use crate::layer::EitherBody;

/// The body of an answer: bytes whose number is known, or whatever a layer around an endpoint made of them.
#[derive(Default)]
pub struct FlowBody(Kind);

enum Kind {
    Bytes(Bytes),
    /// A layer's body need not be `Sync`; the lock is never contended.
    Foreign(Mutex<Pin<Box<dyn Body<Data = Bytes, Error = BoxError> + Send>>>),
}

impl Default for Kind {
    fn default() -> Self {
        Self::Bytes(Bytes::new())
    }
}

impl FlowBody {
    /// All of the body, for servers that build their answers from bytes.
    ///
    /// # Errors
    /// The body itself, where a layer around the endpoint made it a stream.
    pub fn into_bytes(self) -> Result<Bytes, Self> {
        match self.0 {
            Kind::Bytes(bytes) => Ok(bytes),
            foreign => Err(Self(foreign)),
        }
    }

    /// What a layer answered with.
    pub(crate) fn foreign<B>(body: B) -> Self
    where
        B: Body + Send + 'static,
        B::Error: Into<BoxError>,
    {
        // Most layers leave the body as it is.
        let mut body = Some(body);
        match (&mut body as &mut dyn Any).downcast_mut::<Option<Self>>().and_then(Option::take) {
            Some(ours) => ours,
            None => {
                body.map(|body| Self(Kind::Foreign(Mutex::new(Box::pin(EitherBody::theirs(body)))))).unwrap_or_default()
            }
        }
    }
}

impl From<Bytes> for FlowBody {
    fn from(bytes: Bytes) -> Self {
        Self(Kind::Bytes(bytes))
    }
}

impl From<Vec<u8>> for FlowBody {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl Body for FlowBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.get_mut().0 {
            Kind::Bytes(bytes) if bytes.is_empty() => Poll::Ready(None),
            Kind::Bytes(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Kind::Foreign(body) => body.get_mut().unwrap_or_else(PoisonError::into_inner).as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Bytes(bytes) => bytes.is_empty(),
            Kind::Foreign(body) => body.lock().unwrap_or_else(PoisonError::into_inner).is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Bytes(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Foreign(body) => body.lock().unwrap_or_else(PoisonError::into_inner).size_hint(),
        }
    }
}

/// Shows no payload.
impl fmt::Debug for FlowBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Bytes(bytes) => write!(f, "FlowBody({} bytes)", bytes.len()),
            Kind::Foreign(_) => f.write_str("FlowBody(a layer's)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, Full};

    use super::*;

    #[test]
    fn it_goes_wherever_a_server_wants_it() {
        fn takes<T: Send + Sync + Unpin + 'static>() {}
        takes::<FlowBody>();
    }

    #[tokio::test]
    async fn its_length_is_known_and_its_bytes_are_given_back() {
        let body = FlowBody::from(b"abc".to_vec());
        assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(3), false));
        assert_eq!(body.into_bytes().unwrap(), "abc");
        assert!(FlowBody::default().is_end_stream());
        assert_eq!(FlowBody::from(b"abc".to_vec()).collect().await.unwrap().to_bytes(), "abc");
    }

    #[tokio::test]
    async fn a_layers_body_passes_through() {
        let kept = FlowBody::foreign(FlowBody::from(b"abc".to_vec()));
        assert_eq!(kept.into_bytes().unwrap(), "abc");
        let foreign = FlowBody::foreign(Full::new(std::collections::VecDeque::from(b"abc".to_vec())));
        assert_eq!(foreign.size_hint().exact(), Some(3));
        let foreign = foreign.into_bytes().unwrap_err();
        assert_eq!(foreign.collect().await.unwrap().to_bytes(), "abc");
    }
}
