//! What a case holds in its hands: a mount to send requests to.

use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use asyncflow_core::{EngineBuilder, FlowEngine};
use asyncflow_tower::{FlowLayer, FlowService, FlowServiceBuilder};
use bytes::Bytes;

use super::exchange::{Exchange, fail};
use super::request::Request;
use super::rules;
use super::suite::Server;
use super::wire::{Answer, Connection};
use super::world::World;

/// The exchanges of a case, in the order in which their requests were sent.
#[derive(Clone, Default)]
pub(super) struct Recording(Arc<Mutex<Exchanges>>);

type Exchanges = Vec<(Request, Option<Answer>)>;

impl Recording {
    pub(super) fn exchanges(&self) -> Exchanges {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn sent(&self, request: Request) -> usize {
        let mut exchanges = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        exchanges.push((request, None));
        exchanges.len() - 1
    }

    fn answered(&self, number: usize, answer: Answer) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)[number].1 = Some(answer);
    }
}

/// One mount of one service over the case's engine. Every request has a connection of its own, unless it says otherwise.
#[derive(Clone)]
pub(super) struct Probe {
    pub(super) world: Arc<World>,
    pub(super) engine: FlowEngine,
    server: Arc<Server>,
    recording: Option<Recording>,
}

impl Probe {
    /// A mount over the first node of a world.
    pub(super) async fn new(world: Arc<World>, recording: Recording) -> Self {
        let engine = world.start(world.node()).await;
        let server = (world.mount.service)(FlowService::new(engine.clone())).await;
        Self { world, engine, server: Arc::new(server), recording: Some(recording) }
    }

    /// Sends a request, and records it with its answer.
    pub(super) async fn send(&self, request: Request) -> Exchange {
        self.prepare(request).await.answer().await
    }

    /// Sends a request whose answer is asked for later.
    pub(super) async fn open(&self, request: Request) -> Pending {
        let mut pending = self.prepare(request).await;
        let bytes = std::mem::take(&mut pending.unsent);
        pending.send(&bytes).await;
        pending
    }

    async fn prepare(&self, request: Request) -> Pending {
        let connection = self.connect().await;
        let number = self.recording.as_ref().map(|recording| recording.sent(request.clone()));
        let unsent = self.bytes(&request);
        Pending { request, place: self.recording.clone().zip(number), connection, unsent, lawful: true }
    }

    fn bytes(&self, request: &Request) -> Bytes {
        [request.head(&self.server.prefix), request.payload.clone()].concat().into()
    }

    /// The same mount, for requests that do not go into the transcript: because there are many, or none knows their order.
    pub(super) fn quiet(&self) -> Self {
        Self { recording: None, ..self.clone() }
    }

    pub(super) async fn quietly(&self, request: Request) -> Exchange {
        self.quiet().send(request).await
    }

    /// Sends a request that somebody else than us may answer, by other rules than ours.
    pub(super) async fn foreign(&self, request: Request) -> Exchange {
        let pending = self.quiet().prepare(request).await;
        Pending { lawful: false, ..pending }.answer().await
    }

    /// Sends a head and then the same piece of a body again and again, until there is an answer.
    pub(super) async fn flood(&self, request: Request, piece: Bytes) -> Exchange {
        const MOST: usize = 256 << 20;
        let mut connection = self.connect().await;
        let head = request.head(&self.server.prefix);
        let times = MOST / piece.len();
        let pieces = [head].into_iter().chain(std::iter::repeat_n(piece, times));
        let answer = connection.exchange(pieces, &request.method).await;
        let exchange = Exchange { answer: understood(&request, answer), request };
        rules::check(&exchange);
        exchange
    }

    /// Sends a request, ends the sending, and waits for the server to be done with it; an answer, if any, is a refusal.
    pub(super) async fn cut_off(&self, request: Request) {
        self.raw(&self.bytes(&request)).await;
    }

    /// As [`cut_off`](Self::cut_off), with any bytes.
    pub(super) async fn raw(&self, bytes: &[u8]) {
        let rest = self.half_closed(bytes).await;
        if !(rest.is_empty() || rest.starts_with(b"HTTP/1.1 4") || rest.starts_with(b"HTTP/1.1 505")) {
            fail(&format!("expected: a refusal\ngot:      {}", rest.escape_ascii()));
        }
    }

    /// Sends any bytes, ends the sending, and waits for the server to be done: what it answers until then.
    pub(super) async fn half_closed(&self, bytes: &[u8]) -> Bytes {
        let mut connection = self.connect().await;
        // A server may close before it has read all.
        let _ = connection.send(bytes).await;
        let _ = connection.finish_sending().await;
        closed(connection).await
    }

