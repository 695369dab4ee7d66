//! Asks a job to stop.

use asyncflow_core::Cancelled;
use http::StatusCode;

use super::{Call, status};
use crate::answer::{
    Answer,
    problem::{Problem, Refusal},
    say_applied,
};

pub(super) async fn answer(call: &Call) -> Result<Answer, Refusal> {
    match call.flow().cancel(call.job()?).await? {
        Cancelled::Asked(record) => {
            let mut answer = status::shown(call, StatusCode::ACCEPTED, &record);
            say_applied(&mut answer, call.prefer().without_wait());
            Ok(answer)
        }
        Cancelled::Ended(_) => Err(Refusal::new(Problem::JobEnded, "the job ended before it was asked to stop")),
        Cancelled::Missing => Err(Refusal::not_found()),
    }
}
