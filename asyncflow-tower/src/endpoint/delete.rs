//! Asks a job to stop, and forgets it.

use http::StatusCode;

use super::Call;
use crate::answer::{Answer, empty, problem::Refusal};

pub(super) async fn answer(call: &Call) -> Result<Answer, Refusal> {
    match call.flow().delete(call.job()?).await? {
        true => Ok(empty(StatusCode::NO_CONTENT)),
        false => Err(Refusal::not_found()),
    }
}
