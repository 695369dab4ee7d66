//! Submits a job.

use std::{
    borrow::Cow,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use asyncflow_core::{
    DecodeError, IdempotencyKey, JobId, Receiving, State, SubmitError, SubmitOptions, Until,
    store::{ContentType, Part},
};
use bytes::{Buf, Bytes};
use http::{
    StatusCode,
    header::{CONTENT_LOCATION, LINK, LOCATION, RETRY_AFTER},
};
use http_body::Body;

use super::{Answering, Call, Running, result};
use crate::{
    answer::{
        self, Answer, json,
        problem::{Problem, Refusal},
        retry_after, say_applied,
    },
    body::{Announced, BoxError, Collected, TooLarge},
    headers::{
        idempotency,
        media_type::{self, Media},
    },
};

/// The time in which more of a body has to come, once it has taken room.
const STALL: Duration = Duration::from_secs(30);

/// A request whose body is being read.
pub(crate) struct Receive {
    call: Call,
    media: Media,
    key: Option<IdempotencyKey>,
    body: Collected,
    /// The part of the node's room that the body takes, and its size.
    room: Option<Receiving>,
    reserved: usize,
    patience: Option<Patience>,
}

/// Ends, at the earliest, when no more than this length has come for a while.
struct Patience {
    timer: Pin<Box<dyn Future<Output = ()> + Send>>,
    length: usize,
}

/// Refuses what the head alone shows to be wrong.
pub(super) fn start(call: Call, body: &impl Body) -> Answering {
    match check(&call, Announced::of(&call.headers, body)) {
        Ok((media, key)) => {
            let body = Collected::new(call.flow().options().max_request);
            let receive = Receive { call, media, key, body, room: None, reserved: 0, patience: None };
            Answering::Receive(Some(Box::new(receive)))
        }
        Err(refusal) => Answering::done(call.settle(Err(refusal))),
    }
}

fn check(call: &Call, announced: Announced) -> Result<(Media, Option<IdempotencyKey>), Refusal> {
    let flow = call.flow();
    let media = media_type::read(&call.headers, call.present.content_encoding, |essence| flow.takes(essence));
    if let (Err(why), true) = (&media.taken, announced.bytes > 0) {
        return Err(Refusal::unsupported(why, &call.mount.accept));
    }
    let key = if call.present.idempotency_key { idempotency::read(&call.headers)? } else { None };
    if announced.bytes > flow.options().max_request as u64 {
        return Err(too_large(flow.options().max_request));
    }
    Ok((media, key))
}

fn too_large(limit: usize) -> Refusal {
    Refusal::new(Problem::BodyTooLarge, format!("a request to this flow has at most {limit} bytes"))
}

impl Receive {
    /// Reads on, no further than the limit.
    pub(super) fn poll<B>(&mut self, cx: &mut Context<'_>, mut body: Pin<&mut B>) -> Poll<Result<(), Answer>>
    where
        B: Body,
        B::Error: Into<BoxError>,
    {
        while !body.is_end_stream() {
            let added = match body.as_mut().poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => frame.into_data().map_or(Ok(()), |data| self.add(data)),
                Poll::Ready(Some(Err(error))) => {
                    Err(Refusal::new(Problem::UnreadableRequest, "the body broke off").because(error.into()))
                }
                Poll::Ready(None) => break,
                Poll::Pending => Err(ready!(self.stalled(cx))),
            };
            if let Err(refusal) = added {
                return Poll::Ready(Err(self.call.settle(Err(refusal))));
            }
        }
        self.patience = None;
        Poll::Ready(Ok(()))
    }

    /// Ready once the body has held its room for too long without going on. One that has none yet costs no more than its connection.
    fn stalled(&mut self, cx: &mut Context<'_>) -> Poll<Refusal> {
        if self.room.is_none() {
            return Poll::Pending;
        }
        loop {
            let (flow, length) = (self.call.flow(), self.body.len());
            // Kept while the body goes on, rather than set anew for each frame.
            let patience = self.patience.get_or_insert_with(|| Patience { timer: Box::pin(flow.sleep(STALL)), length });
            ready!(patience.timer.as_mut().poll(cx));
            if patience.length == length {
                return Poll::Ready(Refusal::new(Problem::UnreadableRequest, "the body stalled on its way"));
            }
            self.patience = None;
        }
    }

    fn add(&mut self, data: impl Buf) -> Result<(), Refusal> {
        if !data.has_remaining() {
            return Ok(());
        }
        if let Err(why) = &self.media.taken {
            return Err(Refusal::unsupported(why, &self.call.mount.accept));
        }
        let flow = self.call.flow();
        let limit = flow.options().max_request;
        let needed = self.body.len().saturating_add(data.remaining());
        if self.reserved < needed && needed <= limit {
            // By doubling, so that room is asked for seldom; and given back first, so that one request always fits into a node.
            self.reserved = needed.max(self.reserved.saturating_mul(2)).min(limit);
            self.room = None;
            self.room = flow.receive(self.reserved);
            if self.room.is_none() {
                return Err(Refusal::new(
                    Problem::Unavailable,
                    "as many requests as there is room for are being received",
                ));
            }
        }
        self.body.push(data).map_err(|TooLarge| too_large(limit))
    }

    /// Submits what was received.
    pub(super) fn submit(self: Box<Self>) -> Running {
        Box::pin(async move {
            // The call stays in its box.
            let call = &self.call;
            let answer = match request(call, self.media, self.body.finish()) {
                Ok(request) => submit(call, request, self.key, self.room).await,
                Err(refusal) => Err(refusal),
            };
            call.settle(answer)
        })
    }
}

/// What the flow is given. An empty body counts as `null`, or as an empty text where that was said.
fn request(call: &Call, media: Media, bytes: Bytes) -> Result<Part, Refusal> {
    let content_type = match media.taken {
        _ if bytes.is_empty() && media.text => ContentType::Text,
        _ if bytes.is_empty() => return Ok(Part::json(Bytes::from_static(b"null"))),
        Ok(content_type) => content_type,
        Err(why) => return Err(Refusal::unsupported(why, &call.mount.accept)),
    };
    Ok(Part { content_type, bytes })
}

async fn submit(
    call: &Call,
    request: Part,
    key: Option<IdempotencyKey>,
    room: Option<Receiving>,
) -> Result<Answer, Refusal> {
    let mut options = SubmitOptions::new();
    if let Some(room) = room {
        options = options.receiving(room);
    }
    if let Some(key) = key {
        options = options.idempotency_key(match call.mount.key_retention {
            Some(keep) => key.keep(keep),
            None => key,
        });
    }
    let json = is_json(&request.content_type);
    let submitted = call.flow().submit(request, options).await.map_err(|error| refusal(call, error, json))?;
    let prefer = call.prefer();
    if let Some(patience) = prefer.patience() {
        // In a box, as most never wait.
        if let Some(mut answer) = Box::pin(result_in_time(call, submitted.id, patience)).await {
            say_applied(&mut answer, prefer);
            return Ok(answer);
        }
    }
    let links = call.links(submitted.id);
    let body = json::enqueued(call.mount.wire.naming, &links.id, submitted.created);
    let mut answer = answer::json(StatusCode::ACCEPTED, body);
    let headers = answer.headers_mut();
    headers.insert(LOCATION, links.url("result"));
    headers.insert(LINK, links.status());
    // A new job needs no look at the clock.
    let aged = submitted.existed || prefer.patience().is_some();
    headers.insert(RETRY_AFTER, if aged { retry_after::of(call.flow(), submitted.created) } else { retry_after::SOON });
    say_applied(&mut answer, prefer);
    Ok(answer)
}

/// The result as its own endpoint would show it, if the job succeeds in time. It is accepted by now, so whatever else happens is for later.
async fn result_in_time(call: &Call, id: JobId, patience: Duration) -> Option<Answer> {
    let flow = call.flow();
    let record = flow.wait(id, Until::Ended, patience).await.ok()??;
    if record.state != State::Succeeded {
        return None;
    }
    let part = flow.outcome(id).await.ok()??;
    let links = call.links(id);
    let mut answer = result::shown(&record, part);
    answer.headers_mut().insert(CONTENT_LOCATION, links.url("result"));
    answer.headers_mut().insert(LINK, links.status());
    Some(answer)
}

fn is_json(content_type: &ContentType) -> bool {
    matches!(content_type, ContentType::Json) || content_type.essence().ends_with("+json")
}

fn refusal(call: &Call, error: SubmitError, json: bool) -> Refusal {
    let (problem, detail) = match error {
        SubmitError::Decode(error) => match error {
            DecodeError::Malformed(why) if json => (Problem::InvalidJson, why.into()),
            DecodeError::Malformed(why) => (Problem::UnreadableRequest, why.into()),
            DecodeError::UnsupportedType(_) => {
                return Refusal::unsupported(media_type::NOT_TAKEN, &call.mount.accept);
            }
            mismatch => (Problem::InvalidRequest, mismatch.to_string().into()),
        },
        SubmitError::TooLarge { limit } => return too_large(limit),
        SubmitError::KeyReused => (Problem::IdempotencyKeyReused, Cow::from("the key was used for another request")),
        SubmitError::OverQuota => (Problem::OverQuota, "too many of your jobs are waiting".into()),
        SubmitError::TooManyWaiting => (Problem::TooManyWaiting, "too many jobs of this flow are waiting".into()),
        SubmitError::ShuttingDown => (Problem::Unavailable, "no jobs are accepted here at the moment".into()),
        SubmitError::Store(error) => return error.into(),
        other => return Refusal::new(Problem::Internal, "the job could not be submitted").because(other),
    };
    Refusal::new(problem, detail)
}
