//! A small HTTP/1.1 client that hides nothing: it sends the very bytes it is given, and an answer that is not well
//! formed to the letter is an error.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// How long a server may keep us waiting before we say that it hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// An HTTP answer, as it was on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// The codes of the `1xx` answers that came before this one.
    pub(super) interim: Vec<u16>,
    /// The status code.
    pub(super) status: u16,
    /// The words behind the status code.
    pub(super) reason: String,
    /// The headers in the order in which they came, names in lower case.
    pub(super) headers: Vec<(String, String)>,
    /// The body, without the framing.
    pub(super) body: Bytes,
}

/// A connection to a server; dropping it closes it.
#[derive(Debug)]
pub(super) struct Connection {
    reader: Reader,
    writer: OwnedWriteHalf,
}

impl Connection {
    /// Opens a connection.
    pub(super) async fn open(address: SocketAddr) -> io::Result<Self> {
        let (input, writer) = TcpStream::connect(address).await?.into_split();
        Ok(Self { reader: Reader { input, buffer: Vec::new() }, writer })
    }

    /// Sends bytes, and returns once the system has taken them.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        patiently(self.writer.write_all(bytes)).await
    }

    /// Says that nothing more will be sent.
    pub(super) async fn finish_sending(&mut self) -> io::Result<()> {
        self.writer.shutdown().await
    }

    /// Sends pieces until the answer is there or the pieces are used up, as a server may answer before it has read everything, and
    /// returns the answer. `method` tells whether that may have a body.
    pub(super) async fn exchange(
        &mut self,
        pieces: impl IntoIterator<Item = Bytes>,
        method: &str,
    ) -> io::Result<Answer> {
        let Self { reader, writer } = self;
        let send = async {
            for piece in pieces {
                // A server that has answered may close: what it then refuses to take is no failure.
                if writer.write_all(&piece).await.is_err() {
                    break;
                }
            }
            std::future::pending::<Infallible>().await
        };
        patiently(async {
            tokio::select! {
                biased;
                answer = reader.answer(method) => answer,
                never = send => match never {},
            }
        })
        .await
    }

    /// Whether there is more than was asked for.
    pub(super) fn has_more(&self) -> bool {
        !self.reader.buffer.is_empty()
    }

    /// Whether the server keeps silent for so long: no byte, and the connection stays open.
    pub(super) async fn is_silent_for(&mut self, time: Duration) -> bool {
        self.reader.buffer.is_empty() && tokio::time::timeout(time, self.reader.more()).await.is_err()
    }

    /// What the server still sends until it closes the connection.
    pub(super) async fn rest(mut self) -> io::Result<Bytes> {
        patiently(async {
            while self.reader.more().await? {}
            Ok(())
        })
        .await?;
        Ok(self.reader.buffer.into())
    }
}

#[derive(Debug)]
struct Reader {
    input: OwnedReadHalf,
    buffer: Vec<u8>,
}

impl Reader {
    async fn answer(&mut self, method: &str) -> io::Result<Answer> {
        let mut interim = Vec::new();
        loop {
            let mut answer = self.head().await?;
            if (100..200).contains(&answer.status) {
                interim.push(answer.status);
                continue;
            }
            answer.interim = interim;
            answer.body = self.body(method, &answer).await?;
            return Ok(answer);
        }
    }

