//! When to look at something again: one moment per key, the earliest first.
//!
//! Most moments never come: a vote hears its outcome long before it has aged. So what is set anew or cleared leaves its old
//! place in the queue behind. Such stale places are dropped when they come to the front, or when they are too many.
//!
//! The invariant: every key is in the queue at its time, and the front of the queue is not stale.

use crate::ids::Time;
use alloc::collections::{BTreeMap, BinaryHeap};
use core::{
    cmp::Reverse,
    hash::{Hash, Hasher},
};

/// Stale places that are always put up with, beside as many as there are keys.
const STALE_MIN: usize = 64;

/// A set of keys, each with the moment at which it is due.
#[derive(Clone, Debug)]
pub struct Agenda<K: Ord> {
    times: BTreeMap<K, Time>,
    queue: BinaryHeap<Reverse<(Time, K)>>,
}

impl<K: Ord> Default for Agenda<K> {
    fn default() -> Self {
        Agenda { times: BTreeMap::new(), queue: BinaryHeap::new() }
    }
}

// Two agendas are equal if the same is due: what is stale says nothing.
impl<K: Ord> PartialEq for Agenda<K> {
    fn eq(&self, other: &Self) -> bool {
        self.times == other.times
    }
}

impl<K: Ord> Eq for Agenda<K> {}

impl<K: Ord + Hash> Hash for Agenda<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.times.hash(state);
    }
}

impl<K: Ord + Clone> Agenda<K> {
    /// Makes the key due at `time`, and at no other.
    pub fn set(&mut self, key: K, time: Time) {
        let old = self.times.insert(key.clone(), time);
        if old == Some(time) {
            return;
        }
        self.queue.push(Reverse((time, key)));
        if let Some(old) = old {
            self.drop_stale(old);
        }
    }

    /// Makes the key due at `time` unless it is due earlier.
    pub fn set_at_latest(&mut self, key: K, time: Time) {
        if self.times.get(&key).is_none_or(|due| *due > time) {
            self.set(key, time);
        }
    }

    /// The key is not due any more.
    pub fn clear(&mut self, key: &K) {
        if let Some(old) = self.times.remove(key) {
            self.drop_stale(old);
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
        self.queue.peek().map(|Reverse((time, _))| *time)
    }

    /// Takes a key that is due.
    pub fn pop_due(&mut self, now: Time) -> Option<K> {
        if self.next()? > now {
            return None;
        }
        let Reverse((time, key)) = self.queue.pop()?;
        self.times.remove(&key);
        self.drop_stale(time);
        Some(key)
    }

    /// A place at this time has become stale: restores the invariant.
    fn drop_stale(&mut self, time: Time) {
        if self.queue.len() > 2 * self.times.len() + STALE_MIN {
            self.queue = self.times.iter().map(|(key, time)| Reverse((*time, key.clone()))).collect();
            return;
        }
        if self.next().is_some_and(|first| first < time) {
            // The stale place is further back.
            return;
        }
        while let Some(Reverse((time, key))) = self.queue.peek()
            && self.times.get(key) != Some(time)
        {
            self.queue.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against the plainest agenda there is: a map that is searched.
    #[test]
    fn keys_come_up_in_order_at_the_time_that_was_set_last() {
        let mut agenda = Agenda::default();
        let mut plain = BTreeMap::new();
        let mut random = 1_u64;
        let mut next = |below: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (random >> 33) % below
        };
        let mut now = 0;
        for _ in 0..100_000 {
            let (key, time) = (next(200), Time(now + next(50)));
            match next(4) {
                0 => {
                    agenda.clear(&key);
                    plain.remove(&key);
                }
                1 => {
                    agenda.set_at_latest(key, time);
                    let due = plain.entry(key).or_insert(time);
                    *due = time.min(*due);
                }
                2 => {
                    agenda.set(key, time);
                    plain.insert(key, time);
                }
                _ => {
                    now += next(3);
                    let first = plain.iter().map(|(key, time)| (*time, *key)).min();
                    let due = first.filter(|(time, _)| time.0 <= now).map(|(_, key)| key);
                    assert_eq!(agenda.pop_due(Time(now)), due);
                    due.map(|key| plain.remove(&key));
                }
            }
            assert_eq!(agenda.next(), plain.values().min().copied());
            assert!(agenda.queue.len() <= 2 * agenda.times.len() + STALE_MIN + 1);
        }
    }
}
