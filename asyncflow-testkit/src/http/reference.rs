//! Bare hyper, which takes the service as it is: what other mounts are compared with.

use asyncflow_tower::BoxError;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::OnceCell;
use tokio::task::JoinSet;
use tower::{Layer, Service, service_fn};

use super::suite::{Server, Suite};
use super::transcript::Transcript;

/// Serves a tower service by hyper alone, on a free port.
///
/// # Panics
/// There is no free port.
pub async fn hyper<S, B>(service: S) -> Server
where
    S: Service<Request<Incoming>, Response = Response<B>, Error: Into<BoxError>, Future: Send> + Clone + Send + 'static,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    Server::bind(|listener| serve(listener, service)).await
}

async fn serve<S, B>(listener: TcpListener, service: S)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error: Into<BoxError>, Future: Send> + Clone + Send + 'static,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let service = TowerToHyperService::new(service.clone());
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        // A connection that ends badly is its client's concern.
        connections.spawn(async move { drop(connection.await) });
    }
}

/// What is said under bare hyper. The suite is run through it once a process.
pub(super) async fn transcript() -> &'static Transcript {
    static SAID: OnceCell<Transcript> = OnceCell::const_new();
    let suite = || Suite::new(hyper).layered(|layer| hyper(layer.layer(service_fn(application))));
    SAID.get_or_init(|| suite().run()).await
}

/// What is within the layer.
async fn application(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let text = [format!("{} {}: ", head.method, head.uri).as_bytes(), &body].concat();
    Ok(Response::new(text.into()))
}
