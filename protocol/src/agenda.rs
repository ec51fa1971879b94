//! When to look at something again: one moment per key, the earliest first.
//!
//! Most moments never come: a vote hears its outcome long before it has aged. So what is put off or cleared leaves its
//! place in the queue where it is. When such a place comes to the front it is dropped, or moved to where it belongs now.
//!
//! The invariant: every key is in the queue at its time or earlier, and the front of the queue is in its right place.

use crate::{ids::Time, table::Table};
use alloc::collections::BinaryHeap;
use core::{
    cmp::Reverse,
    hash::{Hash, Hasher},
};

/// Stale places that are always put up with, beside as many as there are keys.
const STALE_MIN: usize = 64;

/// A set of keys, each with the moment at which it is due.
#[derive(Clone, Debug)]
pub struct Agenda<K: Ord> {
    moments: Table<K, Moment>,
    queue: BinaryHeap<Reverse<(Time, K)>>,
}

#[derive(Clone, Copy, Debug)]
struct Moment {
    due: Time,
    /// Where in the queue its place is: never later than it is due. All its other places are stale.
    queued: Time,
}

// Two agendas are equal if the same is due: what is stale says nothing.
impl PartialEq for Moment {
    fn eq(&self, other: &Self) -> bool {
        self.due == other.due
    }
}

impl Eq for Moment {}

impl Hash for Moment {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.due.hash(state);
    }
}

impl<K: Ord> Default for Agenda<K> {
    fn default() -> Self {
        Agenda { moments: Table::default(), queue: BinaryHeap::new() }
    }
}

impl<K: Ord + Hash> PartialEq for Agenda<K> {
    fn eq(&self, other: &Self) -> bool {
        self.moments == other.moments
    }
}

impl<K: Ord + Hash> Eq for Agenda<K> {}

impl<K: Ord + Hash> Hash for Agenda<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.moments.hash(state);
    }
}

impl<K: Ord + Hash + Clone> Agenda<K> {
    /// Makes the key due at `time`, and at no other.
    pub fn set(&mut self, key: K, time: Time) {
        let mut new = false;
        let moment = self.moments.get_or_insert_with(&key, || {
            new = true;
            Moment { due: time, queued: time }
        });
        let old = moment.queued;
        moment.due = time;
        if new || time < old {
            moment.queued = time;
            self.queue.push(Reverse((time, key)));
        }
        if !new {
            self.mend_front(old);
        }
    }

    /// Makes the key due at `time` unless it is due earlier.
    pub fn set_at_latest(&mut self, key: K, time: Time) {
        if self.moments.get(&key).is_none_or(|moment| moment.due > time) {
            self.set(key, time);
        }
    }

    /// The key is not due any more.
    pub fn clear(&mut self, key: &K) {
        if let Some(moment) = self.moments.remove(key) {
            self.mend_front(moment.queued);
        }
    }

    /// The same keys, each due at another moment.
    pub fn at(&self, moment: impl Fn(Time) -> Time) -> Self {
        let mut agenda = Agenda::default();
        for (key, held) in self.moments.in_any_order() {
            agenda.set(key.clone(), moment(held.due));
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
        self.moments.remove(&key);
        self.mend_front(time);
        Some(key)
    }

    /// A place at this time is not the right one any more: restores the invariant.
    fn mend_front(&mut self, time: Time) {
        if self.queue.len() > 2 * self.moments.len() + STALE_MIN {
            self.queue.clear();
            for (key, moment) in self.moments.values_mut() {
                moment.queued = moment.due;
                self.queue.push(Reverse((moment.due, key.clone())));
            }
            return;
        }
        if self.next().is_some_and(|first| first < time) {
            // The place is further back.
            return;
        }
        while let Some(Reverse((time, key))) = self.queue.peek() {
            match self.moments.get_mut(key) {
                Some(moment) if moment.queued == *time => {
                    if moment.due == *time {
                        return;
                    }
                    moment.queued = moment.due;
                    let due = moment.due;
                    if let Some(Reverse((_, key))) = self.queue.pop() {
                        self.queue.push(Reverse((due, key)));
                    }
                }
                Some(_) | None => {
                    self.queue.pop();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;

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
            assert!(agenda.queue.len() <= 2 * agenda.moments.len() + STALE_MIN + 1);
        }
    }
}
