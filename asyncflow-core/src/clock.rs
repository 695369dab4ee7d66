//! The time of day comes from outside, so that tests can turn it.

use std::{
    fmt,
    sync::atomic::{AtomicI64, Ordering},
    time::{Duration, SystemTime},
};

use crate::job::Stamp;

/// Tells the time of day. Ids and embedded stores ask it; intervals are tokio's.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> Stamp;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Stamp {
        SystemTime::now().into()
    }
}

/// A clock that a test turns by hand.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that stands at this time.
    pub fn at(now: Stamp) -> Self {
        Self(AtomicI64::new(now.as_micros()))
    }

    /// Turns it forward.
    pub fn advance(&self, by: Duration) {
        self.set(self.now() + by);
    }

    /// Sets it, forward or back.
    pub fn set(&self, now: Stamp) {
        self.0.store(now.as_micros(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Stamp {
        Stamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

/// A clock that runs with tokio's time, and so stands and turns with `tokio::time::pause` and `advance`.
#[derive(Clone, Debug)]
pub struct TokioClock {
    began: tokio::time::Instant,
    at: Stamp,
}

impl TokioClock {
    /// A clock that shows `now` now.
    pub fn at(now: Stamp) -> Self {
        Self { began: tokio::time::Instant::now(), at: now }
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Stamp {
        self.at + self.began.elapsed()
    }
}
