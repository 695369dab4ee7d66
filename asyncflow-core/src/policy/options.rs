//! The options of one flow.

use std::{fmt, num::NonZeroUsize, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use super::{Limits, Policy, Retention, Retry, duration};

const MIB: usize = 1024 * 1024;
/// How far apart an owner's jobs stand where owners take turns. Just its relation to a step of priority matters: 600 turns.
const SPACING: Duration = Duration::from_millis(100);

/// What is set for one flow. Every option has a default; each has a method that sets it, and a member of the same name in a
/// configuration file, where durations are written `"30s"`.
///
/// ```
/// # use asyncflow_core::{FlowOptions, Retry}; use std::time::Duration;
/// let options = FlowOptions::new().concurrency(4).timeout(Duration::from_secs(60)).retry(Retry::fixed(3, Duration::from_secs(5)));
/// let same: FlowOptions = serde_json::from_str(
///     r#"{ "concurrency": 4, "timeout": "60s", "retry": { "fixed": { "attempts": 3, "delay": "5s" } } }"#,
/// )?;
/// assert_eq!(options, same);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct FlowOptions {
    /// Jobs of the flow that a node runs at once; 100 unless set.
    pub concurrency: NonZeroUsize,
    /// How long an attempt may take; as long as it likes unless set.
    #[serde(with = "duration::option")]
    pub timeout: Option<Duration>,
    /// When a failed attempt is followed by another; never unless set.
    pub retry: Retry,
    /// −10 to 10, higher is sooner; 0 unless set. A job's own priority beats it.
    pub priority: i8,
    /// How long ended jobs are kept.
    pub retention: Retention,
    /// How long a ready job may wait for a worker before it fails as `Expired`; 30 days unless set.
    #[serde(with = "duration")]
    pub expiry: Duration,
    /// The largest request, in bytes; 2 MiB unless set.
    pub max_request: usize,
    /// The largest result, in bytes; 32 MiB unless set.
    pub max_result: usize,
    /// Jobs of the flow that may wait, in all of the store; 1,000,000 unless set.
    pub max_waiting: u64,
    /// Jobs of one owner that may wait; as many as `max_waiting` allows unless set.
    pub max_waiting_per_owner: Option<u64>,
    /// What may run in all of the fleet; no limits unless set. [`FlowEngine::set_limits`](crate::FlowEngine::set_limits) changes them
    /// while nodes run.
    pub limits: Limits,
    /// Owners take turns, however many jobs each has waiting; first come, first served unless set. Jobs without an owner count as one's.
    pub fair: bool,
    /// Bytes of requests that a node receives and works on at once; 256 MiB unless set.
    pub max_bytes: usize,
    /// Leases lost in a row at which a job fails as `WorkerLost`; 3 unless set.
    pub max_crashes: u8,
    /// Times that a job may put itself off before it fails as `SnoozedTooOften`; 100 unless set.
    pub max_snoozes: u16,
    /// The shortest time between two writes of a job's progress, and from its start to the first; 100 ms unless set.
    #[serde(with = "duration")]
    pub progress_interval: Duration,
    /// The version that new jobs of the flow are given; 0 unless set. A node claims jobs of this version and of `also_runs`.
    pub version: u16,
    /// Further versions whose jobs this flow's handler understands.
    pub also_runs: Vec<u16>,
}

impl Default for FlowOptions {
    fn default() -> Self {
        let policy = Policy::default();
        Self {
            concurrency: NonZeroUsize::MIN.saturating_add(99),
            timeout: None,
            retry: policy.retry,
            priority: 0,
            retention: policy.retention,
            expiry: policy.expiry,
            max_request: 2 * MIB,
            max_result: 32 * MIB,
            max_waiting: 1_000_000,
            max_waiting_per_owner: None,
            limits: Limits::default(),
            fair: false,
            max_bytes: 256 * MIB,
            max_crashes: policy.max_crashes,
            max_snoozes: policy.max_snoozes,
            progress_interval: Duration::from_millis(100),
            version: 0,
            also_runs: Vec::new(),
        }
    }
}

