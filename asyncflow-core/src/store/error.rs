//! Why a store could not do what it was asked.

use std::{fmt, sync::Arc};

/// Why a store could not do what it was asked. Cheap to clone: one failure answers many callers.
///
/// Messages name the store and the cause, and hold no password and no payload.
#[derive(Clone, Debug)]
pub enum StoreError {
    /// It could not be reached, or not in time: asking again may help. Nothing is known of what was asked.
    Unavailable(Arc<str>),
    /// It refuses until somebody mends it: a full disk, a read-only or corrupt file, a newer schema. Nothing was changed by what was asked.
    Unusable(Arc<str>),
    /// It can never take this entry: no other is concerned.
    Rejected(Arc<str>),
}

impl StoreError {
    /// An error that may pass.
    pub fn unavailable(reason: impl fmt::Display) -> Self {
        Self::Unavailable(reason.to_string().into())
    }

    /// An error that somebody must mend.
    pub fn unusable(reason: impl fmt::Display) -> Self {
        Self::Unusable(reason.to_string().into())
    }

    /// An error of one entry.
    pub fn rejected(reason: impl fmt::Display) -> Self {
        Self::Rejected(reason.to_string().into())
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(reason) => write!(f, "the store is not available: {reason}"),
            Self::Unusable(reason) => write!(f, "the store is not usable until it is mended: {reason}"),
            Self::Rejected(reason) => write!(f, "the store cannot take this: {reason}"),
        }
    }
}

impl std::error::Error for StoreError {}
