//! On bare hyper.

use std::{
    convert::Infallible,
    future::poll_fn,
    io,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use asyncflow_tower::{FlowBody, FlowFuture};
use http::{Request, Response};
use hyper::{
    body::Incoming,
    server::conn::http1::{self, Connection},
    service,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tower_service::Service;

use super::{App, HEALTH};

pub(super) async fn serve(
    app: App,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let (close, closing) = watch::channel(());
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut shutdown => break,
            accepted = listener.accept() => accepted,
        };
        let connection = match accepted {
            Ok((connection, _)) => connection,
            Err(error) => {
                // Most often too many connections are open: some will end.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let _ = connection.set_nodelay(true);
        let connection = http1::Builder::new().serve_connection(TokioIo::new(connection), Endpoints(app.clone()));
        tokio::spawn(converse(connection, closing.clone()));
    }
    drop((listener, closing));
    close.send_replace(());
    close.closed().await;
    Ok(())
}

/// Answers on one connection until the client ends it, or once it is closing, what is being answered has been.
async fn converse(connection: Connection<TokioIo<TcpStream>, Endpoints>, closing: watch::Receiver<()>) {
    let mut news = closing.clone();
    let (mut connection, mut news) = (pin!(connection), pin!(news.changed()));
    let (mut listens, mut told) = (false, false);
    let ended = poll_fn(|context| {
        // Polled once, the news wakes this task when it comes; to look whether it has come costs less than to poll for it each time.
        if !std::mem::replace(&mut listens, true) {
            let _ = news.as_mut().poll(context);
        }
        if !told && closing.has_changed().unwrap_or(true) {
            told = true;
            connection.as_mut().graceful_shutdown();
        }
        connection.as_mut().poll(context)
    });
    let _ = ended.await;
}

/// The app as hyper's own kind of service.
struct Endpoints(App);

impl service::Service<Request<Incoming>> for Endpoints {
    type Response = Response<FlowBody>;
    type Error = Infallible;
    type Future = Answer;

    fn call(&self, request: Request<Incoming>) -> Answer {
        if request.uri().path() != HEALTH {
            return Answer::Flows(self.0.service.clone().call(request));
        }
        let (app, method) = (self.0.clone(), request.method().clone());
        Answer::Health(Box::pin(async move { app.health(method).await.map(|body| body.into_bytes().into()) }))
    }
}

/// An answer on its way.
enum Answer {
    Flows(FlowFuture<Incoming>),
    Health(Pin<Box<dyn Future<Output = Response<FlowBody>> + Send>>),
}

impl Future for Answer {
    type Output = Result<Response<FlowBody>, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Self::Flows(answer) => Pin::new(answer).poll(context),
            Self::Health(answer) => answer.as_mut().poll(context).map(Ok),
        }
    }
}
