//! A job's parts, packed: nearly all jobs have one at a time, which is a little JSON.

use bytes::Bytes;

use crate::store::{ContentType, Part, PartName};

/// Parts up to so many bytes are copied when they come: they may be slices of a connection's read buffer, and would hold all of it.
const COPIED: usize = 4096;

#[derive(Default)]
pub(super) enum Kept {
    #[default]
    Nothing,
    /// This part alone, which is JSON of few bytes.
    Json(PartName, Box<[u8]>),
    /// Anything else: the request and the outcome.
    Parts(Box<[Option<Part>; 2]>),
}

impl Kept {
    /// The same, and this part in place of one that had its name.
    pub(super) fn with(self, name: PartName, part: &Part) -> Self {
        let small = part.content_type == ContentType::Json && part.bytes.len() <= COPIED;
        let mut parts = match self {
            Self::Nothing if small => return Self::Json(name, part.bytes[..].into()),
            Self::Nothing => Box::default(),
            Self::Json(name, bytes) => {
                let mut parts = Box::<[Option<Part>; 2]>::default();
                parts[name as usize] = Some(Part::json(bytes));
                parts
            }
            Self::Parts(parts) => parts,
        };
        let bytes = if part.bytes.len() <= COPIED { Bytes::copy_from_slice(&part.bytes) } else { part.bytes.clone() };
        parts[name as usize] = Some(Part { content_type: part.content_type.clone(), bytes });
        Self::Parts(parts)
    }

    pub(super) fn get(&self, name: PartName) -> Option<Part> {
        match self {
            Self::Json(kept, bytes) if *kept == name => Some(Part::json(Bytes::copy_from_slice(bytes))),
            Self::Parts(parts) => parts[name as usize].clone(),
            _ => None,
        }
    }

    /// How many bytes the part has.
    pub(super) fn len(&self, name: PartName) -> usize {
        match self {
            Self::Json(kept, bytes) if *kept == name => bytes.len(),
            Self::Parts(parts) => parts[name as usize].as_ref().map_or(0, |part| part.bytes.len()),
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_back_as_they_were_put() {
        let small = Part::json(&b"1"[..]);
        let others = [
            small.clone(),
            Part::json(vec![b'1'; COPIED + 1]),
            Part { content_type: ContentType::Text, bytes: Bytes::new() },
        ];
        for request in &others {
            for outcome in &others {
                let kept = Kept::default().with(PartName::Request, request);
                assert_eq!((kept.get(PartName::Request).as_ref(), kept.get(PartName::Outcome)), (Some(request), None));
                assert_eq!((kept.len(PartName::Request), kept.len(PartName::Outcome)), (request.bytes.len(), 0));
                let kept = kept.with(PartName::Outcome, outcome);
                assert_eq!(kept.get(PartName::Request).as_ref(), Some(request));
                assert_eq!(kept.get(PartName::Outcome).as_ref(), Some(outcome));
                let kept = kept.with(PartName::Outcome, &small);
                assert_eq!((kept.len(PartName::Request), kept.len(PartName::Outcome)), (request.bytes.len(), 1));
            }
        }
    }
}
