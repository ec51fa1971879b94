//! Lists that transactions append to and read: the workload that shows most (Kingsbury & Alvaro, "Elle", VLDB 2020).
//!
//! A transaction is `[[:append k v] [:r k nil] …]` over records `list/k`, field `items`. Every value is appended once in the
//! whole history, so that a list tells in which order its writers came.

use super::{
    WorkloadOptions, judges,
    keys::Keys,
    values::{field, fill, micro, seen_list},
};
use crate::{
    history::{History, Value},
    random::Random,
    verdict::Verdict,
    workload::{Completion, Invocation, Workload},
};
use assent_protocol::operation::{Operation, Selection, Value as Stored};

/// Lists read at once in the end.
const LAST_READS: usize = 8;

/// Appends to lists, and reads of them.
pub struct ListAppend {
    keys: Keys,
    micro_operations_max: u64,
    value: i64,
}

impl ListAppend {
    /// With empty lists.
    pub fn new(options: &WorkloadOptions) -> Self {
        let keys = Keys::new("list", options);
        ListAppend { keys, micro_operations_max: options.within_bounds().micro_operations_max, value: 0 }
    }

    fn append(&mut self, random: &mut Random) -> (Value, Operation) {
        let key = self.keys.draw_to_write(random);
        self.value += 1;
        let value = Stored::Int(self.value);
        let operation = Operation::Append { record: self.keys.record(key), field: field("items"), value };
        (micro("append", key, Value::Int(self.value)), operation)
    }

    fn read(&self, key: i64) -> (Value, Operation) {
        let what = Selection::Field(field("items"));
        (micro("r", key, Value::Nil), Operation::Read { record: self.keys.record(key), what })
    }
}

impl Workload for ListAppend {
    fn name(&self) -> &'static str {
        "list_append"
    }

    fn first(&mut self) -> Vec<Invocation> {
        Vec::new()
    }

    fn next(&mut self, _process: u64, random: &mut Random) -> Option<Invocation> {
        let micro_operations = 1 + random.below(self.micro_operations_max);
        let drawn = (0..micro_operations).map(|_| {
            if random.chance(500) { self.append(random) } else { self.read(self.keys.draw(random)) }
        });
        let (told, operations) = drawn.unzip();
        Some(Invocation::new("txn", Value::Vector(told), operations))
    }

    fn ended(&mut self, _process: u64, invocation: &Invocation, completion: &Completion) -> Value {
        fill(invocation, completion, |name, reads| (name == "r").then(|| seen_list(reads)))
    }

    fn last(&mut self) -> Vec<Invocation> {
        let chunks = self.keys.all().chunks(LAST_READS);
        let reads = chunks.map(|keys| {
            let (told, operations) = keys.iter().map(|key| self.read(*key)).unzip();
            Invocation::new("txn", Value::Vector(told), operations)
        });
        reads.collect()
    }

    fn check(&self, history: &History) -> Vec<Verdict> {
        vec![judges::list_append(history)]
    }
}
