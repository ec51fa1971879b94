//! Draws transactions: every kind of operation, on few records, so that they meet.

use super::{
    ACCOUNTS, BALANCE_MIN, COURSES, LOGS, ROSTER_MAX, STUDENTS, course, field, member, record, student,
};
use crate::{history::Value, random::Random, workload::Invocation};
use assent_protocol::{
    ids::{RecordId, Version},
    operation::{Check, Operation, Selection, Value as Stored},
};

fn invocation(f: &str, value: Vec<Value>, operations: Vec<Operation>) -> Invocation {
    Invocation { f: f.into(), value: Value::Vector(value), operations }
}

/// Draws a transaction. `unique` has never been used before.
pub(super) fn draw(random: &mut Random, unique: i64) -> Invocation {
    match random.below(17) {
        0..=4 => enrol(random),
        5..=7 => drop(random),
        8 | 9 => transfer(random),
        10 | 11 => append(random, unique),
        12 | 13 => read_logs(),
        14 => read_accounts(),
        15 => read_registrar(),
        _ => touch(random, unique),
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

fn log(index: u64) -> RecordId {
    record(&format!("log/l{index}"))
}

fn append(random: &mut Random, unique: i64) -> Invocation {
    let mut logs: Vec<u64> = (0..LOGS).collect();
    if random.chance(400) {
        logs.remove(random.below(LOGS) as usize);
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
