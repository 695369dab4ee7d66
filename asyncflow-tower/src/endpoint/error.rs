//! Why a job failed.

use std::borrow::Cow;

use asyncflow_core::{JobError, State};
use http::StatusCode;

use super::Call;
use crate::answer::{
    Answer, empty, json,
    problem::{Problem, Refusal},
};

/// How much the error endpoint shows of why a job failed. Whatever it shows, the operator's log has all of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorDetail {
    /// The error's type and message, and as stack trace the error and the chain of its causes; of a panic just that the job panicked.
    #[default]
    Causes,
    /// For development: adds a panic's text and place, and a backtrace where one was taken.
    Full,
    /// The error's type and message; the stack trace is `null`.
    Message,
    /// That the job failed: type and message are fixed texts.
    Opaque,
}

pub(super) async fn answer(call: &Call) -> Result<Answer, Refusal> {
    let (flow, id) = (call.flow(), call.job()?);
    let record = flow.get(id).await?.ok_or_else(Refusal::not_found)?;
    if record.state != State::Failed {
        return Ok(empty(StatusCode::NO_CONTENT));
    }
    let part = flow.outcome(id).await?.ok_or_else(Refusal::not_found)?;
    let error = JobError::from_part(&part)
        .map_err(|cause| Refusal::new(Problem::Internal, "the job's error cannot be read").because(cause))?;
    let (kind, message, trace) = call.mount.error_detail.of(&error);
    Ok(json(StatusCode::OK, json::error(call.mount.wire.naming, id, &kind, &message, trace.as_deref())))
}

impl ErrorDetail {
    /// The type, the message and the stack trace that are shown of an error.
    fn of(self, error: &JobError) -> (Cow<'_, str>, Cow<'_, str>, Option<String>) {
        let trace = match self {
            Self::Opaque => return ("Error".into(), "the job failed".into(), None),
            Self::Message => None,
            Self::Causes => Some(error.trace()),
            Self::Full => match &error.detail {
                Some(detail) => Some([&error.trace(), "\n", detail].concat()),
                None => Some(error.trace()),
            },
        };
        (error.kind.as_str().into(), error.message.as_str().into(), trace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_setting_shows_its_part() {
        let mut error = JobError::new("Panicked", "the job panicked");
        error.causes.push("why".into());
        error.detail = Some("at src/x.rs".into());
        let shown = |detail: ErrorDetail| detail.of(&error);
        let trace = "Panicked: the job panicked\ncaused by: why";
        assert_eq!(shown(ErrorDetail::Causes), ("Panicked".into(), "the job panicked".into(), Some(trace.into())));
        assert_eq!(shown(ErrorDetail::Full).2, Some(format!("{trace}\nat src/x.rs")));
        assert_eq!(shown(ErrorDetail::Message), ("Panicked".into(), "the job panicked".into(), None));
        assert_eq!(shown(ErrorDetail::Opaque), ("Error".into(), "the job failed".into(), None));
    }
}
