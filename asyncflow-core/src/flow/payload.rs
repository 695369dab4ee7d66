//! How requests and results become bytes and come back: JSON for every serde type, anything else by hand.

use std::fmt;

use serde::{Serialize, de::DeserializeOwned};

use super::{BoxError, json};
use crate::store::{ContentType, Part};

/// A type that a request or result can be read as. Every `DeserializeOwned` type is one, from JSON.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from a request",
    label = "neither a serde type nor one that reads itself from bytes",
    note = "derive `serde::Deserialize` for it (and let it own its data), or implement `FromPayload`"
)]
pub trait FromPayload: Sized {
    /// The media types that it takes, in lower case, without parameters. `application/json` stands for every `+json` as well.
    fn accepts() -> &'static [&'static str];

    /// Reads it from bytes of one of these types.
    ///
    /// # Errors
    /// The bytes are not of the type, or don't fit.
    fn from_payload(part: &Part) -> Result<Self, DecodeError>;
}

/// A type that can be written as a request or result. Every `Serialize` type is one, as JSON.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be written as a result",
    label = "neither a serde type nor one that writes itself as bytes",
    note = "derive `serde::Serialize` for it, or implement `IntoPayload`"
)]
pub trait IntoPayload {
    /// Writes it.
    ///
    /// # Errors
    /// It cannot be written: its job fails as `UnencodableResult`.
    fn into_payload(self) -> Result<Part, BoxError>;
}

impl<T: DeserializeOwned> FromPayload for T {
    fn accepts() -> &'static [&'static str] {
        &["application/json"]
    }

    fn from_payload(part: &Part) -> Result<Self, DecodeError> {
        json::read(&part.bytes)
    }
}

impl<T: Serialize> IntoPayload for T {
    fn into_payload(self) -> Result<Part, BoxError> {
        Ok(Part::json(serde_json::to_vec(&self)?))
    }
}

/// Bytes as they are: a request of any media type, a result of any. What says that it is JSON must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raw(pub Part);

impl FromPayload for Raw {
    fn accepts() -> &'static [&'static str] {
        &["*/*"]
    }

    fn from_payload(part: &Part) -> Result<Self, DecodeError> {
        if part.content_type.is_json() {
            json::read::<serde::de::IgnoredAny>(&part.bytes)?;
        }
        Ok(Self(part.clone()))
    }
}

impl IntoPayload for Raw {
    fn into_payload(self) -> Result<Part, BoxError> {
        Ok(self.0)
    }
}

/// Why bytes could not be read as what they should be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// They are not what their media type says; what is wrong, and where.
    Malformed(String),
    /// They are, but don't fit the type.
    Mismatch {
        /// The place, such as `items[3].count`; empty for the whole.
        place: String,
        /// What is wrong there.
        message: String,
    },
    /// They are of a media type that isn't taken.
    UnsupportedType(ContentType),
    /// They are more than the type takes, whatever its flow allows.
    TooLarge {
        /// The most that it takes, in bytes.
        limit: usize,
    },
}

impl DecodeError {
    /// Bytes that don't fit as a whole.
    pub fn mismatch(message: impl Into<String>) -> Self {
        Self::Mismatch { place: String::new(), message: message.into() }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(message) => f.write_str(message),
            Self::Mismatch { place, message } if place.is_empty() => f.write_str(message),
            Self::Mismatch { place, message } => write!(f, "{place}: {message}"),
            Self::UnsupportedType(content_type) => write!(f, "the media type {content_type} is not taken"),
            Self::TooLarge { limit } => write!(f, "the request has more than the {limit} bytes that its type takes"),
        }
    }
}

impl std::error::Error for DecodeError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_cannot_be_read_says_where_and_why() {
        let mismatch = DecodeError::Mismatch { place: "items[3]".into(), message: "no number".into() };
        let texts = [
            (DecodeError::Malformed("broken".into()), "broken"),
            (DecodeError::mismatch("no number"), "no number"),
            (mismatch, "items[3]: no number"),
            (DecodeError::UnsupportedType(ContentType::Text), "the media type text/plain; charset=utf-8 is not taken"),
            (DecodeError::TooLarge { limit: 5 }, "the request has more than the 5 bytes that its type takes"),
        ];
        for (error, text) in texts {
            assert_eq!(error.to_string(), text);
        }
    }

    #[test]
    fn raw_bytes_are_taken_and_given_as_they_are() {
        let part = Part { content_type: ContentType::Bytes, bytes: "{".into() };
        assert_eq!((Raw::accepts(), <u8 as FromPayload>::accepts()), (&["*/*"][..], &["application/json"][..]));
        assert_eq!(Raw::from_payload(&part).unwrap().into_payload().unwrap(), part);
        Raw::from_payload(&Part::json("{")).unwrap_err();
    }
}
