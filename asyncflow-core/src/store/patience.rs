//! Waiting for a store that is not there yet.

use std::time::Duration;

use tokio::time::Instant;

use super::StoreError;
use crate::{pause::Pause, trace};

/// Whoever would wait longer: no later time can be told.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// Tries something until it is no longer refused as [unavailable](StoreError::Unavailable), with growing pauses and for so long in all; at
/// least once. For stores that connect to a server, which may be started after its nodes.
///
/// Cancel safe where the attempt is.
///
/// # Errors
/// The last attempt's.
///
/// # Panics
/// If it has to wait where there is no tokio runtime.
pub async fn once_available<T, F>(patience: Duration, mut attempt: impl FnMut() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let end = Instant::now() + patience.min(LONGEST);
    let (mut pauses, mut told) = (Pause::default(), false);
    loop {
        let error = match attempt().await {
            Err(error @ StoreError::Unavailable(_)) => error,
            answer => return answer,
        };
        let Some(pause) = pauses.until(end) else { return Err(error) };
        if !std::mem::replace(&mut told, true) {
            trace::warning!(error = %error, "the store is tried again for {patience:?}");
        }
        pause.await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Is there from the `nth` attempt on.
    async fn there_at(nth: usize, patience: Duration, refused: StoreError) -> (Result<(), StoreError>, usize) {
        let mut attempts = 0;
        let answer = once_available(patience, || {
            attempts += 1;
            std::future::ready(if attempts < nth { Err(refused.clone()) } else { Ok(()) })
        });
        let answer = answer.await;
        (answer, attempts)
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_tried_until_it_is_there_or_the_time_is_over() {
        let away = || StoreError::unavailable("away");
        assert!(matches!(there_at(1, Duration::ZERO, away()).await, (Ok(()), 1)));
        for patience in [SECOND, Duration::MAX] {
            assert!(matches!(there_at(5, patience, away()).await, (Ok(()), 5)));
        }
        assert!(matches!(there_at(2, Duration::ZERO, away()).await, (Err(StoreError::Unavailable(_)), 1)));
        let began = Instant::now();
        assert!(matches!(there_at(99, SECOND, away()).await, (Err(StoreError::Unavailable(_)), 3..)));
        assert!((SECOND..2 * SECOND).contains(&began.elapsed()), "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn what_somebody_must_mend_is_not_tried_again() {
        assert!(matches!(there_at(2, SECOND, StoreError::unusable("full")).await, (Err(StoreError::Unusable(_)), 1)));
    }
}
