//! `Retry-After`: when to look at a job again.

use std::time::Duration;

use asyncflow_core::{FlowRef, Stamp};
use http::HeaderValue;

/// Where there is no job yet, or it is new.
pub(crate) const SOON: HeaderValue = HeaderValue::from_static("1");

/// For a job of this flow that was made then.
pub(crate) fn of(flow: &FlowRef, created: Stamp) -> HeaderValue {
    after(flow.now().since(created))
}

/// A tenth of the job's age in whole seconds: at least 1, as some clients read 0 as unset, and at most 10.
fn after(age: Duration) -> HeaderValue {
    HeaderValue::from((age.as_secs() / 10).clamp(1, 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_with_the_age_within_its_bounds() {
        for (age, shown) in [(0, "1"), (19, "1"), (20, "2"), (99, "9"), (100, "10"), (u64::MAX, "10")] {
            assert_eq!(after(Duration::from_secs(age)), shown);
        }
    }
}
