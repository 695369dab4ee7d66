//! On poem.

use std::io;

use poem::{Request, Response, Route, Server, endpoint::make, listener::TcpAcceptor};
use tokio::net::TcpListener;

use super::{App, HEALTH};

pub(super) async fn serve(
    app: App,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let flows = asyncflow_poem::endpoint(app.service.clone());
    let health = make(move |request: Request| {
        let app = app.clone();
        async move {
            let (head, body) = app.health(request.method().clone()).await.into_parts();
            let mut answer = Response::builder().status(head.status).body(body);
            *answer.headers_mut() = head.headers;
            answer
        }
    });
    let route = Route::new().at(HEALTH, health).nest("/", flows);
    let acceptor = TcpAcceptor::from_tokio(listener)?;
    Server::new_with_acceptor(acceptor).run_with_graceful_shutdown(route, shutdown, None).await
}
