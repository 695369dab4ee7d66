//! The bytes of a job, kept beside its record.

use std::{fmt, sync::Arc};

use bytes::Bytes;

use crate::job::JobError;

/// Bytes with a content type. `Debug` shows their number alone.
#[derive(Clone, PartialEq, Eq)]
pub struct Part {
    /// What the bytes are.
    pub content_type: ContentType,
    /// The bytes.
    pub bytes: Bytes,
}

impl Part {
    /// These bytes, which are JSON.
    pub fn json(bytes: impl Into<Bytes>) -> Self {
        Self { content_type: ContentType::Json, bytes: bytes.into() }
    }

    /// A job's error, as it is kept.
    pub(crate) fn error(error: &JobError) -> Self {
        // Strings alone are written: that cannot fail.
        Self::json(serde_json::to_vec(error).unwrap_or_default())
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes of {}", self.bytes.len(), self.content_type)
    }
}

/// Which part of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PartName {
    /// What the job was given.
    Request,
    /// What it gave: its result, or its error as JSON.
    Outcome,
}

/// A media type, with its parameters where they matter.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum ContentType {
    /// `application/json`
    Json,
    /// `text/plain; charset=utf-8`
    Text,
    /// `application/octet-stream`
    Bytes,
    /// Any other.
    Other(Arc<str>),
}

impl ContentType {
    /// The media type, as a header shows it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Json => "application/json",
            Self::Text => "text/plain; charset=utf-8",
            Self::Bytes => "application/octet-stream",
            Self::Other(other) => other,
        }
    }

    /// Whether it is `application/json` or a `+json` type.
    pub fn is_json(&self) -> bool {
        match self {
            Self::Json => true,
            Self::Text | Self::Bytes => false,
            Self::Other(_) => {
                let essence = self.essence();
                essence == "application/json" || essence.ends_with("+json")
            }
        }
    }

    /// The media type in lower case, without parameters.
    pub fn essence(&self) -> String {
        self.as_str().split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }
}

impl From<&str> for ContentType {
    fn from(text: &str) -> Self {
        [Self::Json, Self::Text, Self::Bytes]
            .into_iter()
            .find(|known| known.as_str() == text)
            .unwrap_or_else(|| Self::Other(text.into()))
    }
}

impl fmt::Display for ContentType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for ContentType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_shows_what_it_is_and_not_what_it_says() {
        let shown = format!("{:?}", Part { content_type: "text/csv;header=absent".into(), bytes: "secret".into() });
        assert_eq!(shown, "6 bytes of text/csv;header=absent");
        assert_eq!(
            format!("{:?} {}", ContentType::Bytes, ContentType::Text),
            "application/octet-stream text/plain; charset=utf-8"
        );
    }

    #[test]
    fn json_is_known_by_its_type_alone() {
        let json = |text: &str| ContentType::from(text).is_json();
        assert!(["application/json", "Application/JSON;a=b", "application/x+json"].into_iter().all(json));
        assert!(!["text/plain; charset=utf-8", "application/octet-stream", "a/json"].into_iter().any(json));
    }
}
