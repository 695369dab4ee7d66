//! What is set per flow: plain values, which can come from a configuration file.

mod duration;
mod limits;
mod options;
mod retention;
mod retry;
mod settings;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use limits::{Limits, Rate};
pub use options::{FlowOptions, InvalidOptions};
pub use retention::Retention;
pub use retry::Retry;
pub use settings::{FlowSettings, Settings};

/// What any node needs to know to look after a job, whether or not it has the job's flow. It travels in the record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Policy {
    /// When a failed attempt is followed by another.
    pub retry: Retry,
    /// How long an ended job is kept.
    pub retention: Retention,
    /// How long a ready job may wait for a worker before it fails.
    #[serde(with = "duration")]
    pub expiry: Duration,
    /// What one step of priority is worth in time.
    #[serde(with = "duration")]
    pub boost: Duration,
    /// Leases lost in a row at which the job fails.
    pub max_crashes: u8,
    /// Times that the handler may put the job off.
    pub max_snoozes: u16,
    /// How far apart jobs of one owner stand in line, where owners take turns; nowhere in particular where they don't.
    #[serde(with = "duration::option", skip_serializing_if = "Option::is_none")]
    pub spacing: Option<Duration>,
}

impl Policy {
    /// How much earlier than it is ready a job of this priority counts, in microseconds.
    pub fn lead(&self, priority: i8) -> i64 {
        i64::try_from(self.boost.as_micros()).unwrap_or(i64::MAX).saturating_mul(priority.into())
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            retry: Retry::default(),
            retention: Retention::default(),
            expiry: Duration::from_secs(30 * 24 * 3600),
            boost: Duration::from_secs(60),
            max_crashes: 3,
            max_snoozes: 100,
            spacing: None,
        }
    }
}
