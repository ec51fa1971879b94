//! When to look at something again: one moment per key, the earliest first.

use crate::ids::Time;
use alloc::collections::{BTreeMap, BTreeSet};

/// A set of keys, each with the moment at which it is due.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Agenda<K: Ord> {
    times: BTreeMap<K, Time>,
    order: BTreeSet<(Time, K)>,
}

impl<K: Ord + Clone> Default for Agenda<K> {
    fn default() -> Self {
        Agenda { times: BTreeMap::new(), order: BTreeSet::new() }
    }
}

impl<K: Ord + Clone> Agenda<K> {
    /// Makes the key due at `time`, and at no other.
    pub fn set(&mut self, key: K, time: Time) {
        if let Some(old) = self.times.insert(key.clone(), time) {
            if old == time {
                return;
            }
            self.order.remove(&(old, key.clone()));
        }
        self.order.insert((time, key));
    }

    /// Makes the key due at `time` unless it is due earlier.
    pub fn set_at_latest(&mut self, key: K, time: Time) {
        if self.times.get(&key).is_none_or(|due| *due > time) {
            self.set(key, time);
        }
    }

    /// The key is not due any more.
    pub fn clear(&mut self, key: &K) {
        if let Some((key, time)) = self.times.remove_entry(key) {
            self.order.remove(&(time, key));
        }
    }

    /// The same keys, each due at another moment.
    pub fn at(&self, moment: impl Fn(Time) -> Time) -> Self {
        let mut agenda = Agenda::default();
        for (key, time) in &self.times {
            agenda.set(key.clone(), moment(*time));
        }
        agenda
    }

    /// When the first key is due.
    pub fn next(&self) -> Option<Time> {
        self.order.first().map(|(time, _)| *time)
    }

    /// Takes a key that is due.
    pub fn pop_due(&mut self, now: Time) -> Option<K> {
        if self.next()? > now {
            return None;
        }
        let (_, key) = self.order.pop_first()?;
        self.times.remove(&key);
        Some(key)
    }
}
