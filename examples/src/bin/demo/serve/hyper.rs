//! On bare hyper.

use std::{convert::Infallible, io, pin::pin, time::Duration};

use asyncflow_tower::FlowBody;
use http::{HeaderValue, Method, Request, Response, StatusCode, header::ALLOW};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, sync::watch};
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
        let Ok((connection, _)) = accepted else {
            // Too many connections are open: some will end.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let _ = connection.set_nodelay(true);
        let app = app.clone();
        let answer = service_fn(move |request| answer(app.clone(), request));
        let mut closing = closing.clone();
        tokio::spawn(async move {
            let mut connection = pin!(http1::Builder::new().serve_connection(TokioIo::new(connection), answer));
            tokio::select! {
                biased;
                _ = connection.as_mut() => return,
                _ = closing.changed() => connection.as_mut().graceful_shutdown(),
            }
            let _ = connection.await;
        });
    }
    drop((listener, closing));
    close.send_replace(());
    close.closed().await;
    Ok(())
}

async fn answer(mut app: App, request: Request<Incoming>) -> Result<Response<FlowBody>, Infallible> {
    if request.uri().path() != HEALTH {
        return app.service.call(request).await;
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut answer = Response::new(FlowBody::default());
        *answer.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET,HEAD"));
        return Ok(answer);
    }
    Ok(app.health().await.map(|body| FlowBody::from(body.into_bytes())))
}
