//! What the simulated clients ask for, and where the records are.

use crate::random::Random;
use assent_protocol::{
    directory::Directory,
    ids::{FieldName, Member, NodeId, RecordId, Version},
    message::Branch,
    operation::{Check, Operation, Selection, Step, Value},
};
use std::collections::BTreeMap;

pub(crate) const ROSTER_MAX: u64 = 2;
pub(crate) const BALANCE_MIN: i64 = -3;
pub(crate) const ACCOUNTS: u64 = 2;

/// Every table on one participant: students on the first, courses on the last, accounts and logs on all.
pub(crate) fn directory(participants: &[NodeId]) -> Directory {
    let mut tables = BTreeMap::new();
    let last = participants[participants.len() - 1];
    tables.insert("student".to_string(), vec![participants[0]]);
    tables.insert("course".to_string(), vec![last]);
    for (index, node) in participants.iter().enumerate() {
        tables.insert(format!("account{index}"), vec![*node]);
        tables.insert(format!("log{index}"), vec![*node]);
    }
    Directory::new(tables, participants.to_vec())
}

pub(crate) fn record(text: &str) -> RecordId {
    RecordId::new(text).unwrap()
}

pub(crate) fn field(text: &str) -> FieldName {
    FieldName::new(text).unwrap()
}

pub(crate) fn member(text: &str) -> Member {
    Member::new(text).unwrap()
}

/// What kind of transaction it is, so that its results can be judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Enrol,
    Drop,
    Transfer,
    /// Appends this to the log of every participant in the list.
    Append(i64, Vec<usize>),
    ReadLogs,
    ReadAccounts,
    Touch,
}

/// Draws a transaction. `unique` has never been used before.
pub(crate) fn draw(random: &mut Random, participants: usize, unique: i64) -> (Kind, Vec<Operation>) {
    let student = record(&format!("student/s{}", random.below(3)));
    let course = record(&format!("course/c{}", random.below(2)));
    match random.below(16) {
        0..=4 => {
            let max = Some(ROSTER_MAX);
            let operations = vec![
                Operation::Insert {
                    record: student.clone(),
                    field: field("schedule"),
                    member: member(course.id()),
                    max: None,
                },
                Operation::Add {
                    record: student.clone(),
                    field: field("credits"),
                    delta: 1,
                    min: Some(0),
                    max: Some(ROSTER_MAX as i64),
                },
                Operation::Insert {
                    record: course,
                    field: field("roster"),
                    member: member(student.id()),
                    max,
                },
            ];
            (Kind::Enrol, operations)
        }
        5..=7 => {
            let operations = vec![
                Operation::Remove {
                    record: student.clone(),
                    field: field("schedule"),
                    member: member(course.id()),
                    min: None,
                },
                Operation::Add {
                    record: student.clone(),
                    field: field("credits"),
                    delta: -1,
                    min: Some(0),
                    max: None,
                },
                Operation::Remove {
                    record: course,
                    field: field("roster"),
                    member: member(student.id()),
                    min: None,
                },
            ];
            (Kind::Drop, operations)
        }
        8 | 9 => {
            let account = |random: &mut Random| {
                let table = random.below(participants as u64);
                record(&format!("account{table}/{}", random.below(ACCOUNTS)))
            };
            let amount = random.below(3) as i64 + 1;
            let change = |record, delta| Operation::Add {
                record,
                field: field("balance"),
                delta,
                min: Some(BALANCE_MIN),
                max: None,
            };
            (Kind::Transfer, vec![change(account(random), -amount), change(account(random), amount)])
        }
        10 | 11 => {
            let mut logs: Vec<usize> = (0..participants).collect();
            if participants > 1 && random.chance(300) {
                logs.remove(random.below(participants as u64) as usize);
            }
            let append = |index: &usize| Operation::Append {
                record: record(&format!("log{index}/0")),
                field: field("items"),
                value: Value::Int(unique),
            };
            let operations = logs.iter().map(append).collect();
            (Kind::Append(unique, logs), operations)
        }
        12 | 13 => {
            let read = |index| Operation::Read {
                record: record(&format!("log{index}/0")),
                what: Selection::Field(field("items")),
            };
            (Kind::ReadLogs, (0..participants).map(read).collect())
        }
        14 => {
            let read = |index: u64| Operation::Read {
                record: record(&format!("account{}/{}", index / ACCOUNTS, index % ACCOUNTS)),
                what: Selection::Field(field("balance")),
            };
            (Kind::ReadAccounts, (0..participants as u64 * ACCOUNTS).map(read).collect())
        }
        _ => {
            let table = random.below(participants as u64);
            let touched = record(&format!("account{table}/touched"));
            let check =
                if random.chance(500) { Check::Version(Version(random.below(3))) } else { Check::Exists };
            let change = if random.chance(300) {
                Operation::Delete { record: touched.clone() }
            } else {
                Operation::Set { record: touched.clone(), field: field("by"), value: Value::Int(unique) }
            };
            let mut operations = vec![change];
            if random.chance(500) {
                operations.insert(0, Operation::Require { record: touched, check });
            }
            if random.chance(400) {
                operations.push(Operation::Read { record: record("student/s0"), what: Selection::Record });
            }
            (Kind::Touch, operations)
        }
    }
}

/// Groups operations by participant, as a client does.
pub(crate) fn branches(directory: &Directory, operations: Vec<Operation>) -> Vec<Branch> {
    let mut by_node: BTreeMap<NodeId, Vec<Step>> = BTreeMap::new();
    for (index, operation) in operations.into_iter().enumerate() {
        let node = directory.locate(operation.record());
        by_node.entry(node).or_default().push(Step { index: index as u16, operation });
    }
    by_node.into_iter().map(|(participant, steps)| Branch { participant, steps }).collect()
}
