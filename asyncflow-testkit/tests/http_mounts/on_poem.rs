//! Under poem.

use asyncflow_testkit::http::{Server, Suite};
use poem::listener::TcpAcceptor;
use poem::{IntoEndpoint, Route};

#[tokio::test(flavor = "multi_thread")]
async fn poem_keeps_the_contract() {
    let nested =
        |service| async { run(Route::new().nest("/jobs", asyncflow_poem::endpoint(service))).await.below("/jobs") };
    Suite::new(nested).verify().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn poem_keeps_the_contract_at_the_root() {
    Suite::new(|service| run(asyncflow_poem::endpoint(service))).verify().await;
}

async fn run<E>(endpoint: E) -> Server
where
    E: IntoEndpoint<Endpoint: 'static> + Send + 'static,
{
    Server::bind(|listener| async {
        if let Ok(acceptor) = TcpAcceptor::from_tokio(listener) {
            drop(poem::Server::new_with_acceptor(acceptor).run(endpoint).await);
        }
    })
    .await
}