macro_rules! setters {
    ($($name:ident: $type:ty),* $(,)?) => {
        $(
            #[doc = concat!("Sets [`", stringify!($name), "`](Self#structfield.", stringify!($name), ").")]
            pub fn $name(mut self, $name: $type) -> Self {
                self.$name = $name;
                self
            }
        )*
    };
}

impl FlowOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets [`concurrency`](Self#structfield.concurrency); 0 counts as 1.
    pub fn concurrency(mut self, jobs: usize) -> Self {
        self.concurrency = NonZeroUsize::new(jobs).unwrap_or(NonZeroUsize::MIN);
        self
    }

    /// Sets [`timeout`](Self#structfield.timeout).
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sets [`max_waiting_per_owner`](Self#structfield.max_waiting_per_owner).
    pub fn max_waiting_per_owner(mut self, jobs: u64) -> Self {
        self.max_waiting_per_owner = Some(jobs);
        self
    }

    setters! {
        retry: Retry,
        priority: i8,
        retention: Retention,
        expiry: Duration,
        max_request: usize,
        max_result: usize,
        max_waiting: u64,
        limits: Limits,
        fair: bool,
        max_bytes: usize,
        max_crashes: u8,
        max_snoozes: u16,
        progress_interval: Duration,
        version: u16,
        also_runs: Vec<u16>,
    }

    /// What a record carries of the options.
    pub(crate) fn policy(&self) -> Arc<Policy> {
        Arc::new(Policy {
            retry: self.retry.clone(),
            retention: self.retention.clone(),
            expiry: self.expiry,
            max_crashes: self.max_crashes,
            max_snoozes: self.max_snoozes,
            spacing: self.fair.then_some(SPACING),
            ..Policy::default()
        })
    }

    /// The versions whose jobs are claimed.
    pub(crate) fn versions(&self) -> Arc<[u16]> {
        std::iter::once(self.version).chain(self.also_runs.iter().copied()).collect()
    }

    /// Whether the options agree with each other.
    ///
    /// # Errors
    /// The first option that cannot be honoured, with what to say instead.
    pub fn check(&self) -> Result<(), InvalidOptions> {
        let longest = duration::LONGEST;
        let wrong = |option, why| Err(InvalidOptions::new(option, why));
        if let Err(why) = self.retry.check() {
            return wrong("retry", why);
        }
        if let Err(why) = self.limits.check() {
            return wrong("limits", why);
        }
        if !(-10..=10).contains(&self.priority) {
            return wrong("priority", format!("{} is not within -10 to 10", self.priority));
        }
        if self.timeout.is_some_and(|timeout| timeout.is_zero()) {
            return wrong("timeout", "no attempt can end in no time: leave it out for no timeout".into());
        }
        if self.expiry.is_zero() {
            return wrong("expiry", "every job would fail at once".into());
        }
        for (option, duration) in [
            ("timeout", self.timeout.unwrap_or_default()),
            ("expiry", self.expiry),
            ("retention", self.retention.succeeded),
            ("retention", self.retention.failed),
            ("retention", self.retention.cancelled),
            ("progress_interval", self.progress_interval),
        ] {
            if duration > longest {
                return wrong(option, format!("{duration:?} is longer than a hundred years"));
            }
        }
        for (option, value) in [
            ("max_request", self.max_request),
            ("max_result", self.max_result),
            ("max_waiting", usize::from(self.max_waiting > 0)),
            ("max_waiting_per_owner", usize::from(self.max_waiting_per_owner != Some(0))),
            ("max_crashes", self.max_crashes.into()),
        ] {
            if value == 0 {
                return wrong(option, "it is 0, which no job could meet".into());
            }
        }
        if self.max_crashes > 100 {
            return wrong("max_crashes", format!("{} is above 100, the most for any job", self.max_crashes));
        }
        if self.max_bytes < self.max_request {
            let why = format!("{} bytes are less than one request may have ({})", self.max_bytes, self.max_request);
            return wrong("max_bytes", why);
        }
        if self.max_waiting_per_owner.is_some_and(|own| own > self.max_waiting) {
            return wrong("max_waiting_per_owner", format!("it is above max_waiting ({})", self.max_waiting));
        }
        Ok(())
    }
}

/// An option that cannot be honoured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidOptions {
    option: &'static str,
    why: String,
}

