//! What a job returned.

use asyncflow_core::{
    Record, State, Until,
    store::{ContentType, Part},
};
use http::{
    HeaderValue, StatusCode,
    header::{LINK, LOCATION, RETRY_AFTER},
};

use super::Call;
use crate::{
    answer::{
        self, Answer, empty,
        problem::{Problem, Refusal},
        result_not_modified, retry_after, say_applied,
    },
    headers::etag,
};

pub(super) async fn answer(call: &Call) -> Result<Answer, Refusal> {
    let (flow, id, prefer) = (call.flow(), call.job()?, call.prefer());
    let record = match prefer.patience() {
        // In a box, as most never wait.
        Some(patience) => Box::pin(flow.wait(id, Until::Ended, patience)).await?,
        None => flow.get(id).await?,
    };
    let record = record.ok_or_else(Refusal::not_found)?;
    let mut answer = match record.state {
        State::Succeeded if call.knows(record.version) => result_not_modified(etag::tag(record.version)),
        State::Succeeded => {
            let part = flow.outcome(id).await?.ok_or_else(Refusal::not_found)?;
            shown(&record, part)
        }
        // There will never be a result.
        State::Failed => Refusal::new(Problem::JobFailed, "the job failed, and its error says why")
            .header(LINK, call.links(id).error())
            .answer(&call.mount.wire),
        State::Cancelled => Refusal::new(Problem::JobCancelled, "the job was stopped before it returned anything")
            .header(LINK, call.links(id).status())
            .answer(&call.mount.wire),
        State::Scheduled | State::Enqueued | State::Processing => pending(call, &record),
    };
    say_applied(&mut answer, prefer);
    Ok(answer)
}

/// The result of the job of this record.
pub(super) fn shown(record: &Record, part: Part) -> Answer {
    let content_type = match &part.content_type {
        ContentType::Json => HeaderValue::from_static("application/json"),
        other => HeaderValue::from_str(other.as_str())
            .unwrap_or(const { HeaderValue::from_static("application/octet-stream") }),
    };
    answer::result(content_type, etag::tag(record.version), part.bytes.into())
}

fn pending(call: &Call, record: &Record) -> Answer {
    let links = call.links(record.job.id);
    let mut answer = empty(StatusCode::ACCEPTED);
    let headers = answer.headers_mut();
    headers.insert(LOCATION, links.url("result"));
    headers.insert(LINK, links.status());
    headers.insert(RETRY_AFTER, retry_after::of(call.flow(), record.created));
    answer
}
