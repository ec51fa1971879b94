//! A map by hash, for what is looked up all the time and hardly ever in order.
//!
//! The hash function is the same in every process and at every start, so that a machine does the same again when it is told the
//! same. The order of the entries is still nobody's business: it depends on what was there before. What is given up for that: who may
//! choose keys, a client with a certificate, could choose such as collide, and make look-ups slow for all.
//!
//! The invariant: two tables with the same entries are equal, hash to the same, and show no difference but in
//! [`Table::in_any_order`] and [`Table::values_mut`]; who uses those must not care.

use alloc::vec::Vec;
use core::{
    fmt,
    hash::{BuildHasher, Hash, Hasher},
};
use foldhash::fast::FixedState;
use hashbrown::{HashTable, hash_table::Entry};

/// A map by hash.
#[derive(Clone)]
pub struct Table<K, V>(HashTable<(K, V)>);

fn hash_of<K: Hash>(key: &K) -> u64 {
    FixedState::with_seed(0).hash_one(key)
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Table(HashTable::new())
    }
}

impl<K: Hash + Eq, V> Table<K, V> {
    /// The value of a key.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.0.find(hash_of(key), |(held, _)| held == key).map(|(_, value)| value)
    }

    /// The value of a key, to be changed.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.0.find_mut(hash_of(key), |(held, _)| held == key).map(|(_, value)| value)
    }

    /// Whether there is such a key.
    pub fn contains_key(&self, key: &K) -> bool {
        self.get(key).is_some()
    }

    /// Gives a key a value, and returns the one that it had.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.entry(&key) {
            Entry::Occupied(mut entry) => Some(core::mem::replace(&mut entry.get_mut().1, value)),
            Entry::Vacant(entry) => {
                entry.insert((key, value));
                None
            }
        }
    }

    /// The value of a key, made now if it has none.
    pub fn get_or_insert_with(&mut self, key: &K, make: impl FnOnce() -> V) -> &mut V
    where
        K: Clone,
    {
        let entry = match self.entry(key) {
            Entry::Occupied(entry) => entry,
            Entry::Vacant(entry) => entry.insert((key.clone(), make())),
        };
        &mut entry.into_mut().1
    }

    /// Takes a key out.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let entry = self.0.find_entry(hash_of(key), |(held, _)| held == key).ok()?;
        Some(entry.remove().0.1)
    }

    /// Changes the value of a key, and takes the key out if it need not be kept.
    pub fn update(&mut self, key: &K, keep: impl FnOnce(&mut V) -> bool) {
        if let Ok(mut entry) = self.0.find_entry(hash_of(key), |(held, _)| held == key)
            && !keep(&mut entry.get_mut().1)
        {
            entry.remove();
        }
    }

    fn entry(&mut self, key: &K) -> Entry<'_, (K, V)> {
        self.0.entry(hash_of(key), |(held, _)| held == key, |(held, _)| hash_of(held))
    }
}

impl<K, V> Table<K, V> {
    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All entries, for whom the order makes no difference.
    pub fn in_any_order(&self) -> impl Iterator<Item = (&K, &V)> + Clone {
        self.0.iter().map(|(key, value)| (key, value))
    }

    /// All values, to be changed by whom the order makes no difference.
    pub fn values_mut(&mut self) -> impl Iterator<Item = (&K, &mut V)> {
        self.0.iter_mut().map(|(key, value)| (&*key, value))
    }

    /// Takes out the keys whose values need not be kept.
    pub fn retain(&mut self, keep: impl Fn(&V) -> bool) {
        self.0.retain(|(_, value)| keep(value));
    }

    /// All entries in the order of their keys. Sorts: not for what happens often.
    pub fn in_order(&self) -> Vec<(&K, &V)>
    where
        K: Ord,
    {
        let mut entries: Vec<(&K, &V)> = self.in_any_order().collect();
        entries.sort_unstable_by_key(|(key, _)| *key);
        entries
    }
}

impl<K: Hash + Eq, V: PartialEq> PartialEq for Table<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.in_any_order().all(|(key, value)| other.get(key) == Some(value))
    }
}

impl<K: Hash + Eq, V: Eq> Eq for Table<K, V> {}

impl<K: Hash + Ord, V: Hash> Hash for Table<K, V> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_usize(self.len());
        for entry in self.in_order() {
            entry.hash(state);
        }
    }
}

impl<K: fmt::Debug + Ord, V: fmt::Debug> fmt::Debug for Table<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.in_order()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(table: &Table<u64, u64>) -> u64 {
        hash_of(&table)
    }

    /// One has had, and lost, much that the other has never seen.
    #[test]
    fn tables_with_the_same_entries_are_equal_whatever_they_held_before() {
        let (mut one, mut two) = (Table::default(), Table::default());
        for key in 0..1000 {
            one.insert(key, key * 2);
        }
        for key in 10..1000 {
            assert_eq!(one.remove(&key), Some(key * 2));
        }
        for key in (0..10).rev() {
            assert_eq!(two.insert(key, 0), None);
            assert_eq!(two.insert(key, key * 2), Some(0));
        }
        assert_eq!(one, two);
        assert_eq!(hash(&one), hash(&two));
        assert_eq!(one.in_order(), two.in_order());
        assert_eq!(one.in_order().first(), Some(&(&0, &0)));
        two.insert(3, 7);
        assert_ne!(one, two);
        assert_ne!(hash(&one), hash(&two));
        one.update(&3, |value| {
            *value = 7;
            true
        });
        assert_eq!(one, two);
        one.update(&3, |_| false);
        assert_eq!((one.get(&3), one.len()), (None, 9));
    }
}
