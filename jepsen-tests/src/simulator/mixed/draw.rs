//! Draws transactions: every kind of operation, on few records, so that they meet.

use super::{
    ACCOUNTS, BALANCE_MIN, COURSES, DOCTORS, LOGS, ROSTER_MAX, STUDENTS, course, field, member, record,
    student,
};
use crate::{history::Value, random::Random, workload::Invocation};
use assent_protocol::{
    ids::{RecordId, Version},
    operation::{Check, Operation, Selection, Value as Stored},
};

fn invocation(f: &str, value: Vec<Value>, operations: Vec<Operation>) -> Invocation {
    Invocation::new(f, Value::Vector(value), operations)
}

/// What a run draws mostly: so many of each kind, of their sum.
#[derive(Clone, Copy)]
pub(super) struct Mixture([u64; KINDS]);

const KINDS: usize = 10;

impl Mixture {
    /// Each run has its own.
    pub(super) fn drawn(random: &mut Random) -> Self {
        // Enrol, drop, transfer, append, read logs, read one log, read accounts, read the registrar, touch, duty.
        let mut weights = match random.below(5) {
            0 => [1, 1, 1, 6, 6, 3, 1, 1, 0, 0],
            1 => [1, 1, 1, 0, 0, 0, 3, 0, 1, 8],
            2 => [6, 4, 4, 0, 0, 0, 2, 3, 1, 0],
            _ => [5, 3, 2, 2, 2, 1, 1, 1, 1, 2],
        };
        // Some kinds are left out altogether.
        for weight in weights.iter_mut().skip(1) {
            *weight = if random.chance(100) { 0 } else { *weight };
        }
        Mixture(weights)
    }
}

/// Draws a transaction. `unique` has never been used before.
pub(super) fn draw(mixture: Mixture, random: &mut Random, unique: i64) -> Invocation {
    let mut chosen = random.below(mixture.0.iter().sum::<u64>().max(1));
    let kind = mixture.0.iter().position(|weight| {
        let here = chosen < *weight;
        chosen = chosen.saturating_sub(*weight);
        here
    });
    match kind.unwrap_or(0) {
        0 => enrol(random),
        1 => drop(random),
        2 if random.chance(300) => stock(random),
        2 => transfer(random),
        3 => append(random, unique),
        4 => read_logs(),
        5 => read_log(random),
        6 => read_accounts(),
        7 => read_registrar(),
        8 => touch(random, unique),
        _ => duty(random),
    }
}

fn pair(random: &mut Random) -> (u64, u64) {
    (random.below(STUDENTS), random.below(COURSES))
}

fn enrol(random: &mut Random) -> Invocation {
    let (s, c) = pair(random);
    let operations = vec![
        Operation::Insert {
            record: student(s),
            field: field("schedule"),
            member: member(course(c).id()),
            max: None,
        },
        Operation::Add {
            record: student(s),
            field: field("credits"),
            delta: 1,
            min: Some(0),
            max: Some(ROSTER_MAX as i64),
        },
        Operation::Insert {
            record: course(c),
            field: field("roster"),
            member: member(student(s).id()),
            max: Some(ROSTER_MAX),
        },
    ];
    invocation("enrol", vec![Value::Int(s as i64), Value::Int(c as i64)], operations)
}

fn drop(random: &mut Random) -> Invocation {
    let (s, c) = pair(random);
    let operations = vec![
        Operation::Remove {
            record: student(s),
            field: field("schedule"),
            member: member(course(c).id()),
            min: None,
        },
        Operation::Add { record: student(s), field: field("credits"), delta: -1, min: Some(0), max: None },
        Operation::Remove {
            record: course(c),
            field: field("roster"),
            member: member(student(s).id()),
            min: None,
        },
    ];
    invocation("drop", vec![Value::Int(s as i64), Value::Int(c as i64)], operations)
}

fn account(index: u64) -> RecordId {
    record(&format!("account/a{index}"))
}

fn transfer(random: &mut Random) -> Invocation {
    let (from, to) = (random.below(ACCOUNTS), random.below(ACCOUNTS));
    let amount = random.below(3) as i64 + 1;
    let change = |index, delta| Operation::Add {
        record: account(index),
        field: field("balance"),
        delta,
        min: Some(BALANCE_MIN),
        max: None,
    };
    let value = vec![Value::Int(from as i64), Value::Int(to as i64), Value::Int(amount)];
    invocation("transfer", value, vec![change(from, -amount), change(to, amount)])
}

