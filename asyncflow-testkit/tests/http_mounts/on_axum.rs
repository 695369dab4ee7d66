//! Under axum.

use asyncflow_testkit::http::{Server, Suite};
use axum::Router;
use axum::body::Bytes;
use axum::http::{Method, Uri};

#[tokio::test(flavor = "multi_thread")]
async fn axum_keeps_the_contract() {
    let nested = |service| async { run(Router::new().nest_service("/jobs", service)).await.below("/jobs") };
    Suite::new(nested).layered(|layer| run(Router::new().fallback(inner).layer(layer))).verify().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn axum_keeps_the_contract_at_the_root() {
    Suite::new(|service| run(Router::new().fallback_service(service))).verify().await;
}

async fn run(app: Router) -> Server {
    Server::bind(|listener| async { drop(axum::serve(listener, app).await) }).await
}

async fn inner(method: Method, uri: Uri, body: Bytes) -> Vec<u8> {
    [format!("{method} {uri}: ").as_bytes(), &body].concat()
}
