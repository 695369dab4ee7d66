//! What is set per flow: plain values, which can come from a configuration file.

mod duration;
mod options;
mod retention;
mod retry;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use options::{FlowOptions, InvalidOptions};
pub use retention::Retention;
pub use retry::Retry;

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
        }
    }
}
