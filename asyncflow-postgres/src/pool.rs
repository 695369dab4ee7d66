//! A few connections, made when they are needed and again after they were lost. Each call is one statement and one round trip.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use asyncflow_core::store::StoreError;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinHandle,
    time::{Instant, timeout, timeout_at},
};
use tokio_postgres::{Client, Config, Error, Row, Statement, error::SqlState};

use crate::{failure, names::Names, params::Params, tls::Tls};

/// How long a call may take with all that it waits for: less than the engine gives a store.
pub(crate) const PATIENCE: Duration = Duration::from_millis(4500);
/// How often a call that met another's is tried again.
const AGAIN: usize = 4;
/// How long a connection counts that does not end when it is given up.
const LINGERS: Duration = Duration::from_secs(30);

pub(crate) struct Pool {
    config: Config,
    prepares: bool,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Line>>,
    names: Arc<Names>,
}

/// A connection, and the statements that it has prepared.
struct Line {
    client: Client,
    driver: JoinHandle<()>,
    statements: HashMap<Box<str>, Statement>,
    /// The epoch of names that its server knows by our numbers.
    epoch: u64,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").finish_non_exhaustive()
    }
}

impl Pool {
    /// So many connections at most. Unless one `prepares` statements, each is parsed anew: whose connection it is may change in between.
    /// Calls tell flows and policies by the numbers that these `names` have.
    pub(crate) fn new(config: Config, connections: usize, prepares: bool, names: Arc<Names>) -> Self {
        Self { config, prepares, permits: Arc::new(Semaphore::new(connections)), idle: Mutex::default(), names }
    }

    /// Makes one call, with numbers of this epoch. Where another transaction stood in its way, it is made again.
    pub(crate) async fn call(&self, epoch: u64, sql: &str, params: &Params<'_>) -> Result<Vec<Row>, StoreError> {
        let end = Instant::now() + PATIENCE;
        let late = |_| StoreError::unavailable(format_args!("Postgres did not answer within {PATIENCE:?}"));
        let permit = timeout_at(end, self.permits.clone().acquire_owned()).await.map_err(late)?;
        let permit = permit.map_err(|_| failure::closed())?;
        let mut again = AGAIN;
        loop {
            let mut line = timeout_at(end, self.line()).await.map_err(late)??;
            if line.epoch != epoch {
                self.put_back(line);
                return Err(failure::renumbered());
            }
            let answer = match timeout_at(end, line.call(sql, params, self.prepares)).await {
                Ok(answer) => answer,
                Err(elapsed) => {
                    tokio::spawn(line.give_up(permit));
                    return Err(late(elapsed));
                }
            };
            // What it had prepared may be of other tables, or on another server.
            let stale = [SqlState::FEATURE_NOT_SUPPORTED, SqlState::INVALID_SQL_STATEMENT_NAME];
            let refused = answer.as_ref().err().and_then(Error::code);
            if refused == Some(&SqlState::READ_ONLY_SQL_TRANSACTION) {
                // Another server takes the writes now, and is the one to read from.
                self.names.forget(epoch);
            }
            if refused.is_none_or(|code| !stale.contains(code)) {
                self.put_back(line);
            }
            match answer {
                Err(error) if again > 0 && failure::collided(&error) => again -= 1,
                answer => return answer.map_err(|error| failure::of(&error)),
            }
        }
    }

    /// A connection that nobody uses, or a new one, if its server knows the names by the same numbers.
    async fn line(&self) -> Result<Line, StoreError> {
        if let Some(line) = self.take_idle() {
            return Ok(line);
        }
        let lost = |error| failure::of(&error);
        let (client, mut connection) = self.config.connect(Tls).await.map_err(lost)?;
        // Driven here: given up, it is closed.
        let epoch = tokio::select! {
            biased;
            epoch = self.names.epoch_of(&client) => epoch.map_err(lost)?,
            ended = &mut connection => return Err(ended.map_or_else(lost, |()| failure::closed())),
        };
        let epoch = epoch.ok_or_else(failure::renumbered)?;
        Ok(Line { client, driver: drive(connection), statements: HashMap::new(), epoch })
    }

    fn take_idle(&self) -> Option<Line> {
        let epoch = self.names.epoch();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        // Another server has taken the place of theirs, where the epoch is over.
        idle.retain(|line| line.epoch == epoch && !line.client.is_closed());
        idle.pop()
    }

    fn put_back(&self, line: Line) {
        if line.epoch == self.names.epoch() && !line.client.is_closed() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
    }
}

impl Line {
    async fn call(&mut self, sql: &str, params: &Params<'_>, prepares: bool) -> Result<Vec<Row>, Error> {
        if !prepares {
            let typed: Vec<_> = params.values().into_iter().zip(params.kinds()).collect();
            return self.client.query_typed(sql, &typed).await;
        }
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

    /// Stops what it does on the server. It counts until the server has let go of it: one that hangs is not given more and more of them.
    async fn give_up(self, _permit: OwnedSemaphorePermit) {
        let Self { client, mut driver, .. } = self;
        let stop = client.cancel_token();
        drop(client);
        // If that cannot be said either, the server finds the connection closed.
        let _ = timeout(PATIENCE, stop.cancel_query(Tls)).await;
        if timeout(LINGERS, &mut driver).await.is_err() {
            driver.abort();
        }
    }
}

/// A new connection, driven by a task of its own.
pub(crate) async fn connect(config: &Config) -> Result<Client, Error> {
    let (client, connection) = config.connect(Tls).await?;
    drive(connection);
    Ok(client)
}

fn drive(connection: impl Future<Output = Result<(), Error>> + Send + 'static) -> JoinHandle<()> {
    tokio::spawn(async move {
        // Whoever uses the client is told.
        let _ = connection.await;
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{schema::Schema, silent::Silent};

    #[tokio::test]
    async fn a_server_that_hangs_is_given_no_more_connections() {
        let (silent, config) = Silent::start(0).await;
        let names = Arc::new(Names::new(&Schema::new("any").unwrap()));
        let pool = Arc::new(Pool::new(config, 1, true, names));
        let call = || {
            let pool = pool.clone();
            tokio::spawn(async move { pool.call(0, "SELECT 1", &Params::default()).await })
        };
        let first = call();
        silent.asked.notified().await;
        tokio::time::pause();
        for late in [first, call()] {
            assert!(matches!(late.await.unwrap(), Err(StoreError::Unavailable(_))));
        }
        assert_eq!(silent.let_in(), 1);
        // Passes at once, as time stands where nothing else is to be done.
        tokio::time::sleep(LINGERS).await;
        tokio::time::resume();
        let _later = call();
        silent.asked.notified().await;
        assert_eq!(silent.let_in(), 2);
    }
}
