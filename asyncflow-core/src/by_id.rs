//! Maps by id that hash next to nothing: the low half of an id is random already.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

use crate::job::JobId;

/// A map by id.
pub(crate) type ById<V> = HashMap<JobId, V, BuildHasherDefault<LowHalf>>;

#[derive(Default)]
pub(crate) struct LowHalf(u64);

impl Hasher for LowHalf {
    fn finish(&self) -> u64 {
        self.0
    }

    /// An id writes its length, then its bytes.
    fn write(&mut self, bytes: &[u8]) {
        // Shards took the lowest bits; a map takes the highest and the lowest.
        let low = bytes.last_chunk().map_or(0, |low| u64::from_be_bytes(*low));
        self.0 = (low >> 6).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}
