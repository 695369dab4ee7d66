//! A client of one connection.

use std::{io, net::SocketAddr};

use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Request,
    body::Bytes,
    client::conn::http1::{SendRequest, handshake},
};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{
    net::TcpStream,
    time::{Instant, timeout},
};

use super::process::{Demo, PATIENCE, pause};

/// A connection that is kept.
#[derive(Debug)]
pub(crate) struct Client {
    sender: SendRequest<Full<Bytes>>,
    patient: bool,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Client {
    pub(crate) async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        tokio::spawn(connection);
        Ok(Self { sender, patient: false })
    }

    /// From now on it asks again where the store could not be reached: with a short lease, a node waits for it not even half a second.
    pub(crate) fn patient(self) -> Self {
        Self { patient: true, ..self }
    }

    /// Sends a request with JSON, unless its headers say that it is something else.
    pub(crate) async fn try_send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> hyper::Result<Answer> {
        let mut request = Request::builder().method(method).uri(path).header("host", "demo");
        if !headers.iter().any(|(name, _)| *name == "content-type") {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).unwrap();
        let answer = async {
            self.sender.ready().await?;
            let (head, body) = self.sender.send_request(request).await?.into_parts();
            let body = body.collect().await?.to_bytes();
            Ok(Answer { status: head.status.as_u16(), headers: head.headers, body })
        };
        timeout(PATIENCE, answer).await.unwrap_or_else(|_| panic!("{method} {path} is not answered"))
    }

    pub(crate) async fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let (body, end) = (body.into(), Instant::now() + PATIENCE);
        loop {
            let answer = self.try_send(method, path, headers, body.clone()).await.unwrap();
            if !(self.patient && answer.status == 503 && Instant::now() < end) {
                return answer;
            }
            pause().await;
        }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.send("GET", path, &[], "").await
    }

    /// Submits a job; gives its path.
    pub(crate) async fn submit(&mut self, flow: &str, request: &str) -> String {
        let answer = self.send("POST", flow, &[], request.to_owned()).await;
        assert_eq!(answer.status, 202, "{flow} {request}: {answer:?}");
        format!("{flow}/{}", answer.json()["RequestId"].as_str().unwrap())
    }

    /// Submits a job, and waits until its handler has started: one that has not is handed back by a drain.
    pub(crate) async fn start(&mut self, flow: &str, request: &str) -> String {
        let job = self.submit(flow, request).await;
        // By the time that another one has taken 100 ms, it surely has.
        let other = self.submit("/data", r#"{"count":1}"#).await;
        self.ended(&other).await;
        job
    }

    /// How a job is, once it has ended.
    pub(crate) async fn ended(&mut self, job: &str) -> Value {
        loop {
            let answer = self.send("GET", &format!("{job}/status"), &[("prefer", "wait=20")], "").await;
            assert_eq!(answer.status, 200, "{job}: {answer:?}");
            let status = answer.json();
            if matches!(status["Status"].as_str().unwrap(), "Succeeded" | "Failed" | "Cancelled") {
                return status;
            }
        }
    }

    /// What a job returned.
    pub(crate) async fn result(&mut self, job: &str) -> Value {
        assert_eq!(self.ended(job).await["Status"], "Succeeded", "{job}");
        self.get(&format!("{job}/result")).await.json()
    }

    /// Type and message of why a job failed.
    pub(crate) async fn error(&mut self, job: &str) -> (String, String) {
        assert_eq!(self.ended(job).await["Status"], "Failed", "{job}");
        let error = self.get(&format!("{job}/error")).await.json();
        let text = |member: &str| error["Error"][member].as_str().unwrap().to_owned();
        (text("Type"), text("Message"))
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Demo {
    /// A connection of its own.
    pub(crate) async fn client(&self) -> Client {
        Client::open(self.address).await.unwrap()
    }
}
