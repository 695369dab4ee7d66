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

/// What a run may take.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    pub(super) timeout: Option<Duration>,
    /// How long it may ignore that it should stop.
    pub(super) grace: Duration,
    /// No longer than the lease is surely held: how many run in the fleet is limited.
    pub(super) while_held: bool,
}

/// Runs a handler, supervised only where it does not end at once.
pub(super) async fn run(mut handler: Handler, running: &Running, patience: Patience) -> End {
    let mut supervision = None;
    let end = poll_fn(|context| match panics::poll(&mut handler, context) {
        Poll::Ready(attempt) => Poll::Ready(End::Ended(attempt)),
        Poll::Pending => {
            let overdue = supervision.get_or_insert_with(|| Box::pin(overdue(running, patience)));
            overdue.as_mut().poll(context).map(End::Dropped)
        }
    })
    .await;
    panics::discard(handler);
    end
}

/// Waits until a handler is to be dropped, and says why; on the way it tells the handler to stop when its time is over.
async fn overdue(running: &Running, Patience { timeout, grace, while_held }: Patience) -> Stop {
    let mut stop = Stop::Not;
    let mut end = timeout.map(|timeout| Instant::now() + timeout);
    loop {
        if running.stop() > stop {
            stop = running.stop();
            end = Some(Instant::now() + if stop == Stop::Drained { LAST_GRACE.min(grace) } else { grace });
        }
        let lease = while_held.then(|| running.lease());
        let over = async {
            match end.into_iter().chain(lease).min() {
                Some(time) => tokio::time::sleep_until(time).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = running.stop_changed(stop) => {}
            () = over => {
                let now = Instant::now();
                if while_held && running.lease() <= now {
                    running.tell(Stop::Lost);
                    return Stop::Lost;
                }
                match end {
                    Some(end) if end > now => {}
                    _ if stop > Stop::Not => return stop,
                    Some(_) => running.tell(Stop::TimedOut),
                    None => {}
                }
            }
        }
    }
}