impl InvalidOptions {
    pub(crate) fn new(option: &'static str, why: String) -> Self {
        Self { option, why }
    }

    /// The option's name.
    pub fn option(&self) -> &'static str {
        self.option
    }
}

impl fmt::Display for InvalidOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "option `{}`: {}", self.option, self.why)
    }
}

impl std::error::Error for InvalidOptions {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_contradicts_is_named() {
        let wrong = |options: FlowOptions| options.check().unwrap_err().option();
        assert_eq!(FlowOptions::new().check(), Ok(()));
        assert_eq!(wrong(FlowOptions::new().priority(11)), "priority");
        assert_eq!(wrong(FlowOptions::new().timeout(Duration::ZERO)), "timeout");
        assert_eq!(wrong(FlowOptions::new().timeout(Duration::MAX)), "timeout");
        assert_eq!(wrong(FlowOptions::new().expiry(Duration::ZERO)), "expiry");
        assert_eq!(wrong(FlowOptions::new().retry(Retry::fixed(0, Duration::ZERO))), "retry");
        assert_eq!(wrong(FlowOptions::new().retention(Retention::of(Duration::MAX))), "retention");
        assert_eq!(wrong(FlowOptions::new().max_waiting(0)), "max_waiting");
        assert_eq!(wrong(FlowOptions::new().max_waiting(5).max_waiting_per_owner(6)), "max_waiting_per_owner");
        assert_eq!(wrong(FlowOptions::new().max_bytes(5)), "max_bytes");
        assert_eq!(wrong(FlowOptions::new().limits(Limits::new().running(0))), "limits");
        assert_eq!(wrong(FlowOptions::new().max_crashes(101)), "max_crashes");
    }

    #[test]
    fn a_configuration_file_is_read_strictly() {
        let read = |text| serde_json::from_str::<FlowOptions>(text);
        assert_eq!(read("{}").unwrap(), FlowOptions::new());
        assert_eq!(read(r#"{"timeout":"1m 30s"}"#).unwrap(), FlowOptions::new().timeout(Duration::from_secs(90)));
        assert_eq!(read(r#"{"timeout":1.5}"#).unwrap(), FlowOptions::new().timeout(Duration::from_millis(1500)));
        assert_eq!(read(r#"{"timeout":null}"#).unwrap(), FlowOptions::new());
        assert_eq!(read(r#"{"expiry":7}"#).unwrap(), FlowOptions::new().expiry(Duration::from_secs(7)));
        for (wrong, says) in [
            (r#"{"tiemout":"1s"}"#, "unknown field `tiemout`"),
            (r#"{"timeout":"soon"}"#, "`soon` is no duration"),
            (r#"{"timeout":[]}"#, "or a number of seconds"),
            (r#"{"timeout":-1.5}"#, "`-1.5` is no duration"),
            (r#"{"expiry":null}"#, "or a number of seconds"),
            (r#"{"timeout":-1}"#, "negative"),
            (r#"{"concurrency":0}"#, "nonzero"),
        ] {
            let error = read(wrong).unwrap_err().to_string();
            assert!(error.contains(says), "{wrong}: {error}");
        }
    }

    #[test]
    fn options_survive_their_encoding() {
        let options =
            FlowOptions::new().timeout(Duration::from_millis(10)).retry(Retry::exponential(3, Duration::from_secs(1)));
        let options = options.limits(Limits::new().running(3).rate(super::super::Rate::new(5, Duration::from_secs(1))));
        let text = serde_json::to_string(&options).unwrap();
        assert_eq!(serde_json::from_str::<FlowOptions>(&text).unwrap(), options);
    }
}
