//! The versions of each register that were certainly written, who wrote and who read them, and what is wrong without
//! looking at any cycle.

use crate::{
    checkers::{
        report::Report,
        transactions::{Action, Key, NEVER, Transactions, Txn},
        words,
    },
    history::{Outcome, Value},
};
use std::collections::HashMap;

/// A version of a register.
#[derive(Clone, Debug)]
pub(super) struct Version<'a> {
    /// Nil for the first.
    pub(super) value: &'a Value,
    /// Who wrote it; none for the first.
    pub(super) writer: Option<Txn>,
    /// Who began on it.
    pub(super) readers: Vec<Txn>,
    /// Those of the readers that wrote the register too, each with its version.
    pub(super) overwriters: Vec<(Txn, u32)>,
    /// Who had it first behind them: the earliest end of those that saw or wrote it, and whose end that is.
    pub(super) settled: (u32, Txn),
    /// Who came last to it: the latest begin of those that saw or wrote it, and whose begin that is.
    pub(super) wanted: (u32, Txn),
}

/// A register.
#[derive(Clone, Debug)]
pub(super) struct Register<'a> {
    /// Version 0 is nil; the order of the others says nothing.
    pub(super) versions: Vec<Version<'a>>,
    /// Reads of what is no version: states within a transaction, as (writer, reader, value).
    pub(super) within: Vec<(Txn, Txn, &'a Value)>,
}

/// What a transaction did to a register, seen from outside.
struct Touched<'a> {
    key: Key,
    /// The state on which it began, if it looked.
    seen: Option<&'a Value>,
    /// What it left behind, if it wrote.
    left: Option<&'a Value>,
    /// What it sees itself.
    now: Option<&'a Value>,
}

/// Reads every transaction, and finds the versions of every register.
pub(super) fn gather<'a>(transactions: &Transactions<'a>, report: &mut Report) -> Vec<Register<'a>> {
    let touched: Vec<Vec<Touched<'a>>> =
        (0..transactions.list.len() as Txn).map(|txn| touch(txn, transactions, report)).collect();
    let mut gathering = Gathering::new(transactions);
    for (txn, touched) in touched.iter().enumerate() {
        if transactions.is_committed(txn as Txn) {
            gathering.writes(txn as Txn, touched);
        }
    }
    // A transaction of unknown outcome is committed if somebody saw what it left.
    for (reader, touches) in touched.iter().enumerate() {
        for touch in touches {
            let Some(writer) = touch.seen.and_then(|value| transactions.writer(touch.key, value)) else {
                continue;
            };
            let unknown = transactions.of(writer.txn).outcome == Outcome::Unknown;
            if unknown && writer.txn != reader as Txn {
                gathering.writes(writer.txn, &touched[writer.txn as usize]);
            }
        }
    }
    for (txn, touched) in touched.iter().enumerate() {
        gathering.reads(txn as Txn, touched, report);
    }
    gathering.registers
}

/// Walks through a transaction, and reports where it contradicts itself.
fn touch<'a>(txn: Txn, transactions: &Transactions<'a>, report: &mut Report) -> Vec<Touched<'a>> {
    let mut touched: Vec<Touched<'a>> = Vec::new();
    for action in &transactions.of(txn).actions {
        let (Action::Write { key, .. } | Action::Read { key, .. }) = *action;
        let place = touched.iter().position(|touch| touch.key == key).unwrap_or_else(|| {
            touched.push(Touched { key, seen: None, left: None, now: None });
            touched.len() - 1
        });
        let touch = &mut touched[place];
        match *action {
            Action::Write { value, .. } => {
                touch.left = Some(value);
                touch.now = Some(value);
            }
            Action::Read { seen, .. } => match touch.now {
                Some(now) if now != seen => report.add("internal", || {
                    let words = format!(
                        "{} read {} from key {}, but by its own steps before it had to be {}.",
                        words::named(1, txn, transactions),
                        words::short(seen),
                        transactions.key(key),
                        words::short(now),
                    );
                    (words, words::lines(&[txn], transactions))
                }),
                Some(_) => {}
                None => {
                    touch.seen = Some(seen);
                    touch.now = Some(seen);
                }
            },
        }
    }
    touched
}

