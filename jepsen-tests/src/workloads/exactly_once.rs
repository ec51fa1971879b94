//! Lists and bounded counters, changed by clients that ask again after they were answered: a repeat may change nothing.
//!
//! Records `log/k` with the list `items`, and `counter/k` with the number `count`. A transaction is made of
//! `[:append k v]` (the same new value to one or more lists), `[:add k [delta min max]]`, `[:items k nil]` and
//! `[:count k nil]`, which read. Many are sent again under the same id (see [`Invocation::repeats`]); the answers that the
//! repeats get must not differ, which the runner sees to, and the lists and counters must show each once.

use super::{
    WorkloadOptions,
    keys::Keys,
    values::{field, fill, micro, seen, seen_list},
};
use crate::{
    checkers,
    history::{History, Value},
    random::Random,
    verdict::Verdict,
    workload::{Completion, Invocation, Workload},
};
use assent_protocol::operation::{Operation, Selection, Value as Stored};

const COUNT_MIN: i64 = 0;
/// Little enough for refusals to be common: a refusal must stay one when it is asked for again.
const COUNT_MAX: i64 = 12;
const DELTA_MAX: u64 = 4;
const REPEATS_MAX: u64 = 3;
/// Lists read at once in the end.
const LAST_READS: usize = 8;

/// Appends and adds that are sent again.
pub struct ExactlyOnce {
    lists: Keys,
    counters: Keys,
    value: i64,
}

impl ExactlyOnce {
    /// As many lists as there are keys, and as many counters.
    pub fn new(options: &WorkloadOptions) -> Self {
        ExactlyOnce {
            lists: Keys::new("log", options),
            counters: Keys::lasting("counter", options),
            value: 0,
        }
    }

    /// One value to one or two lists, maybe with changes of a counter, and a look at what has come of it.
    fn write(&mut self, random: &mut Random) -> Invocation {
        self.value += 1;
        let first = self.lists.draw_to_write(random);
        let second = self.lists.draw_to_write(random);
        let mut all = vec![self.append(first)];
        if second != first && random.chance(500) {
            all.push(self.append(second));
        }
        if random.chance(500) {
            let counter = self.counters.draw_to_write(random);
            let delta = 1 + random.below(DELTA_MAX) as i64;
            all.push(self.add(counter, if random.chance(400) { -delta } else { delta }));
            if random.chance(300) {
                all.push(self.count(counter));
            }
        }
        if random.chance(500) {
            all.push(self.items(first));
        }
        let repeats = if random.chance(500) { 1 + random.below(REPEATS_MAX) as u32 } else { 0 };
        Invocation { repeats, ..transaction(all) }
    }

    fn read(&self, random: &mut Random) -> Invocation {
        let (one, other) = (self.lists.draw(random), self.lists.draw(random));
        let mut all = vec![self.items(one), self.count(self.counters.draw(random))];
        if other != one {
            all.push(self.items(other));
        }
        transaction(all)
    }

    fn append(&self, key: i64) -> (Value, Operation) {
        let (record, value) = (self.lists.record(key), Stored::Int(self.value));
        let operation = Operation::Append { record, field: field("items"), value };
        (micro("append", key, Value::Int(self.value)), operation)
    }

    fn add(&self, key: i64, delta: i64) -> (Value, Operation) {
        let bounds = Value::Vector([delta, COUNT_MIN, COUNT_MAX].map(Value::Int).to_vec());
        let (record, field) = (self.counters.record(key), field("count"));
        let operation = Operation::Add { record, field, delta, min: Some(COUNT_MIN), max: Some(COUNT_MAX) };
        (micro("add", key, bounds), operation)
    }

    fn items(&self, key: i64) -> (Value, Operation) {
        let what = Selection::Field(field("items"));
        (micro("items", key, Value::Nil), Operation::Read { record: self.lists.record(key), what })
    }

    fn count(&self, key: i64) -> (Value, Operation) {
        let what = Selection::Field(field("count"));
        (micro("count", key, Value::Nil), Operation::Read { record: self.counters.record(key), what })
    }
}

impl Workload for ExactlyOnce {
    fn name(&self) -> &'static str {
        "exactly_once"
    }

    fn first(&mut self) -> Vec<Invocation> {
        Vec::new()
    }

    fn next(&mut self, _process: u64, random: &mut Random) -> Option<Invocation> {
        Some(if random.chance(750) { self.write(random) } else { self.read(random) })
    }

    fn ended(&mut self, _process: u64, invocation: &Invocation, completion: &Completion) -> Value {
        fill(invocation, completion, |name, reads| match name {
            "items" => Some(seen_list(reads)),
            "count" => Some(match seen(reads) {
                Value::Nil => Value::Int(0),
                other => other,
            }),
            _ => None,
        })
    }

    fn last(&mut self) -> Vec<Invocation> {
        let lists = self.lists.all().iter().map(|key| self.items(*key));
        let counters = self.counters.all().iter().map(|key| self.count(*key));
        let all: Vec<_> = lists.chain(counters).collect();
        all.chunks(LAST_READS).map(|reads| transaction(reads.to_vec())).collect()
    }

    fn check(&self, history: &History) -> Vec<Verdict> {
        vec![checkers::exactly_once::check(history)]
    }
}

fn transaction(all: Vec<(Value, Operation)>) -> Invocation {
    let (told, operations) = all.into_iter().unzip();
    Invocation::new("txn", Value::Vector(told), operations)
}
