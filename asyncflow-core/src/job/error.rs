//! Why a job failed, as it is kept and shown.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest text of one error, in bytes: a handler's error may say what it was given, whatever that is.
const LONGEST_TEXT: usize = 64 * 1024;

/// Why a job failed: what readers of its error are shown, in as much detail as the mount's setting allows.
///
/// `Debug` and `Display` name the type alone: a message may hold what the job was given.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct JobError {
    /// The error's type: one of the constants here, or the last segment of the handler's error type's name.
    #[serde(rename = "type")]
    pub kind: String,
    /// What the error says of itself.
    pub message: String,
    /// The messages of the errors beneath it, nearest first.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub causes: Vec<String>,
    /// What only developers should see: a panic's text and place, a backtrace.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub detail: Option<String>,
}

impl JobError {
    /// The handler panicked.
    pub const PANICKED: &'static str = "Panicked";
    /// The attempt took longer than its flow allows.
    pub const TIMED_OUT: &'static str = "TimedOut";
    /// The workers that ran the job were lost too often.
    pub const WORKER_LOST: &'static str = "WorkerLost";
    /// The job waited longer than its flow allows.
    pub const EXPIRED: &'static str = "Expired";
    /// The stored request does not fit the flow's request type (any more).
    pub const UNDECODABLE_REQUEST: &'static str = "UndecodableRequest";
    /// The handler's answer could not be written.
    pub const UNENCODABLE_RESULT: &'static str = "UnencodableResult";
    /// The handler's answer is larger than its flow allows.
    pub const RESULT_TOO_LARGE: &'static str = "ResultTooLarge";
    /// The job put itself off more often than its flow allows.
    pub const SNOOZED_TOO_OFTEN: &'static str = "SnoozedTooOften";

    /// An error of this type that says this.
    pub fn new(kind: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind: kind.into(), message: message.into(), causes: Vec::new(), detail: None }
    }

    /// An error of this type, with the messages of `error` and of the errors beneath it.
    pub(crate) fn of(kind: impl Into<String>, error: &(dyn std::error::Error + 'static)) -> Self {
        // A chain that leads back to itself must not hold a worker for ever.
        let causes = std::iter::successors(error.source(), |cause| cause.source()).take(32);
        Self {
            causes: causes.map(|cause| bounded(cause.to_string())).collect(),
            ..Self::new(kind, bounded(error.to_string()))
        }
    }

    /// The error that a failed job's outcome holds.
    ///
    /// # Errors
    /// The part holds something else.
    pub fn from_part(outcome: &crate::store::Part) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(&outcome.bytes)
    }

    /// The error and the chain of its causes, one a line; never empty.
    pub fn trace(&self) -> String {
        let mut trace = format!("{}: {}", self.kind, self.message);
        for cause in &self.causes {
            trace.push_str("\ncaused by: ");
            trace.push_str(cause);
        }
        trace
    }
}

/// A text that may be of any length, cut to what a store and a reader can be given.
pub(crate) fn bounded(mut text: String) -> String {
    if text.len() > LONGEST_TEXT {
        let end = (0..=LONGEST_TEXT).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

impl fmt::Debug for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobError").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the job failed with an error of type {}", self.kind)
    }
}

impl std::error::Error for JobError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Chain(u8);

    impl fmt::Display for Chain {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "level {}", self.0)
        }
    }

    impl std::error::Error for Chain {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            match self.0 {
                0 => Some(&Chain(1)),
                1 => Some(&Chain(2)),
                _ => None,
            }
        }
    }

    #[test]
    fn an_error_has_its_chain_and_shows_no_message_by_itself() {
        let error = JobError::of("Wrong", &Chain(0));
        assert_eq!(error.trace(), "Wrong: level 0\ncaused by: level 1\ncaused by: level 2");
        let shown = [error.to_string(), format!("{error:?}")];
        assert!(shown.iter().all(|shown| shown.contains("Wrong") && !shown.contains("level")), "{shown:?}");
        let part = crate::store::Part::error(&error);
        assert_eq!(JobError::from_part(&part).unwrap(), error);
        JobError::from_part(&crate::store::Part::json("1")).unwrap_err();
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(bounded("short".into()), "short");
        let cut = bounded(format!("x{}", "\u{e9}".repeat(LONGEST_TEXT)));
        assert!(cut.len() <= LONGEST_TEXT + 3 && cut.ends_with("\u{e9}…"));
    }
}
