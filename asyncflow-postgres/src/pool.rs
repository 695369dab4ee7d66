//! A few connections, made when they are needed and again after they were lost. Each call is one statement and one round trip.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use asyncflow_core::store::StoreError;
use tokio::{sync::Semaphore, time::timeout};
use tokio_postgres::{Client, Config, Error, Row, Statement, error::SqlState};

use crate::{failure, params::Params, tls::Tls};

/// How long a call may take with all that it waits for: less than the engine gives a store.
pub(crate) const PATIENCE: Duration = Duration::from_millis(4500);
/// How often a call that met another's is tried again.
const TRIES: usize = 5;

pub(crate) struct Pool {
    config: Config,
    prepares: bool,
    permits: Semaphore,
    idle: Mutex<Vec<Line>>,
}

/// A connection, and the statements that it has prepared.
struct Line {
    client: Client,
    statements: HashMap<Box<str>, Statement>,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").finish_non_exhaustive()
    }
}

impl Pool {
    /// So many connections at most. Unless one `prepares` statements, each is parsed anew: whose connection it is may change in between.
    pub(crate) fn new(config: Config, connections: usize, prepares: bool) -> Self {
        Self { config, prepares, permits: Semaphore::new(connections), idle: Mutex::default() }
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
        let mut line = match idle {
            Some(line) => line,
            None => Line { client: connect(&self.config).await?, statements: HashMap::new() },
        };
        // Where it is given up, its connection goes with it, and what it did on the server is stopped.
        let mut stop = Stop(Some(line.client.cancel_token()));
        let answer = if self.prepares { line.call(sql, params).await } else { line.call_unprepared(sql, params).await };
        stop.0 = None;
        let refused = answer.as_ref().err().and_then(Error::code);
        // What it had prepared is of other tables, or on another server.
        let stale = [SqlState::FEATURE_NOT_SUPPORTED, SqlState::INVALID_SQL_STATEMENT_NAME];
        if !line.client.is_closed() && refused.is_none_or(|code| !stale.contains(code)) {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
        answer
    }

    fn take_idle(&self) -> Option<Line> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|line| !line.client.is_closed());
        idle.pop()
    }
}

impl Line {
    async fn call(&mut self, sql: &str, params: &Params<'_>) -> Result<Vec<Row>, Error> {
        let statement = match self.statements.get(sql) {
            Some(statement) => statement.clone(),
            None => {
                let statement = self.client.prepare_typed(sql, &params.kinds()).await?;
                self.statements.insert(sql.into(), statement.clone());
                statement
            }
        };
        self.client.query(&statement, &params.values()).await
    }

    async fn call_unprepared(&self, sql: &str, params: &Params<'_>) -> Result<Vec<Row>, Error> {
        let typed: Vec<_> = params.values().into_iter().zip(params.kinds()).collect();
        self.client.query_typed(sql, &typed).await
    }
}

/// Stops what a connection does, if it is dropped before it is told not to.
struct Stop(Option<tokio_postgres::CancelToken>);

impl Drop for Stop {
    fn drop(&mut self) {
        let (Some(token), Ok(runtime)) = (self.0.take(), tokio::runtime::Handle::try_current()) else { return };
        runtime.spawn(async move {
            // If that cannot be said either, the server finds the connection closed.
            let _ = timeout(PATIENCE, token.cancel_query(Tls)).await;
        });
    }
}

/// A new connection, driven by a task of its own.
pub(crate) async fn connect(config: &Config) -> Result<Client, Error> {
    let (client, connection) = config.connect(Tls).await?;
    tokio::spawn(async move {
        // Whoever uses the client is told.
        let _ = connection.await;
    });
    Ok(client)
}
