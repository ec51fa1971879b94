//! Single registers with compare-and-set, one per transaction: for judges of linearizability such as Knossos.
//!
//! `:read [k v]`, `:write [k v]` and `:cas [k [old new]]` over records `linear/k`, field `value`. A register that was never
//! written reads as [`Linear::ABSENT`], since Knossos takes nil for "not known"; nothing ever writes that value, and every other
//! is written once in the whole history.

use super::{
    WorkloadOptions, judges,
    keys::Keys,
    values::{field, seen},
};
use crate::{
    history::{History, Value},
    random::Random,
    verdict::Verdict,
    workload::{Completion, Invocation, Workload},
};
use assent_protocol::operation::{Check, Operation, Selection, Value as Stored};
use std::collections::BTreeMap;

/// Reads, writes and compare-and-sets of single registers.
pub struct Linear {
    keys: Keys,
    /// What each key was last seen to hold: a compare-and-set that expects it has a chance.
    last_seen: BTreeMap<i64, i64>,
    value: i64,
}

impl Linear {
    /// How a register reads that was never written: what each holds in the beginning.
    pub const ABSENT: i64 = 0;

    /// With registers that were never written.
    pub fn new(options: &WorkloadOptions) -> Self {
        Linear { keys: Keys::new("linear", options), last_seen: BTreeMap::new(), value: Self::ABSENT }
    }

    fn read(&self, key: i64) -> Invocation {
        let what = Selection::Field(field("value"));
        let operation = Operation::Read { record: self.keys.record(key), what };
        Invocation::new("read", keyed(key, Value::Nil), vec![operation])
    }

    fn set(&mut self, key: i64) -> Operation {
        self.value += 1;
        let value = Stored::Int(self.value);
        Operation::Set { record: self.keys.record(key), field: field("value"), value }
    }

    fn write(&mut self, key: i64) -> Invocation {
        let set = self.set(key);
        Invocation::new("write", keyed(key, Value::Int(self.value)), vec![set])
    }

    fn compare_and_set(&mut self, key: i64) -> Invocation {
        let old = self.last_seen.get(&key).copied().unwrap_or(Self::ABSENT);
        let check = match old {
            Self::ABSENT => Check::Absent,
            old => Check::Equals(field("value"), Stored::Int(old)),
        };
        let require = Operation::Require { record: self.keys.record(key), check };
        let set = self.set(key);
        let change = Value::Vector(vec![Value::Int(old), Value::Int(self.value)]);
        Invocation::new("cas", keyed(key, change), vec![require, set])
    }
}

impl Workload for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn first(&mut self) -> Vec<Invocation> {
        Vec::new()
    }

    fn next(&mut self, _process: u64, random: &mut Random) -> Option<Invocation> {
        Some(match random.below(10) {
            0..=3 => self.read(self.keys.draw(random)),
            4..=6 => {
                let key = self.keys.draw_to_write(random);
                self.write(key)
            }
            _ => {
                let key = self.keys.draw_to_write(random);
                self.compare_and_set(key)
            }
        })
    }

    fn ended(&mut self, _process: u64, invocation: &Invocation, completion: &Completion) -> Value {
        let Completion::Committed(reads) = completion else { return invocation.value.clone() };
        let Value::Vector(parts) = &invocation.value else { return invocation.value.clone() };
        let [Value::Int(key), asked] = &parts[..] else { return invocation.value.clone() };
        let value = match asked {
            Value::Nil => match seen(&mut reads.iter()) {
                Value::Nil => Value::Int(Self::ABSENT),
                other => other,
            },
            asked => asked.clone(),
        };
        let holds = match &value {
            Value::Int(held) => Some(*held),
            Value::Vector(change) => match &change[..] {
                [_, Value::Int(new)] => Some(*new),
                _ => None,
            },
            _ => None,
        };
        self.last_seen.extend(holds.map(|held| (*key, held)));
        keyed(*key, value)
    }

    fn last(&mut self) -> Vec<Invocation> {
        self.keys.all().iter().map(|key| self.read(*key)).collect()
    }

    fn check(&self, history: &History) -> Vec<Verdict> {
        vec![judges::linearizability(history)]
    }
}

fn keyed(key: i64, value: Value) -> Value {
    Value::Vector(vec![Value::Int(key), value])
}
