//! One run of a handler: until it ends, or has ignored for too long that it should.

use std::{
    future::{Future, poll_fn},
    task::Poll,
    time::Duration,
};

use tokio::time::Instant;

use super::panics;
use crate::{
    engine::LAST_GRACE,
    flow::{Attempt, Handler, Running, Stop},
};

/// How a run ended.
pub(super) enum End {
    /// By itself.
    Ended(Attempt),
    /// It was dropped.
    Dropped(Stop),
}

/// Runs a handler, supervised only where it does not end at once.
pub(super) async fn run(mut handler: Handler, running: &Running, timeout: Option<Duration>, grace: Duration) -> End {
    let mut supervision = None;
    let end = poll_fn(|context| match panics::poll(&mut handler, context) {
        Poll::Ready(attempt) => Poll::Ready(End::Ended(attempt)),
        Poll::Pending => {
            let overdue = supervision.get_or_insert_with(|| Box::pin(overdue(running, timeout, grace)));
            overdue.as_mut().poll(context).map(End::Dropped)
        }
    })
    .await;
    panics::discard(handler);
    end
}

/// Waits until a handler is to be dropped, and says why; on the way it tells the handler to stop when its time is over.
async fn overdue(running: &Running, timeout: Option<Duration>, grace: Duration) -> Stop {
    let end = timeout.map(|timeout| Instant::now() + timeout);
    loop {
        let stop = running.stop();
        let patience = match stop {
            Stop::Not => end,
            Stop::Marked | Stop::TimedOut | Stop::Lost => Some(Instant::now() + grace),
            Stop::Drained => Some(Instant::now() + LAST_GRACE.min(grace)),
        };
        let over = async {
            match patience {
                Some(patience) => tokio::time::sleep_until(patience).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = running.stop_changed(stop) => {}
            () = over => match stop {
                Stop::Not => running.tell(Stop::TimedOut),
                _ => return stop,
            },
        }
    }
}
