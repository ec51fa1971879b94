//! Registers that transactions write and read, whole values at a time.
//!
//! A transaction is `[[:w k v] [:r k nil] …]` over records `register/k`, field `value`. Every value is written once in the
//! whole history. Shows less than lists do, since a register forgets what it held, but overwriting is what most
//! applications do.

use super::{
    WorkloadOptions, judges,
    keys::Keys,
    values::{field, fill, micro, seen},
};
use crate::{
    history::{History, Value},
    random::Random,
    verdict::Verdict,
    workload::{Completion, Invocation, Workload},
};
use assent_protocol::operation::{Operation, Selection, Value as Stored};

/// Registers read at once in the end.
const LAST_READS: usize = 8;

/// Writes and reads of registers.
pub struct Register {
    keys: Keys,
    micro_operations_max: u64,
    value: i64,
}

impl Register {
    /// With registers that were never written.
    pub fn new(options: &WorkloadOptions) -> Self {
        let keys = Keys::new("register", options);
        Register { keys, micro_operations_max: options.within_bounds().micro_operations_max, value: 0 }
    }

    fn write(&mut self, random: &mut Random) -> (Value, Operation) {
        let key = self.keys.draw_to_write(random);
        self.value += 1;
        let value = Stored::Int(self.value);
        let operation = Operation::Set { record: self.keys.record(key), field: field("value"), value };
        (micro("w", key, Value::Int(self.value)), operation)
    }

    fn read(&self, key: i64) -> (Value, Operation) {
        let what = Selection::Field(field("value"));
        (micro("r", key, Value::Nil), Operation::Read { record: self.keys.record(key), what })
    }
}

impl Workload for Register {
    fn name(&self) -> &'static str {
        "register"
    }

    fn first(&mut self) -> Vec<Invocation> {
        Vec::new()
    }

    fn next(&mut self, _process: u64, random: &mut Random) -> Option<Invocation> {
        let micro_operations = 1 + random.below(self.micro_operations_max);
        let drawn = (0..micro_operations)
            .map(|_| if random.chance(500) { self.write(random) } else { self.read(self.keys.draw(random)) });
        let (told, operations) = drawn.unzip();
        Some(Invocation::new("txn", Value::Vector(told), operations))
    }

    fn ended(&mut self, _process: u64, invocation: &Invocation, completion: &Completion) -> Value {
        fill(invocation, completion, |name, reads| (name == "r").then(|| seen(reads)))
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
        vec![judges::register(history)]
    }
}
