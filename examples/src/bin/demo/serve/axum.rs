//! On axum.

use std::io;

use axum::{Router, extract::State, routing::any, serve::ListenerExt};
use http::Method;
use tokio::net::TcpListener;

use super::{App, HEALTH};

pub(super) async fn serve(
    app: App,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let service = app.service.clone();
    let health = any(async |State(app): State<App>, method: Method| app.health(method).await);
    let router = Router::new().route(HEALTH, health).with_state(app).fallback_service(service);
    let listener = listener.tap_io(|connection| drop(connection.set_nodelay(true)));
    axum::serve(listener, router).with_graceful_shutdown(shutdown).await
}
