//! A part as it is kept: what it is, then its bytes.

use std::io::Write;

use asyncflow_core::store::{ContentType, Part};
use bytes::Bytes;

/// Writes a part.
pub(crate) fn write(part: &Part, mut to: impl Write) -> std::io::Result<()> {
    match &part.content_type {
        ContentType::Json => to.write_all(&[1])?,
        ContentType::Text => to.write_all(&[2])?,
        ContentType::Bytes => to.write_all(&[3])?,
        ContentType::Other(other) => {
            // Longer ones never reach this: see `fits`.
            to.write_all(&[0])?;
            to.write_all(&u16::try_from(other.len()).unwrap_or(u16::MAX).to_be_bytes())?;
            to.write_all(other.as_bytes())?;
        }
    }
    to.write_all(&part.bytes)
}

/// Reads a part; nothing where it is none of ours.
pub(crate) fn read(kept: Vec<u8>) -> Option<Part> {
    let kept = Bytes::from(kept);
    let (content_type, from) = match kept.first()? {
        1 => (ContentType::Json, 1),
        2 => (ContentType::Text, 1),
        3 => (ContentType::Bytes, 1),
        0 => {
            let (size, _) = kept.get(1..)?.split_first_chunk()?;
            let end = 3 + usize::from(u16::from_be_bytes(*size));
            (ContentType::from(std::str::from_utf8(kept.get(3..end)?).ok()?), end)
        }
        _ => return None,
    };
    Some(Part { content_type, bytes: kept.slice(from..) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_comes_back_and_what_is_none_is_nothing() {
        for content_type in [ContentType::Json, ContentType::Text, ContentType::Bytes, "text/csv".into(), "".into()] {
            let part = Part { content_type, bytes: Bytes::from_static(b"\0\xff") };
            let mut kept = Vec::new();
            write(&part, &mut kept).unwrap();
            assert_eq!(read(kept), Some(part));
        }
        for none in [&b""[..], &[4, 1], &[0], &[0, 0], &[0, 0, 9, 1], &[0, 0, 1, 0xff]] {
            assert_eq!(read(none.to_vec()), None);
        }
    }
}
