//! How a job is.

use asyncflow_core::{Record, Until};
use http::{
    StatusCode,
    header::{ETAG, RETRY_AFTER},
};

use super::Call;
use crate::{
    answer::{Answer, json, problem::Refusal, retry_after, say_applied, status_not_modified},
    headers::{etag, prefer::Prefer},
};

pub(super) async fn answer(call: &Call) -> Result<Answer, Refusal> {
    let (flow, id, prefer) = (call.flow(), call.job()?, call.prefer());
    let Some(record) = flow.get(id).await? else { return Err(Refusal::not_found()) };
    let known = call.knows(record.version);
    // Whoever knows another version than this one is told at once.
    let until = match call.present.if_none_match {
        true => known.then_some(Until::Changed(record.version)),
        false => Some(Until::Ended),
    };
    if let (Some(patience), Some(until), false) = (prefer.patience(), until, record.state.is_ended()) {
        drop(record);
        // In a box, as most never wait.
        let Some(record) = Box::pin(flow.wait(id, until, patience)).await? else { return Err(Refusal::not_found()) };
        return Ok(told(call, &record, known && call.knows(record.version), prefer));
    }
    Ok(told(call, &record, known, prefer))
}

fn told(call: &Call, record: &Record, known: bool, prefer: Prefer) -> Answer {
    let mut answer =
        if known { status_not_modified(etag::tag(record.version)) } else { shown(call, StatusCode::OK, record) };
    say_applied(&mut answer, prefer);
    answer
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
