//! Under warp.

use asyncflow_testkit::http::{Server, Suite, hyper};
use bytes::Bytes;
use tower::Layer;
use warp::filters::BoxedFilter;
use warp::http::{Method, Response};
use warp::path::FullPath;
use warp::{Filter, Reply};

#[tokio::test(flavor = "multi_thread")]
async fn warp_keeps_the_contract() {
    let nested = |service| async {
        let filter = warp::path!("api" / "jobs" / ..).and(asyncflow_warp::filter(service));
        run(filter).await.below("/api/jobs")
    };
    Suite::new(nested).layered(|layer| hyper(layer.layer(warp::service(inner())))).verify().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn warp_keeps_the_contract_at_the_root() {
    Suite::new(|service| run(asyncflow_warp::filter(service))).verify().await;
}

async fn run<F>(filter: F) -> Server
where
    F: Filter<Extract: Reply, Error = warp::Rejection> + Clone + Send + Sync + 'static,
{
    Server::bind(|listener| warp::serve(filter).incoming(listener).run()).await
}

fn inner() -> BoxedFilter<(impl Reply,)> {
    let query = warp::query::raw().map(|query| format!("?{query}")).or(warp::any().map(String::new)).unify();
    let parts = warp::method().and(warp::path::full()).and(query).and(warp::body::bytes());
    let answer = |method: Method, path: FullPath, query: String, body: Bytes| {
        let text = [format!("{method} {}{query}: ", path.as_str()).as_bytes(), &body].concat();
        Response::new(text)
    };
    parts.map(answer).boxed()
}
