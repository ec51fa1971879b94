//! Which records are in use: a small pool, so that transactions meet, spread evenly over the participants.
//!
//! The invariant: no key is ever used for two records, and each participant has its share of the pool at all times.

use super::WorkloadOptions;
use crate::random::Random;
use assent_protocol::{
    directory::Directory,
    ids::{NodeId, RecordId},
};
use std::collections::BTreeMap;

/// Keys of one table. One is retired after a number of writes, and the next of the same participant takes its place.
pub(super) struct Keys {
    table: &'static str,
    directory: Directory,
    writes_per_key_max: u64,
    slots: Vec<Slot>,
    /// For each participant, the least number that may be its next key.
    fresh: Vec<i64>,
    all: Vec<i64>,
}

struct Slot {
    participant: u16,
    key: i64,
    writes: u64,
}

impl Keys {
    /// Keys that retire.
    pub(super) fn new(table: &'static str, options: &WorkloadOptions) -> Self {
        let options = options.within_bounds();
        let participants = options.participants;
        // The directory's choice depends on how many participants there are, and not on their numbers.
        let directory = Directory::new(BTreeMap::new(), (0..participants).map(NodeId).collect());
        let mut keys = Keys {
            table,
            directory,
            writes_per_key_max: options.writes_per_key_max,
            slots: Vec::new(),
            fresh: vec![0; participants.into()],
            all: Vec::new(),
        };
        let mut owners = (0..participants).cycle();
        for _ in 0..options.keys {
            let participant = owners.next().expect("there is at least one participant");
            let key = keys.next_key(participant);
            keys.slots.push(Slot { participant, key, writes: 0 });
        }
        keys
    }

    /// Keys that stay.
    pub(super) fn lasting(table: &'static str, options: &WorkloadOptions) -> Self {
        Keys::new(table, &WorkloadOptions { writes_per_key_max: u64::MAX, ..options.clone() })
    }

    /// The record that a key stands for.
    pub(super) fn record(&self, key: i64) -> RecordId {
        record(self.table, key)
    }

    /// A key to read.
    pub(super) fn draw(&self, random: &mut Random) -> i64 {
        random.pick(&self.slots).key
    }

    /// A key to write, which is counted.
    pub(super) fn draw_to_write(&mut self, random: &mut Random) -> i64 {
        let index = random.below(self.slots.len() as u64) as usize;
        let slot = &mut self.slots[index];
        let (key, participant) = (slot.key, slot.participant);
        slot.writes += 1;
        if slot.writes >= self.writes_per_key_max {
            let key = self.next_key(participant);
            self.slots[index] = Slot { participant, key, writes: 0 };
        }
        key
    }

    /// All keys that were ever in use.
    pub(super) fn all(&self) -> &[i64] {
        &self.all
    }

    fn next_key(&mut self, participant: u16) -> i64 {
        let place = usize::from(participant);
        loop {
            let key = self.fresh[place];
            self.fresh[place] += 1;
            if self.directory.locate(&record(self.table, key)) == NodeId(participant) {
                self.all.push(key);
                return key;
            }
        }
    }
}

/// The record of a table with this number.
pub(super) fn record(table: &str, key: i64) -> RecordId {
    RecordId::new(&format!("{table}/{key}")).expect("a table and a number make a record")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_participant_has_its_share_before_and_after_keys_retire() {
        let options =
            WorkloadOptions { participants: 3, keys: 6, writes_per_key_max: 2, ..WorkloadOptions::default() };
        let mut keys = Keys::new("list", &options);
        let mut random = Random::new(7);
        for _ in 0..100 {
            let mut shares = [0; 3];
            for slot in &keys.slots {
                shares[usize::from(keys.directory.locate(&keys.record(slot.key)).0)] += 1;
            }
            assert_eq!(shares, [2, 2, 2]);
            keys.draw_to_write(&mut random);
        }
        let mut all = keys.all().to_vec();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), keys.all().len(), "a key came twice");
        assert!(all.len() > 40, "keys do not retire");
    }

    #[test]
    fn lasting_keys_stay() {
        let mut keys = Keys::lasting("account", &WorkloadOptions::default());
        let mut random = Random::new(7);
        for _ in 0..1_000 {
            keys.draw_to_write(&mut random);
        }
        assert_eq!(keys.all().len(), 8);
    }
}
