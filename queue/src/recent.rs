//! Values as they were written lately: those of the batch that is open, and as many of before as fit.
//!
//! A message is mostly wanted again soon after it was written, to be relayed or delivered. Bounded by two generations, like
//! `rows.rs`: when the young one is full at a commit, it becomes the old one, and the old one is forgotten.
//!
//! The invariant: what was put or deleted since the last commit is known here, since RocksDB does not know it yet; what
//! is known of before is what the database says.

use crate::overlay::Pending;
use assent_protocol::mail::Mailbox;
use foldhash::fast::RandomState;
use std::{
    collections::{HashMap, HashSet},
    mem,
};

/// A mailbox, and a number in it or in the stream to it.
pub(crate) type Place = (Mailbox, u64);

type Values<T> = HashMap<Place, (T, usize), RandomState>;

/// The latest values of one kind.
pub(crate) struct Recent<T> {
    young: Values<T>,
    young_bytes: usize,
    old: Values<T>,
    /// Deleted since the last commit.
    gone: HashSet<Place, RandomState>,
    /// When the young ones become old, in bytes.
    bytes_max: usize,
}

impl<T> Recent<T> {
    /// Keeps about so many bytes.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Recent {
            young: HashMap::default(),
            young_bytes: 0,
            old: HashMap::default(),
            gone: HashSet::default(),
            bytes_max: bytes_max / 2,
        }
    }

    pub(crate) fn put(&mut self, place: Place, value: T, bytes: usize) {
        self.forget(&place);
        self.gone.remove(&place);
        self.young_bytes += bytes;
        self.young.insert(place, (value, bytes));
    }

    pub(crate) fn delete(&mut self, place: Place) {
        self.forget(&place);
        self.gone.insert(place);
    }

    fn forget(&mut self, place: &Place) {
        if let Some((_, bytes)) = self.young.remove(place) {
            self.young_bytes -= bytes;
        }
        self.old.remove(place);
    }

    pub(crate) fn get(&self, place: &Place) -> Pending<&T> {
        if let Some((value, _)) = self.young.get(place).or_else(|| self.old.get(place)) {
            return Pending::Put(value);
        }
        if self.gone.contains(place) { Pending::Gone } else { Pending::Untouched }
    }

    /// The database knows everything now.
    pub(crate) fn committed(&mut self) {
        self.gone.clear();
        if self.young_bytes > self.bytes_max {
            self.old = mem::take(&mut self.young);
            self.young_bytes = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(number: u64) -> Place {
        (Mailbox::new("m").expect("valid"), number)
    }

    #[test]
    fn what_is_not_committed_is_never_forgotten_and_the_rest_is_bounded() {
        let mut recent = Recent::new(20);
        for number in 0..100 {
            recent.put(place(number), number, 5);
        }
        recent.delete(place(7));
        assert!(
            (0..100).all(|number| (recent.get(&place(number)) == Pending::Put(&number)) == (number != 7))
        );
        assert_eq!(recent.get(&place(7)), Pending::Gone);
        recent.committed();
        assert_eq!(recent.get(&place(7)), Pending::Untouched);
        for number in 100..200 {
            recent.put(place(number), number, 5);
            recent.committed();
            assert_eq!(recent.get(&place(number)), Pending::Put(&number));
            assert!(number < 104 || recent.young.len() + recent.old.len() <= 6);
        }
        assert_eq!(recent.get(&place(1)), Pending::Untouched);
    }

    #[test]
    fn deleted_value_is_not_found_in_the_old_generation() {
        let mut recent = Recent::new(0);
        recent.put(place(1), "first", 1);
        recent.committed();
        assert_eq!(recent.get(&place(1)), Pending::Put(&"first"));
        recent.delete(place(1));
        assert_eq!(recent.get(&place(1)), Pending::Gone);
        recent.put(place(1), "second", 1);
        assert_eq!(recent.get(&place(1)), Pending::Put(&"second"));
        recent.delete(place(1));
        recent.committed();
        assert_eq!(recent.get(&place(1)), Pending::Untouched);
    }
}