/// Registers that are being put together.
struct Gathering<'t, 'a> {
    transactions: &'t Transactions<'a>,
    registers: Vec<Register<'a>>,
    places: HashMap<(Key, &'a Value), u32>,
    written: Vec<bool>,
}

impl<'t, 'a> Gathering<'t, 'a> {
    fn new(transactions: &'t Transactions<'a>) -> Self {
        let version = Version {
            value: &Value::Nil,
            writer: None,
            readers: Vec::new(),
            overwriters: Vec::new(),
            settled: (NEVER, 0),
            wanted: (0, 0),
        };
        let register = Register { versions: vec![version], within: Vec::new() };
        let registers = transactions.keys.iter().map(|_| register.clone()).collect();
        let written = vec![false; transactions.list.len()];
        Gathering { transactions, registers, places: HashMap::new(), written }
    }

    /// What a committed transaction left are versions.
    fn writes(&mut self, txn: Txn, touched: &[Touched<'a>]) {
        if std::mem::replace(&mut self.written[txn as usize], true) {
            return;
        }
        for touch in touched {
            let Some(value) = touch.left else { continue };
            let versions = &mut self.registers[touch.key as usize].versions;
            self.places.insert((touch.key, value), versions.len() as u32);
            let of = self.transactions.of(txn);
            versions.push(Version {
                value,
                writer: Some(txn),
                readers: Vec::new(),
                overwriters: Vec::new(),
                settled: (of.ended, txn),
                wanted: (of.begun, txn),
            });
        }
    }

    fn reads(&mut self, txn: Txn, touched: &[Touched<'a>], report: &mut Report) {
        for touch in touched {
            let Some(seen) = touch.seen else { continue };
            let place = match self.places.get(&(touch.key, seen)) {
                _ if *seen == Value::Nil => 0,
                Some(place) => *place,
                None => {
                    self.strange(txn, touch.key, seen, report);
                    continue;
                }
            };
            let overwrites = touch.left.and_then(|left| self.places.get(&(touch.key, left))).copied();
            let version = &mut self.registers[touch.key as usize].versions[place as usize];
            if version.writer == Some(txn) {
                report.add("internal", || {
                    let words = format!(
                        "{} read {} from key {}, which it itself wrote only later.",
                        words::named(1, txn, self.transactions),
                        words::short(seen),
                        self.transactions.key(touch.key),
                    );
                    (words, words::lines(&[txn], self.transactions))
                });
                continue;
            }
            let of = self.transactions.of(txn);
            version.readers.push(txn);
            version.overwriters.extend(overwrites.map(|later| (txn, later)));
            version.settled = version.settled.min((of.ended, txn));
            version.wanted = version.wanted.max((of.begun, txn));
        }
    }

    /// A read of what is no version.
    fn strange(&mut self, txn: Txn, key: Key, seen: &'a Value, report: &mut Report) {
        let transactions = self.transactions;
        let reading = format!(
            "{} read {} from key {}",
            words::named(1, txn, transactions),
            words::short(seen),
            transactions.key(key)
        );
        let Some(writer) = transactions.writer(key, seen) else {
            report.add("garbage read", || {
                (format!("{reading}, which nobody ever wrote."), words::lines(&[txn], transactions))
            });
            return;
        };
        let other = words::named(2, writer.txn, transactions);
        let lines = words::lines(&[txn, writer.txn], transactions);
        if writer.txn == txn {
            let words = format!("{reading}, which it itself wrote only later.");
            report.add("internal", || (words, lines));
        } else if transactions.of(writer.txn).outcome == Outcome::Fail {
            let words = format!(
                "{reading}, but {other}, which wrote it, had failed: it said that nothing of it would ever be seen."
            );
            report.add("G1a", || (words, lines));
        } else {
            self.registers[key as usize].within.push((writer.txn, txn, seen));
            let words =
                format!("{reading}, which is a state within {other}: that went on to write the same key.");
            report.add("G1b", || (words, lines));
        }
    }
}
