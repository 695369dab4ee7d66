//! A request as it will be on the wire, to the byte.

use bytes::Bytes;

/// A request; what is not set is not sent.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) method: String,
    /// The target below the mount.
    pub(super) target: String,
    pub(super) headers: Vec<(String, Vec<u8>)>,
    /// What follows the empty line, framing included.
    pub(super) payload: Bytes,
}

impl Request {
    pub(super) fn new(method: &str, target: impl Into<String>) -> Self {
        Self { method: method.into(), target: target.into(), headers: Vec::new(), payload: Bytes::new() }
    }

    pub(super) fn get(target: impl Into<String>) -> Self {
        Self::new("GET", target)
    }

    pub(super) fn post(target: impl Into<String>) -> Self {
        Self::new("POST", target)
    }

    pub(super) fn delete(target: impl Into<String>) -> Self {
        Self::new("DELETE", target)
    }

    /// Adds a header, beside those of the same name.
    pub(super) fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.into(), value.as_ref().into()));
        self
    }

    /// A body of declared length.
    pub(super) fn body(self, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        self.with("content-length", body.len().to_string()).raw(body)
    }

    /// A body of declared length that says it is JSON.
    pub(super) fn json(self, body: impl Into<Bytes>) -> Self {
        self.with("content-type", "application/json").body(body)
    }

    /// A body in chunks.
    pub(super) fn chunked(self, chunks: &[&[u8]]) -> Self {
        let chunks = chunks.iter().copied().chain([b"".as_slice()]).map(chunk).collect::<Vec<_>>();
        self.with("transfer-encoding", "chunked").raw(chunks.concat())
    }

    /// Bytes to send behind the head, whatever the headers say of them.
    pub(super) fn raw(mut self, payload: impl Into<Bytes>) -> Self {
        self.payload = payload.into();
        self
    }

    /// Prefers to wait for so many seconds.
    pub(super) fn wait(self, seconds: u32) -> Self {
        self.with("prefer", format!("wait={seconds}"))
    }

    /// The bytes of the head, for a service that is mounted under `prefix`.
    pub(super) fn head(&self, prefix: &str) -> Bytes {
        let mut head =
            format!("{} {prefix}{} HTTP/1.1\r\nhost: conformance\r\n", self.method, self.target).into_bytes();
        for (name, value) in &self.headers {
            head.extend_from_slice(name.as_bytes());
            head.extend_from_slice(b": ");
            head.extend_from_slice(value);
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
        head.into()
    }
}

/// One chunk, framed; an empty one ends the body.
pub(super) fn chunk(data: &[u8]) -> Bytes {
    let mut framed = format!("{:x}\r\n", data.len()).into_bytes();
    framed.extend_from_slice(data);
    framed.extend_from_slice(b"\r\n");
    framed.into()
}
