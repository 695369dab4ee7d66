//! Events and spans, which vanish without the `tracing` feature.

use crate::{flow::Handler, job::Record};

#[cfg(feature = "tracing")]
mod on {
    macro_rules! debug { ($($t:tt)*) => { ::tracing::debug!($($t)*) } }
    macro_rules! warning { ($($t:tt)*) => { ::tracing::warn!($($t)*) } }
    pub(crate) use {debug, warning};
}

#[cfg(not(feature = "tracing"))]
mod on {
    // The arguments are looked at, or they would seem unused.
    macro_rules! debug { ($($name:ident = $(%)?$(?)?$value:expr,)* $text:literal) => { { $(let _ = &$value;)* } } }
    macro_rules! warning { ($($name:ident = $(%)?$(?)?$value:expr,)* $text:literal) => { { $(let _ = &$value;)* } } }
    pub(crate) use {debug, warning};
}

pub(crate) use on::{debug, warning};

/// Runs an attempt within a span of its own, `job`, which names job, flow and attempt.
#[cfg(feature = "tracing")]
pub(crate) fn span(record: &Record, handler: Handler) -> Handler {
    use tracing::Instrument;
    let (id, flow) = (record.job.id, &*record.job.flow);
    let span = tracing::debug_span!("job", %id, flow, attempt = record.attempt());
    // Where nobody listens, a box is saved.
    if span.is_disabled() { handler } else { Box::pin(handler.instrument(span)) }
}

/// Runs an attempt as it is.
#[cfg(not(feature = "tracing"))]
pub(crate) fn span(_: &Record, handler: Handler) -> Handler {
    handler
}
