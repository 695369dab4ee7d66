//! The time of day comes from outside, so that tests can turn it.

use std::{
    fmt,
    sync::{
        LazyLock,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use crate::job::Stamp;

/// Tells the time of day. Ids and embedded stores ask it; intervals are tokio's.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> Stamp;

    /// How much time has gone by since some moment, whether the clock was set meanwhile or not: two readings tell what was between them. The
    /// machine's steady time unless implemented; a clock that tests turn turns this as well.
    fn steady(&self) -> Duration {
        static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
        BEGAN.elapsed()
    }
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
pub struct ManualClock {
    now: AtomicI64,
    /// In microseconds.
    steady: AtomicU64,
}

impl ManualClock {
    /// A clock that stands at this time.
    pub fn at(now: Stamp) -> Self {
        Self { now: AtomicI64::new(now.as_micros()), steady: AtomicU64::new(0) }
    }

    /// Turns it forward: so much time goes by.
    pub fn advance(&self, by: Duration) {
        self.steady.fetch_add(u64::try_from(by.as_micros()).unwrap_or(u64::MAX), Ordering::SeqCst);
        self.set(self.now() + by);
    }

    /// Sets it, forward or back, while no time goes by.
    pub fn set(&self, now: Stamp) {
        self.now.store(now.as_micros(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Stamp {
        Stamp::from_micros(self.now.load(Ordering::SeqCst))
    }

    fn steady(&self) -> Duration {
        Duration::from_micros(self.steady.load(Ordering::SeqCst))
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

    fn steady(&self) -> Duration {
        self.began.elapsed()
    }
}