/// Counters whose changes have bounds of their own, each another: escrow minds the bounds of all that is in doubt.
fn stock(random: &mut Random) -> Invocation {
    let mut change = |index: u64| {
        let delta = *random.pick(&[-2, -1, 1, 2]);
        let bound = 1 + random.below(5) as i64;
        Operation::Add {
            record: record(&format!("stock/k{index}")),
            field: field("amount"),
            delta,
            min: Some(-bound),
            max: Some(bound),
        }
    };
    let operations = vec![change(0), change(1)];
    invocation("stock", Vec::new(), operations)
}

fn log(index: u64) -> RecordId {
    record(&format!("log/l{index}"))
}

fn append(random: &mut Random, unique: i64) -> Invocation {
    let mut logs: Vec<u64> = (0..LOGS).collect();
    while logs.len() > 1 && random.chance(450) {
        logs.remove(random.below(logs.len() as u64) as usize);
    }
    let append = |index: &u64| Operation::Append {
        record: log(*index),
        field: field("items"),
        value: Stored::Int(unique),
    };
    let mut operations: Vec<Operation> = logs.iter().map(append).collect();
    if random.chance(300) {
        operations.push(Operation::Read { record: log(logs[0]), what: Selection::Field(field("items")) });
    }
    let logs = logs.iter().map(|log| Value::Int(*log as i64)).collect();
    invocation("append", vec![Value::Int(unique), Value::Vector(logs)], operations)
}

/// One log, alone: a read of one participant has no confirming round.
fn read_log(random: &mut Random) -> Invocation {
    let index = random.below(LOGS);
    let read = Operation::Read { record: log(index), what: Selection::Field(field("items")) };
    invocation("read-log", vec![Value::Int(index as i64)], vec![read])
}

fn doctor(index: u64) -> RecordId {
    record(&format!("doctor/d{index}"))
}

/// Both are on duty at first.
pub(super) fn begin_duty() -> Invocation {
    let set = |index| Operation::Set { record: doctor(index), field: field("on"), value: Stored::Int(1) };
    invocation("duty", vec![Value::Int(-1)], (0..DOCTORS).map(set).collect())
}

/// One goes off duty if the next one is on, or comes back, or everyone is looked at: where what is only required is not
/// locked, two go at once (write skew).
fn duty(random: &mut Random) -> Invocation {
    let index = random.below(DOCTORS);
    let set = |to| Operation::Set { record: doctor(index), field: field("on"), value: Stored::Int(to) };
    let next = doctor((index + 1) % DOCTORS);
    match random.below(3) {
        0 => {
            let check = Check::AtLeast(field("on"), 1);
            let operations = vec![Operation::Require { record: next, check }, set(0)];
            invocation("duty", vec![Value::Int(index as i64), Value::Int(0)], operations)
        }
        1 => invocation("duty", vec![Value::Int(index as i64), Value::Int(1)], vec![set(1)]),
        _ => read_duty(),
    }
}

/// Everyone at one moment.
pub(super) fn read_duty() -> Invocation {
    let read = |index| Operation::Read { record: doctor(index), what: Selection::Field(field("on")) };
    invocation("read-duty", Vec::new(), (0..DOCTORS).map(read).collect())
}

/// Sets or deletes a record of its own kind, under conditions.
fn touch(random: &mut Random, unique: i64) -> Invocation {
    let touched = record(&format!("touched/t{}", random.below(3)));
    let check = if random.chance(500) { Check::Version(Version(random.below(3))) } else { Check::Exists };
    let change = if random.chance(300) {
        Operation::Delete { record: touched.clone() }
    } else {
        Operation::Set { record: touched.clone(), field: field("by"), value: Stored::Int(unique) }
    };
    let mut operations = vec![change];
    if random.chance(500) {
        operations.insert(0, Operation::Require { record: touched, check });
    }
    if random.chance(400) {
        operations.push(Operation::Read { record: student(0), what: Selection::Record });
    }
    invocation("touch", vec![Value::Int(unique)], operations)
}

/// All logs at one moment.
pub(super) fn read_logs() -> Invocation {
    let read = |index| Operation::Read { record: log(index), what: Selection::Field(field("items")) };
    invocation("read-logs", Vec::new(), (0..LOGS).map(read).collect())
}

/// All balances at one moment.
pub(super) fn read_accounts() -> Invocation {
    let read = |index| Operation::Read { record: account(index), what: Selection::Field(field("balance")) };
    invocation("read-accounts", Vec::new(), (0..ACCOUNTS).map(read).collect())
}

/// All students and courses at one moment.
pub(super) fn read_registrar() -> Invocation {
    let records = (0..STUDENTS).map(student).chain((0..COURSES).map(course));
    let read = |record| Operation::Read { record, what: Selection::Record };
    invocation("read-registrar", Vec::new(), records.map(read).collect())
}
