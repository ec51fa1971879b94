//! Transactions as histories tell them: writes and reads of keys, when they began and ended, and how.
//!
//! A micro-operation is a vector `[word key value]`. What a transaction read is known only if it is committed; what it
//! wrote is known always.

use super::words;
use crate::history::{History, Operation, Outcome, Value};
use std::collections::HashMap;

/// Stands for a time that never comes: the end of an operation of unknown outcome.
pub(super) const NEVER: u32 = u32::MAX;

/// A key, by its place in [`Transactions::keys`].
pub(super) type Key = u32;

/// A transaction, by its place in [`Transactions::list`].
pub(super) type Txn = u32;

/// One step of a transaction.
#[derive(Clone, Copy, Debug)]
pub(super) enum Action<'a> {
    /// It wrote or appended.
    Write {
        /// What.
        key: Key,
        /// The value, which nobody else writes to the key.
        value: &'a Value,
    },
    /// It read, and saw this.
    Read {
        /// What.
        key: Key,
        /// Nil where there was nothing.
        seen: &'a Value,
    },
}

/// A transaction of a history.
#[derive(Clone, Debug)]
pub(super) struct Transaction<'a> {
    /// Its lines.
    pub(super) operation: Operation<'a>,
    /// How it ended.
    pub(super) outcome: Outcome,
    /// Its steps, in order. Reads only if it is committed.
    pub(super) actions: Vec<Action<'a>>,
    /// The place of its first line in the history: nothing of it happened before.
    pub(super) begun: u32,
    /// The place of its last line, if it is committed: all of it had happened by then. Otherwise [`NEVER`].
    pub(super) ended: u32,
}

/// Where a value was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Writer {
    /// By whom.
    pub(super) txn: Txn,
    /// Which of its steps.
    pub(super) action: u32,
}

/// All transactions of a history.
#[derive(Debug)]
pub(super) struct Transactions<'a> {
    /// In the order in which they began.
    pub(super) list: Vec<Transaction<'a>>,
    /// The keys, in the order in which they first appear.
    pub(super) keys: Vec<&'a Value>,
    /// Who wrote which value.
    writers: HashMap<(Key, &'a Value), Writer>,
}

impl<'a> Transactions<'a> {
    /// Reads the operations with the name `txn`; `write` is the word of their writes. What makes the history impossible
    /// to judge is said in words.
    pub(super) fn read(history: &'a History, write: &str) -> Result<Self, String> {
        history.check().map_err(|error| format!("not judged: {error}"))?;
        let mut reading = Transactions {
            list: Vec::new(),
            keys: Vec::new(),
            writers: HashMap::with_capacity(history.events.len()),
        };
        let mut keys = HashMap::new();
        for operation in history.operations() {
            if operation.invocation.f == "txn" {
                reading.take(operation, write, &mut keys)?;
            }
        }
        if reading.list.is_empty() {
            return Err("not judged: the history has no operation :txn".into());
        }
        Ok(reading)
    }

    /// Who wrote this value to this key, if anybody did.
    pub(super) fn writer(&self, key: Key, value: &Value) -> Option<Writer> {
        self.writers.get(&(key, value)).copied()
    }

    /// A transaction.
    pub(super) fn of(&self, txn: Txn) -> &Transaction<'a> {
        &self.list[txn as usize]
    }

    /// A key's name.
    pub(super) fn key(&self, key: Key) -> &'a Value {
        self.keys[key as usize]
    }

    /// Whether the transaction is committed.
    pub(super) fn is_committed(&self, txn: Txn) -> bool {
        self.of(txn).outcome == Outcome::Ok
    }

    /// How many ended how: committed, aborted, unknown.
    pub(super) fn outcomes(&self) -> [usize; 3] {
        [Outcome::Ok, Outcome::Fail, Outcome::Unknown]
            .map(|outcome| self.list.iter().filter(|txn| txn.outcome == outcome).count())
    }

    fn take(
        &mut self,
        operation: Operation<'a>,
        write: &str,
        keys: &mut HashMap<&'a Value, Key>,
    ) -> Result<(), String> {
        let outcome = operation.outcome();
        let number = self.list.len() as Txn;
        let Value::Vector(steps) = operation.value() else { return Err(misshapen(&operation, write)) };
        let mut actions = Vec::with_capacity(steps.len());
        for step in steps {
            let (is_write, key, value) = parts(step, write).ok_or_else(|| misshapen(&operation, write))?;
            let key = *keys.entry(key).or_insert_with(|| {
                self.keys.push(key);
                self.keys.len() as Key - 1
            });
            if is_write {
                let writer = Writer { txn: number, action: actions.len() as u32 };
                if let Some(other) = self.writers.insert((key, value), writer) {
                    let first = self.list.get(other.txn as usize).map_or(&operation, |txn| &txn.operation);
                    return Err(format!(
                        "not judged: {value} is written to key {} twice, at index {} and at index {}; who saw which \
                         cannot be told, so a workload must never write a value again, not even after a failure",
                        self.key(key),
                        first.invocation.index,
                        operation.invocation.index,
                    ));
                }
                actions.push(Action::Write { key, value });
            } else if outcome == Outcome::Ok {
                actions.push(Action::Read { key, seen: value });
            }
        }
        let ended = match outcome {
            Outcome::Ok => operation.ended_at.map_or(NEVER, |at| at as u32),
            Outcome::Fail | Outcome::Unknown => NEVER,
        };
        let begun = operation.begun_at as u32;
        self.list.push(Transaction { operation, outcome, actions, begun, ended });
        Ok(())
    }
}

/// Whether it is a write, its key, its value.
fn parts<'a>(step: &'a Value, write: &str) -> Option<(bool, &'a Value, &'a Value)> {
    let Value::Vector(parts) = step else { return None };
    let [Value::Keyword(word), key, value] = parts.as_slice() else { return None };
    match word.as_str() {
        "r" => Some((false, key, value)),
        word if word == write => Some((true, key, value)),
        _ => None,
    }
}

fn misshapen(operation: &Operation<'_>, write: &str) -> String {
    format!(
        "not judged: the operation of index {} has the value {}, which is no vector of [:{write} key value] and [:r key value]",
        operation.invocation.index,
        words::short(operation.value()),
    )
}
