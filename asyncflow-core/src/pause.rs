//! Growing pauses between attempts to reach a store.

use std::time::Duration;

use tokio::time::{Instant, Sleep};

pub(crate) struct Pause(Duration);

impl Default for Pause {
    fn default() -> Self {
        Self(Duration::from_millis(20))
    }
}

impl Pause {
    /// The next pause.
    pub(crate) fn next(&mut self) -> Sleep {
        let pause = self.0;
        self.0 = (pause * 2).min(Duration::from_secs(1));
        tokio::time::sleep(pause)
    }

    /// The next pause, which ends at this time at the latest; `None` once it is over.
    pub(crate) fn until(&mut self, end: Instant) -> Option<Sleep> {
        let left = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
        self.0 = self.0.min(left);
        Some(self.next())
    }
}
