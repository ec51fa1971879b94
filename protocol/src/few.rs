//! A map of hardly ever more than a handful: the first in place, the others searched one by one, and only beyond that through an
//! index.

use alloc::{collections::BTreeMap, vec::Vec};

/// As many are searched one by one.
const SEARCHED_MAX: usize = 16;

/// A map in the order in which its keys were put in.
pub(crate) struct Few<K, V> {
    /// Most maps hold one entry, and need no memory of their own for it.
    first: Option<(K, V)>,
    rest: Vec<(K, V)>,
    /// Where each one is, as soon as there are more than [`SEARCHED_MAX`]; the first is at 0.
    places: Option<BTreeMap<K, usize>>,
    /// Where the one is that was used last: the next is often the same.
    last: usize,
}

impl<K, V> Default for Few<K, V> {
    fn default() -> Self {
        Few { first: None, rest: Vec::new(), places: None, last: 0 }
    }
}

impl<K: Ord + Clone, V> Few<K, V> {
    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        let place = self.place(key)?;
        self.at(place).map(|(_, value)| value)
    }

    /// The value of a key, made now if it has none.
    pub(crate) fn get_or_insert_with(&mut self, key: &K, make: impl FnOnce() -> V) -> &mut V {
        self.last = match self.place(key) {
            Some(place) => place,
            None => self.push(key.clone(), make()),
        };
        match self.last.checked_sub(1) {
            // It was just found there, or put there.
            None => &mut self.first.as_mut().expect("the first is there if any is").1,
            Some(place) => &mut self.rest[place].1,
        }
    }

    pub(crate) fn insert(&mut self, key: &K, value: V)
    where
        V: Copy,
    {
        *self.get_or_insert_with(key, || value) = value;
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.first.iter().chain(&self.rest).map(|(key, value)| (key, value))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// All of it, in the order of the keys.
    pub(crate) fn into_sorted(mut self) -> impl Iterator<Item = (K, V)> {
        if !self.rest.is_empty() {
            self.rest.extend(self.first.take());
            self.rest.sort_unstable_by(|(key, _), (other, _)| key.cmp(other));
        }
        self.first.into_iter().chain(self.rest)
    }

    fn at(&self, place: usize) -> Option<&(K, V)> {
        match place.checked_sub(1) {
            None => self.first.as_ref(),
            Some(place) => self.rest.get(place),
        }
    }

    fn place(&self, key: &K) -> Option<usize> {
        if self.at(self.last).is_some_and(|(last, _)| last == key) {
            return Some(self.last);
        }
        match &self.places {
            None => self.iter().position(|(held, _)| held == key),
            Some(places) => places.get(key).copied(),
        }
    }

    fn push(&mut self, key: K, value: V) -> usize {
        if self.first.is_none() {
            self.first = Some((key, value));
            return 0;
        }
        let place = self.rest.len() + 1;
        if place == SEARCHED_MAX {
            let places = (0..).zip(self.iter()).map(|(place, (key, _))| (key.clone(), place));
            self.places = Some(places.collect());
        }
        if let Some(places) = &mut self.places {
            places.insert(key.clone(), place);
        }
        self.rest.push((key, value));
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
            assert_eq!(map.into_sorted().collect::<Vec<_>>(), sorted);
        }
    }
}
