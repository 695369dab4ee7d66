//! A connection to the server that many ask at once, made anew when it is lost or gives no answer.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::{
        Arc, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use asyncflow_core::store::StoreError;
use redis::{
    AsyncConnectionConfig, Client, ErrorKind, Pipeline, RedisConnectionInfo, Value, aio::MultiplexedConnection,
};
use tokio::{sync::Mutex, time::Instant};

use crate::failure;

pub(crate) struct Link {
    client: Client,
    server: Arc<str>,
    /// How long an answer may take, and a connection.
    patience: Duration,
    /// How often the server was found to take no writes, of all links to it: what was connected before leads to the old one.
    demotions: Arc<AtomicU64>,
    /// Held while a connection is made, so that many who find it lost make one.
    making: Mutex<()>,
    made: std::sync::Mutex<Option<Made>>,
}

#[derive(Clone)]
struct Made {
    connection: MultiplexedConnection,
    /// How many answers have come.
    answers: Arc<AtomicU64>,
    /// How many demotions there had been when it was begun.
    demotions: u64,
}

/// Why there is no answer.
enum Lost {
    /// The connection was closed before anything was sent.
    Unsent,
    Error(StoreError),
}

impl Link {
    pub(crate) fn new(client: Client, server: Arc<str>, patience: Duration) -> Self {
        // No later time can be told.
        let patience = patience.min(Duration::from_secs(365 * 24 * 3600));
        let (demotions, making, made) = Default::default();
        Self { client, server, patience, demotions, making, made }
    }

    /// Another connection to the same server.
    pub(crate) fn beside(&self) -> Self {
        let other = Self::new(self.client.clone(), self.server.clone(), self.patience);
        Self { demotions: self.demotions.clone(), ..other }
    }

    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    /// Sends commands in one go, and waits for all answers, for so long at most. Who gives up waiting may have had them done.
    ///
    /// # Errors
    /// The server cannot be reached or does not answer; what it answers to single commands is among the answers.
    pub(crate) async fn ask(&self, commands: &Pipeline) -> Result<Vec<Value>, StoreError> {
        let end = Instant::now() + self.patience;
        match self.try_to_ask(commands, end).await {
            // The connection was lost while nobody asked.
            Err(Lost::Unsent) => self.try_to_ask(commands, end).await,
            asked => asked,
        }
        .map_err(|lost| match lost {
            Lost::Unsent => StoreError::unavailable(format_args!("{} closes its connections", self.server)),
            Lost::Error(error) => error,
        })
    }

    async fn try_to_ask(&self, commands: &Pipeline, end: Instant) -> Result<Vec<Value>, Lost> {
        let late = || Lost::Error(failure::timed_out(&self.server));
        let made = tokio::time::timeout_at(end, self.made()).await.map_err(|_| late())?.map_err(Lost::Error)?;
        let before = made.answers.load(Ordering::Relaxed);
        let mut waited = false;
        let mut connection = made.connection.clone();
        let mut asked = pin!(connection.send_packed_commands(commands, 0, commands.len()));
        let asked = poll_fn(|context| {
            let polled = asked.as_mut().poll(context);
            waited |= polled.is_pending();
            polled
        });
        match tokio::time::timeout_at(end, asked).await {
            Ok(Ok(values)) => {
                made.answers.fetch_add(1, Ordering::Relaxed);
                if values.iter().any(|value| matches!(value, Value::ServerError(error) if failure::is_demoted(error))) {
                    // Once, however many answers of that connection say so.
                    let (was, is) = (made.demotions, made.demotions + 1);
                    let _ = self.demotions.compare_exchange(was, is, Ordering::SeqCst, Ordering::SeqCst);
                }
                Ok(values)
            }
            Ok(Err(error)) => {
                self.give_up(&made);
                // What is refused without a wait has not left.
                let unsent = !waited && error.is_connection_dropped();
                Err(if unsent { Lost::Unsent } else { Lost::Error(failure::of_connection(&error, &self.server)) })
            }
            Err(_) => {
                // Where others were answered meanwhile, it is this answer that is long, and not the connection that is dead.
                if made.answers.load(Ordering::Relaxed) == before {
                    self.give_up(&made);
                }
                Err(late())
            }
        }
    }

    /// The connection that there is, or a new one.
    async fn made(&self) -> Result<Made, StoreError> {
        if let Some(made) = self.known() {
            return Ok(made);
        }
        let _making = self.making.lock().await;
        if let Some(made) = self.known() {
            return Ok(made);
        }
        let demotions = self.demotions.load(Ordering::SeqCst);
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(Some(self.patience)).set_response_timeout(None);
        let connection = match self.client.get_multiplexed_async_connection_with_config(&config).await {
            Ok(connection) => connection,
            Err(error) if error.kind() == ErrorKind::AuthenticationFailed && !self.lets_in(&config).await => {
                return Err(failure::full(&self.server));
            }
            Err(error) => return Err(failure::of_connection(&error, &self.server)),
        };
        let made = Made { connection, answers: Arc::default(), demotions };
        *self.lock() = Some(made.clone());
        Ok(made)
    }

    /// Whether the server lets anybody in: one that has as many connections as it may says so in answer to the password, of which the
    /// client tells just that it was not taken.
    async fn lets_in(&self, config: &AsyncConnectionConfig) -> bool {
        let nobody = self.client.get_connection_info().clone().set_redis_settings(RedisConnectionInfo::default());
        let asked = async {
            let mut connection = Client::open(nobody)?.get_multiplexed_async_connection_with_config(config).await?;
            redis::cmd("PING").exec_async(&mut connection).await
        };
        match asked.await {
            Ok(()) => true,
            Err(error) => error.code() == Some("NOAUTH"),
        }
    }

    fn known(&self) -> Option<Made> {
        self.lock().clone().filter(|made| made.demotions == self.demotions.load(Ordering::SeqCst))
    }

    /// The next one who asks makes a new connection, unless somebody did by now.
    fn give_up(&self, lost: &Made) {
        let mut made = self.lock();
        if made.as_ref().is_some_and(|made| Arc::ptr_eq(&made.answers, &lost.answers)) {
            *made = None;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Made>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
