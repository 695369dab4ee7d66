//! What a request's head says, read without trusting any of it.

pub(crate) mod etag;
pub(crate) mod idempotency;
pub(crate) mod list;
pub(crate) mod media_type;
pub(crate) mod prefer;
