//! How a job is.

use asyncflow_core::{Record, Until};
use http::{
    StatusCode,
    header::{ETAG, RETRY_AFTER},
};

use super::Call;
use crate::{
    answer::{Answer, json, problem::Refusal, retry_after, say_applied, status_not_modified},
    headers::etag,
};

pub(super) async fn answer(call: &Call) -> Result<Answer, Refusal> {
    let (flow, id, prefer) = (call.flow(), call.job()?, call.prefer());
    let first = flow.get(id).await?.ok_or_else(Refusal::not_found)?;
    let known = call.knows(first.version);
    // Whoever knows another version than this one is told at once.
    let until = match call.present.if_none_match {
        true => known.then_some(Until::Changed(first.version)),
        false => Some(Until::Ended),
    };
    let (record, known) = match (prefer.patience(), until) {
        (Some(patience), Some(until)) if !first.state.is_ended() => {
            // In a box, as most never wait.
            let record = Box::pin(flow.wait(id, until, patience)).await?.ok_or_else(Refusal::not_found)?;
            let known = known && call.knows(record.version);
            (record, known)
        }
        _ => (first, known),
    };
    let mut answer =
        if known { status_not_modified(etag::tag(record.version)) } else { shown(call, StatusCode::OK, &record) };
    say_applied(&mut answer, prefer);
    Ok(answer)
}

/// What is shown of a record, with the headers that go with it.
pub(super) fn shown(call: &Call, status: StatusCode, record: &Record) -> Answer {
    let mut answer = json(status, json::status(call.mount.wire.naming, record));
    answer.headers_mut().insert(ETAG, etag::tag(record.version));
    if !record.state.is_ended() {
        answer.headers_mut().insert(RETRY_AFTER, retry_after::of(call.flow(), record.created));
    }
    answer
}