    async fn head(&mut self) -> io::Result<Answer> {
        let status_line = self.line().await?;
        let status = status_line
            .strip_prefix("HTTP/1.1 ")
            .and_then(|line| line.split_once(' '))
            .and_then(|(code, reason)| Some((code.parse().ok().filter(|_| code.len() == 3)?, reason.to_owned())));
        let (status, reason) = status.ok_or_else(|| malformed("status line", &status_line))?;
        let mut headers = Vec::new();
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                return Ok(Answer { interim: Vec::new(), status, reason, headers, body: Bytes::new() });
            }
            let (name, value) = line.split_once(':').ok_or_else(|| malformed("header", &line))?;
            if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)) {
                return Err(malformed("header name", name));
            }
            headers.push((name.to_ascii_lowercase(), value.trim_matches([' ', '\t']).to_owned()));
        }
    }

    async fn body(&mut self, method: &str, head: &Answer) -> io::Result<Bytes> {
        let (lengths, codings) = (head.all("content-length"), head.all("transfer-encoding"));
        if method == "HEAD" || matches!(head.status, 204 | 304) {
            return Ok(Bytes::new());
        }
        match (lengths.as_slice(), codings.as_slice()) {
            ([length], []) => {
                let length = length.parse().map_err(|_| malformed("content-length", length))?;
                self.take(length).await
            }
            ([], ["chunked"]) => self.chunks().await,
            ([], []) => {
                while self.more().await? {}
                Ok(std::mem::take(&mut self.buffer).into())
            }
            _ => Err(malformed("framing", &format!("content-length {lengths:?}, transfer-encoding {codings:?}"))),
        }
    }

    async fn chunks(&mut self) -> io::Result<Bytes> {
        let mut body = Vec::new();
        loop {
            let line = self.line().await?;
            let size = usize::from_str_radix(&line, 16).map_err(|_| malformed("chunk size", &line))?;
            if size == 0 {
                break;
            }
            body.extend_from_slice(&self.take(size).await?);
            let end = self.line().await?;
            if !end.is_empty() {
                return Err(malformed("end of a chunk", &end));
            }
        }
        match self.line().await? {
            end if end.is_empty() => Ok(body.into()),
            trailer => Err(malformed("trailer", &trailer)),
        }
    }

    /// One line without its CRLF.
    async fn line(&mut self) -> io::Result<String> {
        let end = loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\r\n") {
                break end;
            }
            self.need_more().await?;
        };
        let line = self.take(end).await?;
        self.take(2).await?;
        String::from_utf8(line.into()).map_err(|error| malformed("line", &error.as_bytes().escape_ascii().to_string()))
    }

    async fn take(&mut self, length: usize) -> io::Result<Bytes> {
        while self.buffer.len() < length {
            self.need_more().await?;
        }
        let rest = self.buffer.split_off(length);
        Ok(std::mem::replace(&mut self.buffer, rest).into())
    }

    async fn need_more(&mut self) -> io::Result<()> {
        if self.more().await? {
            return Ok(());
        }
        let seen = self.buffer.escape_ascii().to_string();
        Err(io::Error::new(io::ErrorKind::UnexpectedEof, format!("the server closed after {seen:?}")))
    }

    /// Reads what there is; `false` once the server has closed.
    async fn more(&mut self) -> io::Result<bool> {
        Ok(self.input.read_buf(&mut self.buffer).await? > 0)
    }
}

impl Answer {
    /// All values of a header.
    pub(super) fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
    }
}

fn malformed(what: &str, text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("malformed {what}: {text:?}"))
}

async fn patiently<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// What the client makes of an answer that consists of these bytes.
    async fn read(method: &str, bytes: &'static [u8]) -> io::Result<Answer> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let mut connection = Connection::open(listener.local_addr()?).await?;
        let (mut server, _) = listener.accept().await?;
        server.write_all(bytes).await?;
        drop(server);
        connection.exchange([], method).await
    }

    #[tokio::test]
    async fn a_body_is_framed_by_its_length_by_chunks_or_by_the_end() {
        for answer in [
            b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc".as_slice(),
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\nabc",
        ] {
            assert_eq!(read("GET", answer).await.unwrap().body, "abc");
        }
    }

    #[tokio::test]
    async fn where_there_can_be_no_body_none_is_read() {
        let head = read("HEAD", b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n").await.unwrap();
        assert_eq!((head.all("content-length"), &*head.body), (vec!["3"], b"".as_slice()));
        read("GET", b"HTTP/1.1 304 Not Modified\r\ncontent-length: 3\r\n\r\n").await.unwrap();
    }

    #[tokio::test]
    async fn headers_keep_their_order_and_their_repetition() {
        let answer = read("GET", b"HTTP/1.1 204 No Content\r\nB: 1\r\na:2 \r\nb: 3\r\n\r\n").await.unwrap();
        let headers: Vec<_> = answer.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(headers, [("b", "1"), ("a", "2"), ("b", "3")]);
        assert_eq!(answer.all("b"), ["1", "3"]);
    }

    #[tokio::test]
    async fn what_is_malformed_is_an_error() {
        for answer in [
            b"".as_slice(),
            b"HTTP/1.0 200 OK\r\n\r\n",
            b"HTTP/1.1 200\r\n\r\n",
            b"HTTP/1.1 20 OK\r\n\r\n",
            b"HTTP/1.1 200 OK\n\n",
            b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nbad name: x\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nabc",
            b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\nabc",
            b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 3\r\n\r\nabc",
            b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\nabc",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nabc",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n",
        ] {
            assert!(read("GET", answer).await.is_err(), "{}", answer.escape_ascii());
        }
    }
}
