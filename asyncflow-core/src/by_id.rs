//! Maps by id that keep no key beside the value, and hash next to nothing: the low half of an id is random already.

use hashbrown::{HashTable, hash_table::Entry};

use crate::job::JobId;

/// What knows its own id.
pub(crate) trait HasId {
    fn id(&self) -> JobId;
}

/// A map of values by their ids.
///
/// A slot is as small as the value: of boxed values it takes a third of what a key beside them would make of it, so more of the table lies
/// in the cache where a look-up comes to one of very many.
pub(crate) struct ById<V> {
    table: HashTable<V>,
}

impl<V> Default for ById<V> {
    fn default() -> Self {
        Self { table: HashTable::new() }
    }
}

impl<V: HasId> ById<V> {
    pub(crate) fn get(&self, id: JobId) -> Option<&V> {
        self.table.find(hash(id), |value| value.id() == id)
    }

    pub(crate) fn get_mut(&mut self, id: JobId) -> Option<&mut V> {
        self.table.find_mut(hash(id), |value| value.id() == id)
    }

    /// Puts it in; gives back what was there under its id.
    pub(crate) fn insert(&mut self, value: V) -> Option<V> {
        let id = value.id();
        match self.table.entry(hash(id), |other| other.id() == id, |other| hash(other.id())) {
            Entry::Occupied(mut before) => Some(std::mem::replace(before.get_mut(), value)),
            Entry::Vacant(place) => {
                place.insert(value);
                None
            }
        }
    }

    pub(crate) fn remove(&mut self, id: JobId) -> Option<V> {
        let found = self.table.find_entry(hash(id), |value| value.id() == id).ok()?;
        Some(found.remove().0)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.table.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Gives memory back once three quarters of it lie idle: each such step is paid for by the removals before it.
    pub(crate) fn give_back(&mut self) {
        if self.table.capacity() > 64 && self.table.len() < self.table.capacity() / 4 {
            self.table.shrink_to(self.table.len() * 2, |value| hash(value.id()));
        }
    }
}

/// Shards took the lowest bits; a table takes the highest and the lowest.
fn hash(id: JobId) -> u64 {
    (id.as_u128() as u64 >> 6).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use super::*;

    impl HasId for (u128, &str) {
        fn id(&self) -> JobId {
            JobId::from_u128(self.0)
        }
    }

    #[test]
    fn what_is_put_in_is_found_until_it_is_replaced_or_taken_out() {
        let (mut map, id) = (ById::default(), JobId::from_u128);
        assert_eq!(map.insert((1, "one")), None);
        // Their low halves are one: they hash alike.
        assert_eq!(map.insert((1 << 64 | 1, "other")), None);
        assert_eq!(map.insert((1, "again")), Some((1, "one")));
        assert_eq!(
            (map.get(id(1)), map.get(id(1 << 64 | 1)), map.get(id(2))),
            (Some(&(1, "again")), Some(&(1 << 64 | 1, "other")), None)
        );
        map.get_mut(id(1)).unwrap().1 = "changed";
        assert_eq!((map.remove(id(1)), map.remove(id(1))), (Some((1, "changed")), None));
        assert_eq!(map.values().count(), 1);
        assert!(map.remove(id(1 << 64 | 1)).is_some() && map.is_empty());
    }

    #[test]
    fn memory_is_given_back_once_most_of_it_lies_idle_and_nothing_with_it() {
        let mut map = ById::default();
        assert!((0..10_000).all(|id| map.insert((id << 6, "kept")).is_none()));
        let most = map.table.capacity();
        for gone in 0..9_900 {
            map.remove(JobId::from_u128(gone << 6));
            map.give_back();
        }
        assert!(map.table.capacity() < most / 16, "{} of {most}", map.table.capacity());
        assert!((9_900..10_000).all(|id| map.get(JobId::from_u128(id << 6)).is_some()));
    }
}
