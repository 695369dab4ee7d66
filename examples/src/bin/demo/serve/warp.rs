//! On warp.

use std::io;

use http::Method;
use tokio::net::TcpListener;
use warp::Filter;

use super::{App, HEALTH};

pub(super) async fn serve(
    app: App,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let flows = asyncflow_warp::filter(app.service.clone());
    let health = warp::path(HEALTH.trim_start_matches('/').to_owned()).and(warp::path::end()).and(warp::method()).then(
        move |method: Method| {
            let app = app.clone();
            async move { app.health(method).await }
        },
    );
    warp::serve(health.or(flows)).incoming(listener).graceful(shutdown).run().await;
    Ok(())
}
