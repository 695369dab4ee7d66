//! Collects a request's body, no more of it than is allowed.

use bytes::{Buf, Bytes};
use http::{HeaderMap, header::CONTENT_LENGTH};
use http_body::Body;

/// What is known of a body's length before any of it is read. Either source may be lost on the way through a framework.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Announced {
    /// At least so many bytes.
    pub(crate) bytes: u64,
    /// There is no body.
    pub(crate) empty: bool,
}

impl Announced {
    pub(crate) fn of(headers: &HeaderMap, body: &impl Body) -> Self {
        let header = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.trim().parse().ok());
        let bytes = header.unwrap_or(0).max(body.size_hint().lower());
        Self { bytes, empty: bytes == 0 && (header.is_some() || body.is_end_stream()) }
    }
}

/// The smallest and the largest piece that a body is gathered in.
const PIECES: (usize, usize) = (4 << 10, 1 << 20);

/// The body so far. One of a single frame is not copied; others are gathered in growing pieces, which are joined at the end: a buffer that
/// grew would leave as much behind, and bodies that are refused in the end must not cost that.
#[derive(Debug)]
pub(crate) struct Collected {
    limit: usize,
    length: usize,
    first: Bytes,
    pieces: Vec<Vec<u8>>,
}

/// The body is larger than the limit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLarge;

impl Collected {
    /// Nothing yet, of `limit` bytes at most.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, length: 0, first: Bytes::new(), pieces: Vec::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// Adds a frame's bytes.
    pub(crate) fn push(&mut self, mut data: impl Buf) -> Result<(), TooLarge> {
        let more = data.remaining();
        if more > self.limit - self.length {
            return Err(TooLarge);
        }
        if self.length == 0 {
            self.first = data.copy_to_bytes(more);
            self.length = more;
            return Ok(());
        }
        let first = std::mem::take(&mut self.first);
        self.gather(&first);
        self.length += more;
        while data.has_remaining() {
            let chunk = data.chunk();
            self.gather(chunk);
            let read = chunk.len();
            data.advance(read);
        }
        Ok(())
    }

    fn gather(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match self.pieces.last_mut().filter(|piece| piece.len() < piece.capacity()) {
                Some(piece) => {
                    let (now, later) = bytes.split_at(bytes.len().min(piece.capacity() - piece.len()));
                    piece.extend_from_slice(now);
                    bytes = later;
                }
                None => self.pieces.push(Vec::with_capacity(self.length.clamp(PIECES.0, PIECES.1))),
            }
        }
    }

    /// All that came.
    pub(crate) fn finish(mut self) -> Bytes {
        match self.pieces.len() {
            0 => self.first,
            1 => self.pieces.swap_remove(0).into(),
            _ => self.pieces.concat().into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        pin::Pin,
        task::{Context, Poll},
    };

    use http::HeaderValue;
    use http_body::Frame;
    use http_body_util::{Empty, Full};

    use super::*;

    /// Of a length that only its end shows.
    struct Unknown;

    impl Body for Unknown {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(None)
        }
    }

    #[test]
    fn one_frame_is_not_copied_and_more_are_joined() {
        let mut body = Collected::new(6);
        let frame = Bytes::from_static(b"abc");
        body.push(Bytes::new()).unwrap();
        body.push(frame.clone()).unwrap();
        assert_eq!(body.len(), 3);
        body.push(Bytes::new()).unwrap();
        body.push(&b"de"[..]).unwrap();
        assert_eq!(body.push(&b"fg"[..]), Err(TooLarge));
        let piece = body.pieces[0].as_ptr();
        let joined = body.finish();
        assert_eq!((&joined[..], joined.as_ptr()), (&b"abcde"[..], piece), "what fits into one piece is joined once");
        let mut body = Collected::new(3);
        body.push(frame.clone()).unwrap();
        assert_eq!(body.finish().as_ptr(), frame.as_ptr());
        assert_eq!(Collected::new(2).push(frame), Err(TooLarge));
    }

    #[test]
    fn many_frames_are_joined_as_they_came() {
        let frames: Vec<Vec<u8>> = (0..5000_usize).map(|n| vec![n as u8; n % 1400]).collect();
        let all = frames.concat();
        let mut body = Collected::new(all.len());
        for frame in &frames {
            body.push(&frame[..]).unwrap();
        }
        assert_eq!(body.len(), all.len());
        assert_eq!(body.push(&b"x"[..]), Err(TooLarge));
        assert!(body.pieces.iter().all(|piece| (PIECES.0..=PIECES.1).contains(&piece.capacity())));
        assert!(body.pieces.len() < 20, "the pieces grow: {}", body.pieces.len());
        assert!(body.finish() == all);
    }

    #[test]
    fn a_length_is_known_by_header_or_by_body() {
        let announced = |length: Option<&'static str>, body: &dyn Fn(&HeaderMap) -> Announced| {
            let mut headers = HeaderMap::new();
            if let Some(length) = length {
                headers.insert(CONTENT_LENGTH, HeaderValue::from_static(length));
            }
            body(&headers)
        };
        let full = |headers: &HeaderMap| Announced::of(headers, &Full::new(Bytes::from_static(b"abc")));
        let empty = |headers: &HeaderMap| Announced::of(headers, &Empty::<Bytes>::new());
        let unknown = |headers: &HeaderMap| Announced::of(headers, &Unknown);
        assert_eq!(announced(None, &full), Announced { bytes: 3, empty: false });
        assert_eq!(announced(None, &empty), Announced { bytes: 0, empty: true });
        assert_eq!(announced(None, &unknown), Announced { bytes: 0, empty: false });
        assert_eq!(announced(Some("0"), &unknown), Announced { bytes: 0, empty: true });
        assert_eq!(announced(Some("5"), &unknown), Announced { bytes: 5, empty: false });
        for wrong in ["-1", "x", "1, 1", "99999999999999999999999", ""] {
            assert_eq!(announced(Some(wrong), &unknown), Announced { bytes: 0, empty: false }, "{wrong}");
        }
    }
}
