//! Maps by id that hash next to nothing: the low half of an id or token is random already.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

/// A map by the 128 bits of an id.
pub(crate) type ById<V> = HashMap<u128, V, BuildHasherDefault<LowHalf>>;

#[derive(Default)]
pub(crate) struct LowHalf(u64);

impl Hasher for LowHalf {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u128(&mut self, id: u128) {
        // Shards took the lowest bits; a map takes the highest and the lowest.
        self.0 = (id as u64 >> 6).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}
