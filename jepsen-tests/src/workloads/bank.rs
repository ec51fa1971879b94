//! Accounts on all participants, between which money moves: no money may come or go, and no account be overdrawn.
//!
//! Records `account/k`, field `balance`.
//!
//! | `:f` | `:value` | |
//! | --- | --- | --- |
//! | `:open` | `{:min 0 :balances {k balance …}}` | once, before all others |
//! | `:transfer` | `{:from k :to k :amount n}` | refused where it would leave less than the minimum |
//! | `:read` | nil, then `{k balance …}` | all accounts in one transaction that writes nothing |
//! | `:audit` | the same | reads all accounts, and writes a record of its own, so that it takes part in the vote |

use super::{
    WorkloadOptions,
    keys::{Keys, record},
    values::{field, map, seen},
};
use crate::{
    checkers,
    history::{History, Value},
    random::Random,
    verdict::Verdict,
    workload::{Completion, Invocation, Workload},
};
use assent_protocol::operation::{Operation, Selection, Value as Stored};

const BALANCE_MIN: i64 = 0;
/// Little enough for refusals to be common.
const BALANCE_FIRST: i64 = 10;
const AMOUNT_MAX: u64 = 6;
const AUDITS: u64 = 3;

/// Transfers between accounts, and reads of all.
pub struct Bank {
    accounts: Keys,
}

impl Bank {
    /// As many accounts as there are keys.
    pub fn new(options: &WorkloadOptions) -> Self {
        Bank { accounts: Keys::lasting("account", options) }
    }

    fn transfer(&self, random: &mut Random) -> Invocation {
        let from = self.accounts.draw(random);
        let mut to = self.accounts.draw(random);
        while to == from && self.accounts.all().len() > 1 {
            to = self.accounts.draw(random);
        }
        let amount = 1 + random.below(AMOUNT_MAX) as i64;
        let value = map([("from", Value::Int(from)), ("to", Value::Int(to)), ("amount", Value::Int(amount))]);
        let change = |account, delta, min| Operation::Add {
            record: self.accounts.record(account),
            field: field("balance"),
            delta,
            min,
            max: None,
        };
        let operations = vec![change(from, -amount, Some(BALANCE_MIN)), change(to, amount, None)];
        Invocation::new("transfer", value, operations)
    }

    fn read(&self) -> Invocation {
        let read = |account: &i64| Operation::Read {
            record: self.accounts.record(*account),
            what: Selection::Field(field("balance")),
        };
        Invocation::new("read", Value::Nil, self.accounts.all().iter().map(read).collect())
    }

    fn audit(&self, random: &mut Random) -> Invocation {
        let mut operations = self.read().operations;
        let (record, field) = (record("audit", random.below(AUDITS) as i64), field("audits"));
        operations.push(Operation::Add { record, field, delta: 1, min: None, max: None });
        Invocation::new("audit", Value::Nil, operations)
    }
}

impl Workload for Bank {
    fn name(&self) -> &'static str {
        "bank"
    }

    fn first(&mut self) -> Vec<Invocation> {
        let accounts = self.accounts.all().iter();
        let set = |account: &i64| Operation::Set {
            record: self.accounts.record(*account),
            field: field("balance"),
            value: Stored::Int(BALANCE_FIRST),
        };
        let operations = accounts.clone().map(set).collect();
        let balances = accounts.map(|account| (Value::Int(*account), Value::Int(BALANCE_FIRST))).collect();
        let value = map([("min", Value::Int(BALANCE_MIN)), ("balances", Value::Map(balances))]);
        vec![Invocation::new("open", value, operations)]
    }

    fn next(&mut self, _process: u64, random: &mut Random) -> Option<Invocation> {
        Some(match random.below(10) {
            0..=6 => self.transfer(random),
            7 | 8 => self.read(),
            _ => self.audit(random),
        })
    }

    fn ended(&mut self, _process: u64, invocation: &Invocation, completion: &Completion) -> Value {
        let reads_all = matches!(invocation.f.as_str(), "read" | "audit");
        let Completion::Committed(reads) = completion else { return invocation.value.clone() };
        if !reads_all {
            return invocation.value.clone();
        }
        let mut reads = reads.iter();
        let balances = self.accounts.all().iter().map(|account| (Value::Int(*account), seen(&mut reads)));
        Value::Map(balances.collect())
    }

    fn last(&mut self) -> Vec<Invocation> {
        vec![self.read()]
    }

    fn check(&self, history: &History) -> Vec<Verdict> {
        vec![checkers::bank::check(history)]
    }
}
