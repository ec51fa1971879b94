//! A map of hardly ever more than a handful: searched one by one, and only beyond that through an index.

use alloc::{boxed::Box, collections::BTreeMap, vec::Vec};

/// As many are searched one by one.
const SEARCHED_MAX: usize = 16;

/// A map in the order in which its keys were put in.
pub(crate) struct Few<K, V> {
    entries: Vec<(K, V)>,
    /// Where each one is, as soon as there are more than [`SEARCHED_MAX`].
    places: Option<Box<BTreeMap<K, usize>>>,
    /// Where the one is that was used last: the next is often the same.
    last: usize,
}

impl<K, V> Default for Few<K, V> {
    fn default() -> Self {
        Few { entries: Vec::new(), places: None, last: 0 }
    }
}

impl<K: Ord + Clone, V> Few<K, V> {
    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.place(key).map(|place| &self.entries[place].1)
    }

    /// The value of a key, made now if it has none.
    pub(crate) fn get_or_insert_with(&mut self, key: &K, make: impl FnOnce() -> V) -> &mut V {
        self.last = match self.place(key) {
            Some(place) => place,
            None => self.push(key.clone(), make()),
        };
        &mut self.entries[self.last].1
    }

    pub(crate) fn insert(&mut self, key: &K, value: V) {
        match self.place(key) {
            Some(place) => self.entries[place].1 = value,
            None => self.last = self.push(key.clone(), value),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.entries.iter().map(|(key, value)| (key, value))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All of it, in the order of the keys.
    pub(crate) fn into_sorted(mut self) -> Vec<(K, V)> {
        if self.entries.len() > 1 {
            self.entries.sort_unstable_by(|(key, _), (other, _)| key.cmp(other));
        }
        self.entries
    }

    fn place(&self, key: &K) -> Option<usize> {
        if self.entries.get(self.last).is_some_and(|(last, _)| last == key) {
            return Some(self.last);
        }
        match &self.places {
            None => self.entries.iter().position(|(held, _)| held == key),
            Some(places) => places.get(key).copied(),
        }
    }

    fn push(&mut self, key: K, value: V) -> usize {
        let place = self.entries.len();
        if place == SEARCHED_MAX {
            let places = (0..).zip(&self.entries).map(|(place, (key, _))| (key.clone(), place));
            self.places = Some(Box::new(places.collect()));
        }
        if let Some(places) = &mut self.places {
            places.insert(key.clone(), place);
        }
        self.entries.push((key, value));
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_and_many_are_found_and_sorted() {
        for many in [1_u64, 2, SEARCHED_MAX as u64, SEARCHED_MAX as u64 + 1, 500] {
            let mut map = Few::default();
            let keys = || (0..many).map(|key| (key * 7919) % 1009);
            for key in keys() {
                assert_eq!(map.get(&key), None);
                *map.get_or_insert_with(&key, || 1) += key;
            }
            for key in keys() {
                assert_eq!(map.get(&key), Some(&(key + 1)));
                map.insert(&key, key);
            }
            let mut sorted: Vec<(u64, u64)> = keys().map(|key| (key, key)).collect();
            sorted.sort_unstable();
            assert_eq!(map.iter().count() as u64, many);
            assert_eq!(map.into_sorted(), sorted);
        }
    }
}
