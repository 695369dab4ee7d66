//! A few connections, made when they are needed and again after they were lost. Each call is one statement and one round trip.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use asyncflow_core::store::StoreError;
use tokio::{sync::Semaphore, time::timeout};
use tokio_postgres::{Client, Config, Error, NoTls, Row};

use crate::{failure, params::Params};

/// How long a call may take with all that it waits for: less than the engine gives a store.
pub(crate) const PATIENCE: Duration = Duration::from_millis(4500);
/// How often a call that met another's is tried again.
const TRIES: usize = 5;

pub(crate) struct Pool {
    config: Config,
    permits: Semaphore,
    idle: Mutex<Vec<Client>>,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").finish_non_exhaustive()
    }
}

impl Pool {
    pub(crate) fn new(config: Config, connections: usize) -> Self {
        Self { config, permits: Semaphore::new(connections), idle: Mutex::default() }
    }

    /// Makes one call. Where another transaction stood in its way, it is made again.
    pub(crate) async fn call(&self, sql: &str, params: &Params<'_>) -> Result<Vec<Row>, StoreError> {
        let calls = async {
            let _permit = self.permits.acquire().await;
            for _ in 1..TRIES {
                match self.try_call(sql, params).await {
                    Err(error) if failure::collided(&error) => {}
                    answer => return answer,
                }
            }
            self.try_call(sql, params).await
        };
        match timeout(PATIENCE, calls).await {
            Ok(answer) => answer.map_err(|error| failure::of(&error)),
            Err(_) => Err(StoreError::unavailable(format_args!("Postgres did not answer within {PATIENCE:?}"))),
        }
    }

    async fn try_call(&self, sql: &str, params: &Params<'_>) -> Result<Vec<Row>, Error> {
        let idle = self.take_idle();
        let client = match idle {
            Some(client) => client,
            None => connect(&self.config).await?,
        };
        // Where it is given up, its connection goes with it, and what it did on the server is stopped.
        let mut stop = Stop(Some(client.cancel_token()));
        let answer = client.query_typed(sql, &params.as_args()).await;
        stop.0 = None;
        if !client.is_closed() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(client);
        }
        answer
    }

    fn take_idle(&self) -> Option<Client> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|client| !client.is_closed());
        idle.pop()
    }
}

/// Stops what a connection does, if it is dropped before it is told not to.
struct Stop(Option<tokio_postgres::CancelToken>);

impl Drop for Stop {
    fn drop(&mut self) {
        let (Some(token), Ok(runtime)) = (self.0.take(), tokio::runtime::Handle::try_current()) else { return };
        runtime.spawn(async move {
            // If that cannot be said either, the server finds the connection closed.
            let _ = timeout(PATIENCE, token.cancel_query(NoTls)).await;
        });
    }
}

/// A new connection, driven by a task of its own.
pub(crate) async fn connect(config: &Config) -> Result<Client, Error> {
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(async move {
        // Whoever uses the client is told.
        let _ = connection.await;
    });
    Ok(client)
}
