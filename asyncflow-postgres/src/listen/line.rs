//! The connection on which a node listens and tells.

use std::{
    convert::Infallible,
    future::poll_fn,
    sync::{Arc, PoisonError},
    time::Duration,
};

use asyncflow_core::{JobId, JobKey};
use tokio::{
    sync::mpsc::{self, error::TrySendError},
    time::{Instant, sleep, timeout},
};
use tokio_postgres::{AsyncMessage, Client, Config, types::Type};
use uuid::Uuid;

use super::{Letter, Outbox};
use crate::{names::Names, pool::PATIENCE, schema::Schema, tls::Tls};

/// Letters of a node are so far apart at least.
const APART: Duration = Duration::from_millis(5);
/// Pauses before a lost connection is made again: the first, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));
/// How often a node whose readers wait says so, and for how long it is believed.
const READS: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(30));
/// A connection on which nothing came or went for so long may have ended without a word.
const QUIET: Duration = Duration::from_secs(10);

pub(super) struct Line {
    config: Config,
    channel: String,
    /// Asks which flows have these numbers.
    flows: String,
    names: Arc<Names>,
    outbox: Arc<Outbox>,
    node: Uuid,
}

/// Why a connection was given up.
struct Lost;

impl Line {
    pub(super) fn new(config: Config, schema: &Schema, names: Arc<Names>, outbox: Arc<Outbox>) -> Self {
        let (channel, flows) = (schema.channel(), schema.flows_by_number().to_owned());
        Self { config, channel, flows, names, outbox, node: Uuid::from_u128(random()) }
    }

    /// Listens and tells for as long as the node lives, on one connection after the other.
    pub(super) async fn keep(self) {
        let mut pause = PAUSES.0;
        loop {
            let Err(listened) = self.listen().await;
            pause = if listened { PAUSES.0 } else { PAUSES.1.min(2 * pause) };
            sleep(pause).await;
        }
    }

    /// Listens until the connection is lost; says whether it ever was there.
    async fn listen(&self) -> Result<Infallible, bool> {
        let connected = timeout(PATIENCE, self.config.connect(Tls)).await;
        let Ok(Ok((client, mut connection))) = connected else { return Err(false) };
        let (sender, mut messages) = mpsc::channel(64);
        let outbox = self.outbox.clone();
        let driver = tokio::spawn(async move {
            while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
                let AsyncMessage::Notification(notification) = message else { continue };
                match sender.try_send(notification.payload().to_owned()) {
                    Ok(()) => {}
                    // Whoever would hear them waits for an answer perhaps, and this brings it: so this waits for nobody.
                    Err(TrySendError::Full(_)) => outbox.missed(),
                    Err(TrySendError::Closed(_)) => break,
                }
            }
        });
        let sql = format!("LISTEN {}", self.channel);
        let listen = async {
            client.batch_execute(&sql).await?;
            self.names.epoch_of(&client).await
        };
        let lost = match timeout(PATIENCE, listen).await {
            Ok(Ok(Some(epoch))) => {
                // What was told meanwhile was told without us.
                self.outbox.missed();
                let Err(Lost) = self.attend(&client, epoch, &mut messages).await;
                true
            }
            _ => false,
        };
        driver.abort();
        Err(lost)
    }

    async fn attend(
        &self,
        client: &Client,
        epoch: u64,
        messages: &mut mpsc::Receiver<String>,
    ) -> Result<Infallible, Lost> {
        let mut said = None;
        let mut last = Instant::now();
        loop {
            tokio::select! {
                message = messages.recv() => self.hear(client, epoch, &message.ok_or(Lost)?).await?,
                () = self.outbox.wake.notified() => {
                    sleep(APART.saturating_sub(last.elapsed())).await;
                    last = Instant::now();
                    self.tell(client, self.outbox.take()).await?;
                }
                () = self.outbox.hints.first_reader() => {}
                () = sleep(QUIET) => self.check(client).await?,
            }
            if self.outbox.hints.readers() > 0 && said.is_none_or(|said: Instant| said.elapsed() >= READS.0) {
                said = Some(Instant::now());
                self.tell(client, Letter { reads: true, ..Letter::default() }).await?;
            }
        }
    }

    async fn check(&self, client: &Client) -> Result<(), Lost> {
        match timeout(PATIENCE, client.batch_execute("")).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Lost),
        }
    }

    async fn tell(&self, client: &Client, mut letter: Letter) -> Result<(), Lost> {
        if letter.is_empty() {
            return Ok(());
        }
        let text = letter.write(self.node);
        let notify = [(&self.channel as _, Type::TEXT), (&text as _, Type::TEXT)];
        match timeout(PATIENCE, client.query_typed("SELECT pg_notify($1, $2)", &notify)).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(Lost),
        }
    }

    async fn hear(&self, client: &Client, epoch: u64, text: &str) -> Result<(), Lost> {
        let (from, letter) = Letter::read(text);
        if from == Some(self.node) {
            return Ok(());
        }
        let hints = &self.outbox.hints;
        if letter.reads {
            let until = Some(Instant::now() + READS.1);
            *self.outbox.readers_elsewhere.lock().unwrap_or_else(PoisonError::into_inner) = until;
        }
        self.meet(client, epoch, &letter).await?;
        let known = self.names.known_in(epoch).map_err(|_| Lost)?;
        let job = |(flow, id): &(i32, Uuid)| {
            let flow = known.flow_name(*flow)?.clone();
            Some(JobKey { flow, id: JobId::from_u128(id.as_u128()) })
        };
        for (flow, rank) in &letter.ready {
            self.outbox.floors.lower(*flow, *rank);
            known.flow_name(*flow).into_iter().for_each(|flow| hints.ready(flow));
        }
        letter.changed.iter().filter_map(job).for_each(|job| hints.changed(&job));
        letter.marked.iter().filter_map(job).for_each(|job| hints.marked(&job));
        if letter.anything {
            self.outbox.missed();
        }
        Ok(())
    }

    /// Learns the flows that a letter tells of: other nodes' alone too, so that each is asked for once.
    async fn meet(&self, client: &Client, epoch: u64, letter: &Letter) -> Result<(), Lost> {
        let unknown: Vec<i32> = {
            let known = self.names.known_in(epoch).map_err(|_| Lost)?;
            letter.flows().filter(|flow| known.flow_name(*flow).is_none()).collect()
        };
        if unknown.is_empty() {
            return Ok(());
        }
        match timeout(PATIENCE, client.query_typed(&self.flows, &[(&unknown, Type::INT4_ARRAY)])).await {
            Ok(Ok(rows)) => self.names.learn_flows(epoch, &rows).map_err(|_| Lost),
            _ => Err(Lost),
        }
    }
}

/// 128 bits that no other node has.
fn random() -> u128 {
    use std::hash::{BuildHasher, RandomState};
    // Its keys are random in each process, and its numbers go on from there.
    let half = || u128::from(RandomState::new().hash_one(std::process::id()));
    half() << 64 | half()
}
