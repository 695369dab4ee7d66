//! What a request's head says, read without trusting any of it.

pub(crate) mod etag;
pub(crate) mod idempotency;
mod list;
pub(crate) mod media_type;
pub(crate) mod prefer;

use http::{
    HeaderMap,
    header::{CONTENT_ENCODING, IF_NONE_MATCH},
};

/// Which of the headers that most requests don't have a request has: one pass is cheaper than a search for each.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Present {
    pub(crate) prefer: bool,
    pub(crate) if_none_match: bool,
    pub(crate) content_encoding: bool,
    pub(crate) idempotency_key: bool,
}

impl Present {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut present = Self::default();
        for name in headers.keys() {
            present.prefer |= *name == prefer::PREFER;
            present.if_none_match |= *name == IF_NONE_MATCH;
            present.content_encoding |= *name == CONTENT_ENCODING;
            present.idempotency_key |= *name == idempotency::IDEMPOTENCY_KEY;
        }
        present
    }
}
