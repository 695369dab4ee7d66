//! What single callers ask, and how many of them are answered at once.

use tokio::sync::{mpsc, oneshot};

use crate::store::StoreError;

/// What one caller asks, and where its answer goes.
pub(super) struct Ask<Q, A> {
    pub(super) asked: Q,
    reply: oneshot::Sender<Result<A, StoreError>>,
}

impl<Q, A> Ask<Q, A> {
    /// Nobody waits for it any more.
    pub(super) fn is_given_up(&self) -> bool {
        self.reply.is_closed()
    }
}

/// Asks those who drive this lane, and waits for the answer.
pub(super) async fn ask<Q, A>(lane: &mpsc::Sender<Ask<Q, A>>, asked: Q) -> Result<A, StoreError> {
    let gone = || StoreError::unavailable("the task that sends what it is asked has ended");
    let (reply, answer) = oneshot::channel();
    lane.send(Ask { asked, reply }).await.map_err(|_| gone())?;
    answer.await.map_err(|_| gone())?
}

/// Gives each caller its own of the answers that the store has for all of them; where one can have none, in halves, so that it fails alone.
pub(super) async fn answer<Q, A, F>(asks: Vec<Ask<Q, A>>, store: impl Fn(&[Ask<Q, A>]) -> F)
where
    F: Future<Output = Result<Vec<A>, StoreError>>,
{
    let mut rest = vec![asks];
    while let Some(mut asks) = rest.pop() {
        match store(&asks).await {
            Ok(answers) => {
                for (ask, answer) in asks.into_iter().zip(answers) {
                    // Who has gone away needs no answer.
                    let _ = ask.reply.send(Ok(answer));
                }
            }
            Err(StoreError::Rejected(_)) if asks.len() > 1 => {
                let half = asks.split_off(asks.len() / 2);
                rest.extend([half, asks]);
            }
            Err(error) => {
                for ask in asks {
                    let _ = ask.reply.send(Err(error.clone()));
                }
            }
        }
    }
}