    /// Sends any bytes, piece by piece, and waits for the server to close, which they must ask for: what it answers until then.
    pub(super) async fn talk<'a>(&self, pieces: impl IntoIterator<Item = &'a [u8]>) -> String {
        let mut connection = self.connect().await;
        for piece in pieces {
            if connection.send(piece).await.is_err() {
                break;
            }
        }
        String::from_utf8_lossy(&closed(connection).await).into_owned()
    }

    /// The path of the mount.
    pub(super) fn prefix(&self) -> &str {
        &self.server.prefix
    }

    /// The statuses of requests that are sent on one connection, each when the one before is answered.
    pub(super) async fn in_turn(&self, requests: &[Request]) -> Vec<u16> {
        let mut connection = self.connect().await;
        let mut statuses = Vec::new();
        for request in requests {
            let answer = connection.exchange([self.bytes(request)], &request.method).await;
            statuses.push(understood(request, answer).status);
        }
        statuses
    }

    /// The statuses of requests that are sent on one connection all at once.
    pub(super) async fn pipelined(&self, requests: &[Request]) -> Vec<u16> {
        let mut connection = self.connect().await;
        let mut unsent = requests.iter().map(|request| self.bytes(request)).collect::<Vec<_>>();
        let mut statuses = Vec::new();
        for request in requests {
            let answer = connection.exchange(std::mem::take(&mut unsent), &request.method).await;
            statuses.push(understood(request, answer).status);
        }
        statuses
    }

    /// A service of the same node, as it is unless something is set.
    pub(super) fn service(&self) -> FlowServiceBuilder {
        FlowService::builder(self.engine.clone())
    }

    /// Mounts another service.
    pub(super) async fn serve(&self, service: FlowServiceBuilder) -> Self {
        let server = (self.world.mount.service)(built(service)).await;
        Self { server: Arc::new(server), ..self.clone() }
    }

    /// Mounts a service as a layer, where this can be done.
    pub(super) async fn layer(&self, service: FlowServiceBuilder) -> Option<Self> {
        let server = self.world.mount.layer.as_ref()?(FlowLayer::new(built(service))).await;
        Some(Self { server: Arc::new(server), ..self.clone() })
    }

    /// Another node on the same store, with a mount of its own.
    pub(super) async fn on(&self, node: EngineBuilder) -> Self {
        let engine = self.world.start(node).await;
        Self { engine: engine.clone(), ..self.clone() }.serve(FlowService::builder(engine)).await
    }

    /// What must be there at once, though there were time to wait.
    pub(super) async fn soon<T>(&self, work: impl Future<Output = T>) -> T {
        let soon = tokio::time::timeout(Duration::from_secs(20), work).await;
        soon.unwrap_or_else(|_| fail("expected: an answer at once\ngot:      none for twenty seconds"))
    }

    async fn connect(&self) -> Connection {
        let connection = Connection::open(self.server.address).await;
        connection.unwrap_or_else(|error| fail(&format!("the mount takes no connection: {error}")))
    }
}

/// A request that was sent, and is not answered yet.
pub(super) struct Pending {
    request: Request,
    place: Option<(Recording, usize)>,
    connection: Connection,
    unsent: Bytes,
    lawful: bool,
}

impl Pending {
    /// Sends more.
    pub(super) async fn send(&mut self, bytes: &[u8]) {
        let sent = self.connection.send(bytes).await;
        sent.unwrap_or_else(|error| fail(&format!("the mount takes no request: {error}")));
    }

    /// There is no answer for so long. Too short a look can miss a fault, but never find one that is not there.
    pub(super) async fn stays_open(&mut self, time: Duration) {
        if !self.is_open_for(time).await {
            fail(&format!("expected: no answer yet to {} {}", self.request.method, self.request.target));
        }
    }

    pub(super) async fn is_open_for(&mut self, time: Duration) -> bool {
        self.connection.is_silent_for(time).await
    }

    pub(super) async fn answer(mut self) -> Exchange {
        let answer = self.connection.exchange([self.unsent], &self.request.method).await;
        let answer = understood(&self.request, answer);
        if let Some((recording, number)) = self.place {
            recording.answered(number, answer.clone());
        }
        let exchange = Exchange { request: self.request, answer };
        exchange.expect(!self.connection.has_more(), "nothing behind the answer");
        if self.lawful {
            rules::check(&exchange);
        }
        exchange
    }
}

async fn closed(connection: Connection) -> Bytes {
    match connection.rest().await {
        Err(error) if error.kind() == io::ErrorKind::TimedOut => fail("the server keeps a broken request open"),
        rest => rest.unwrap_or_default(),
    }
}

fn understood(request: &Request, answer: io::Result<Answer>) -> Answer {
    answer.unwrap_or_else(|error| {
        fail(&format!("expected: an answer to {} {}\ngot:      {error}", request.method, request.target))
    })
}

fn built(service: FlowServiceBuilder) -> FlowService {
    service.build().unwrap_or_else(|error| fail(&format!("the service cannot be built: {error}")))
}
