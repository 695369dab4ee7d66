//! Asks a job to stop.

use asyncflow_core::Cancelled;
use http::StatusCode;

use super::{Call, status};
use crate::answer::{
    Answer, applied,
    problem::{Problem, Refusal},
};

pub(super) async fn answer(call: &Call) -> Result<Answer, Refusal> {
    match call.flow().cancel(call.job()?).await? {
        Cancelled::Asked(record) => {
            let answer = status::shown(call, StatusCode::ACCEPTED, &record);
            Ok(applied(answer, call.prefer().without_wait()))
        }
        Cancelled::Ended(_) => Err(Refusal::new(Problem::JobEnded, "the job ended before it was asked to stop")),
        Cancelled::Missing => Err(Refusal::not_found()),
    }
}
