//! News of what all nodes write: one connection of its own, which subscribes anew whenever it was lost. What changed it hears just while
//! readers of this node wait, since a channel that nobody hears costs those who write nothing.

use std::{sync::Arc, time::Duration};

use asyncflow_core::{JobId, JobKey, store::Hints};
use futures_util::StreamExt;
use redis::{Client, RedisResult};
use tokio::{runtime::Handle, task::JoinHandle, time::Instant};

/// How often the connection is tried, and how long it may take to answer.
const PING: Duration = Duration::from_secs(5);
/// What the name of the channel of changes ends with: see `words.txt`.
const CHANGES: &str = ":changes";
/// How long to wait before subscribing anew.
const PAUSE: Duration = Duration::from_millis(250);

/// Dropped, it ends.
pub(crate) struct Listener(JoinHandle<()>);

impl Drop for Listener {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Listener {
    pub(crate) fn start(client: Client, channel: Arc<str>, hints: Hints, runtime: &Handle) -> Self {
        Self(runtime.spawn(async move {
            loop {
                // What it was that failed does not matter: it is done again.
                let _ = listen(&client, &channel, &hints).await;
                tokio::time::sleep(PAUSE).await;
            }
        }))
    }
}

async fn listen(client: &Client, channel: &str, hints: &Hints) -> RedisResult<()> {
    let (mut sink, mut messages) = in_time(client.get_async_pubsub()).await?.split();
    in_time(sink.subscribe(channel)).await?;
    let changes = format!("{channel}{CHANGES}");
    let (mut hears_changes, mut tried) = (false, Instant::now());
    // Whatever was told until now is lost.
    hints.anything();
    loop {
        if hints.readers() > 0 && !hears_changes {
            in_time(sink.subscribe(&changes)).await?;
            hears_changes = true;
            hints.anything();
        }
        tokio::select! {
            message = messages.next() => match message {
                Some(message) => tell(message.get_payload_bytes(), hints),
                None => return Ok(()),
            },
            () = hints.first_reader() => {}
            // One that is dead would never be noticed.
            () = tokio::time::sleep_until(tried + PING) => {
                in_time(sink.ping::<redis::Value>()).await?;
                if hears_changes && hints.readers() == 0 {
                    in_time(sink.unsubscribe(&changes)).await?;
                    hears_changes = false;
                }
                tried = Instant::now();
            }
        }
    }
}

/// What the server answers, if it does.
async fn in_time<T>(answer: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
    let late = |_| redis::RedisError::from((redis::ErrorKind::Io, "no answer in time"));
    tokio::time::timeout(PING, answer).await.map_err(late)?
}

/// Tells what a message of a script says: see `publish` in `lua/write/1_call.lua`. Of what is none of ours, that anything may have changed.
fn tell(message: &[u8], hints: &Hints) {
    if told(message, hints).is_none() {
        hints.anything();
    }
}

fn told(message: &[u8], hints: &Hints) -> Option<()> {
    let (size, rest) = message.split_first_chunk()?;
    let (&ready, rest) = rest.split_first()?;
    let (marked, rest) = rest.split_first_chunk()?;
    let (name, ids) = rest.split_at_checked(usize::from(u16::from_be_bytes(*size)))?;
    let (marks, changes) = ids.split_at_checked(usize::try_from(u32::from_be_bytes(*marked)).ok()?.checked_mul(16)?)?;
    let flow: Arc<str> = std::str::from_utf8(name).ok()?.into();
    let job =
        |id: &[u8]| Some(JobKey { flow: flow.clone(), id: JobId::from_u128(u128::from_be_bytes(id.try_into().ok()?)) });
    if ready == 1 {
        hints.ready(&flow);
    }
    changes.chunks(16).filter_map(job).for_each(|job| hints.changed(&job));
    marks.chunks(16).filter_map(job).for_each(|job| hints.marked(&job));
    Some(())
}
