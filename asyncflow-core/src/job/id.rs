//! Names that are unguessable: of a job, and of the right to run it.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A job's id: a UUID of version 7, so later jobs sort after earlier ones.
///
/// Where no owner is named, knowing the id is the right to the job.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(Uuid);

impl JobId {
    /// Makes a version 7 id of a time in milliseconds since 1970, 12 bits that order ids within the millisecond, and randomness.
    pub(crate) fn new(millis: u64, order: u16, random: u64) -> Self {
        let head = (u128::from(millis) << 16 | 0x7000 | u128::from(order & 0x0fff)) << 64;
        Self(Uuid::from_u128(head | 0x8000_0000_0000_0000 | u128::from(random >> 2)))
    }

    /// The id's 128 bits.
    pub fn as_u128(self) -> u128 {
        self.0.as_u128()
    }

    /// The id that has these 128 bits, as a store read them back.
    pub fn from_u128(bits: u128) -> Self {
        Self(Uuid::from_u128(bits))
    }

    /// Reads the 36 characters of a hyphenated UUID, of any version and case.
    ///
    /// # Errors
    /// Any other form of a UUID (braced, URN, without hyphens) and anything else.
    pub fn parse(text: &[u8]) -> Result<Self, InvalidJobId> {
        match text.len() {
            36 => Uuid::try_parse_ascii(text).map(Self).map_err(|_| InvalidJobId),
            _ => Err(InvalidJobId),
        }
    }

    /// Writes the id's 36 characters into `buffer` and returns them.
    pub fn encode(self, buffer: &mut [u8; 36]) -> &mut str {
        self.0.hyphenated().encode_lower(buffer)
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for JobId {
    type Err = InvalidJobId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text.as_bytes())
    }
}

/// A text that is no job id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidJobId;

impl fmt::Display for InvalidJobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a job id: expected the 36 characters of a hyphenated UUID")
    }
}

impl std::error::Error for InvalidJobId {}

/// A job with its flow, which tells a store where to look.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobKey {
    /// The name of the flow that the job belongs to.
    pub flow: Arc<str>,
    /// The job's id.
    pub id: JobId,
}

/// The random value under which a worker holds what it claimed; every write that it makes carries it.
// Halves, the higher first: a record of 128 bits at once would have to lie on a multiple of 16 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token([u64; 2]);

impl Token {
    /// The token's 128 bits.
    pub fn as_u128(self) -> u128 {
        u128::from(self.0[0]) << 64 | u128::from(self.0[1])
    }

    /// The token that has these 128 bits.
    pub fn from_u128(bits: u128) -> Self {
        Self([(bits >> 64) as u64, bits as u64])
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({:032x})", self.as_u128())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_uuid_of_version_7_that_sorts_by_time() {
        let (a, b, c) = (JobId::new(1, 4095, u64::MAX), JobId::new(2, 0, 0), JobId::new(2, 1, 0));
        assert!(a < b && b < c);
        assert_eq!(Uuid::from_u128(a.as_u128()).get_version_num(), 7);
        assert_eq!(Uuid::from_u128(a.as_u128()).get_variant(), uuid::Variant::RFC4122);
    }

    #[test]
    fn only_the_hyphenated_form_is_read_in_any_case() {
        let id = JobId::new(1_700_000_000_000, 7, 42);
        let text = id.to_string();
        assert_eq!(text.parse(), Ok(id));
        assert_eq!(text.to_uppercase().parse(), Ok(id));
        for wrong in
            [text.replace('-', ""), format!("{{{text}}}"), format!("urn:uuid:{text}"), String::new(), "x".repeat(36)]
        {
            assert_eq!(wrong.parse::<JobId>(), Err(InvalidJobId), "{wrong}");
        }
    }

    #[test]
    fn ids_and_tokens_show_all_their_bits() {
        let id = JobId::from_u128(0x0123_4567_89ab_7def_8123_4567_89ab_cdef);
        let text = "01234567-89ab-7def-8123-456789abcdef";
        assert_eq!([id.to_string(), format!("{id:?}"), id.encode(&mut [0; 36]).to_owned()], [text; 3]);
        let token = Token::from_u128(id.as_u128());
        assert_eq!(token.as_u128(), id.as_u128());
        assert_eq!(format!("{token:?}"), "Token(0123456789ab7def8123456789abcdef)");
        assert!(Token::from_u128(1 << 64) > Token::from_u128(u64::MAX.into()), "a token sorts as its number");
        assert!(InvalidJobId.to_string().contains("36 characters"));
    }
}
