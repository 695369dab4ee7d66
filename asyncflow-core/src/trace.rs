//! Events and spans, which vanish without the `tracing` feature.

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
