//! What goes back: bodies, the headers of each kind of answer, and problems.

pub(crate) mod json;
pub(crate) mod links;
pub(crate) mod naming;
pub(crate) mod problem;
pub(crate) mod retry_after;
mod time;

use asyncflow_core::JobId;
use http::{
    HeaderMap, HeaderName, HeaderValue, Response, StatusCode,
    header::{
        ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_LOCATION, CONTENT_TYPE, ETAG, LINK, LOCATION, RETRY_AFTER,
        WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
    },
};

use crate::{
    body::FlowBody,
    headers::prefer::{PREFERENCE_APPLIED, Prefer},
};
use naming::Naming;

/// The headers of answers that a page on another origin reads only where CORS exposes them.
///
/// CORS itself is an outer layer's: give it this list.
pub const EXPOSED_HEADERS: [HeaderName; 9] =
    [ACCEPT, ALLOW, CONTENT_LOCATION, ETAG, LINK, LOCATION, PREFERENCE_APPLIED, RETRY_AFTER, WWW_AUTHENTICATE];

/// All pieces in one buffer of just their size.
macro_rules! join {
    ($($piece:expr),* $(,)?) => {{
        let mut joined = Vec::with_capacity(0 $(+ $piece.len())*);
        $(joined.extend_from_slice($piece.as_ref());)*
        joined
    }};
}
use join;

/// The 36 characters of an id.
pub(crate) fn id_text(id: JobId) -> [u8; 36] {
    let mut text = [0; 36];
    id.encode(&mut text);
    text
}

/// An answer of this service. Its headers are written in one order everywhere: type, caching, tag, places, times, preferences.
pub(crate) type Answer = Response<FlowBody>;

/// What is alike for all flows of a service.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) naming: Naming,
    /// Before each path: empty, or with a slash at its start and none at its end.
    pub(crate) prefix: Box<str>,
    /// Where the service is mounted, without a trailing slash; none: references are relative.
    pub(crate) base_url: Option<Box<str>>,
    /// Before the name of each problem type.
    pub(crate) problem_base: Box<str>,
}

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// An answer without a body, which no cache keeps.
pub(crate) fn empty(status: StatusCode) -> Answer {
    answer(status, None, NO_STORE, FlowBody::default())
}

/// JSON that no cache keeps.
pub(crate) fn json(status: StatusCode, body: Vec<u8>) -> Answer {
    answer(status, Some(HeaderValue::from_static("application/json")), NO_STORE, body.into())
}

/// JSON that says what is wrong.
pub(crate) fn problem_json(status: StatusCode, body: Vec<u8>) -> Answer {
    answer(status, Some(HeaderValue::from_static("application/problem+json")), NO_STORE, body.into())
}

/// What a job returned: a cache may keep it and asks each time.
pub(crate) fn result(content_type: HeaderValue, tag: HeaderValue, body: FlowBody) -> Answer {
    let mut answer = answer(StatusCode::OK, Some(content_type), ASK_FIRST, body);
    answer.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer.headers_mut().insert(ETAG, tag);
    answer
}

const ASK_FIRST: HeaderValue = HeaderValue::from_static("private, no-cache");

/// Nothing new since the client's result.
pub(crate) fn result_not_modified(tag: HeaderValue) -> Answer {
    not_modified(ASK_FIRST, tag)
}

/// Nothing new since the client's status.
pub(crate) fn status_not_modified(tag: HeaderValue) -> Answer {
    not_modified(NO_STORE, tag)
}

fn not_modified(caching: HeaderValue, tag: HeaderValue) -> Answer {
    let mut answer = answer(StatusCode::NOT_MODIFIED, None, caching, FlowBody::default());
    answer.headers_mut().insert(ETAG, tag);
    answer
}

fn answer(status: StatusCode, content_type: Option<HeaderValue>, caching: HeaderValue, body: FlowBody) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    // As many as any frequent answer has.
    let mut headers = HeaderMap::with_capacity(6);
    if let Some(content_type) = content_type {
        headers.insert(CONTENT_TYPE, content_type);
    }
    headers.insert(CACHE_CONTROL, caching);
    *answer.headers_mut() = headers;
    answer
}

/// Says which preferences the answer honours, where there are any.
pub(crate) fn say_applied(answer: &mut Answer, prefer: Prefer) {
    if let Some(applied) = prefer.applied(answer.status() == StatusCode::ACCEPTED) {
        answer.headers_mut().insert(PREFERENCE_APPLIED, applied);
    }
}

/// A header value of a text that is visible ASCII by what it is made of: names of flows, ids, numbers and checked settings.
pub(crate) fn header_value(text: impl Into<bytes::Bytes>) -> HeaderValue {
    HeaderValue::from_maybe_shared(text.into()).unwrap_or(const { HeaderValue::from_static("") })
}
