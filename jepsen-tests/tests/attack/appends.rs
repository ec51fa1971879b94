//! A small workload of the tests' own: lists that are appended to and read, in transactions of two records.

use assent_lab::{
    history::{History, Kind, Value},
    random::Random,
    verdict::{Anomaly, Finding, Verdict},
    workload::{Completion, Invocation, Workload},
};
use assent_protocol::{
    ids::{FieldName, RecordId},
    operation::{FieldContent, Operation, ReadResult, Selection, Value as Stored},
};
use std::collections::BTreeSet;

/// How many lists there are.
const LISTS: u64 = 6;

/// Appends of numbers that are never used twice, to two lists at once.
#[derive(Default)]
pub(crate) struct Appends {
    next: i64,
}

fn list(key: u64) -> (RecordId, FieldName) {
    let record = format!("list/{key}");
    (RecordId::new(&record).expect("valid"), FieldName::new("items").expect("valid"))
}

fn read(key: u64) -> Operation {
    let (record, field) = list(key);
    Operation::Read { record, what: Selection::Field(field) }
}

fn items(result: &ReadResult) -> Value {
    let ReadResult::Field(Some(FieldContent::List(list))) = result else { return Value::Vector(Vec::new()) };
    let item =
        |stored: &Stored| if let Stored::Int(number) = stored { Value::Int(*number) } else { Value::Nil };
    Value::Vector(list.iter().map(item).collect())
}

impl Workload for Appends {
    fn name(&self) -> &'static str {
        "appends"
    }

    fn first(&mut self) -> Vec<Invocation> {
        Vec::new()
    }

    fn next(&mut self, _: u64, random: &mut Random) -> Option<Invocation> {
        let first = random.below(LISTS);
        let keys = [first, (first + 1 + random.below(LISTS - 1)) % LISTS];
        if random.chance(300) {
            return Some(Invocation::new("read", Value::Nil, keys.map(read).to_vec()));
        }
        self.next += 1;
        let append = |key| {
            let (record, field) = list(key);
            Operation::Append { record, field, value: Stored::Int(self.next) }
        };
        Some(Invocation::new("append", Value::Int(self.next), keys.map(append).to_vec()))
    }

    fn ended(&mut self, _: u64, invocation: &Invocation, completion: &Completion) -> Value {
        match completion {
            Completion::Committed(reads) if !reads.is_empty() => {
                Value::Vector(reads.iter().map(items).collect())
            }
            Completion::Committed(_) | Completion::Aborted(_) | Completion::Unknown => {
                invocation.value.clone()
            }
        }
    }

    fn last(&mut self) -> Vec<Invocation> {
        vec![Invocation::new("all", Value::Nil, (0..LISTS).map(read).collect())]
    }

    /// Every number that was acknowledged is in two lists, none that was refused is in any, and each is in none or two.
    fn check(&self, history: &History) -> Vec<Verdict> {
        let numbers = |kind: Kind| -> BTreeSet<i64> {
            let events = history.events.iter().filter(|e| e.f == "append" && e.kind == kind);
            events
                .filter_map(|e| if let Value::Int(number) = e.value { Some(number) } else { None })
                .collect()
        };
        let (acknowledged, refused) = (numbers(Kind::Ok), numbers(Kind::Fail));
        let seen = history.events.iter().rfind(|e| e.f == "all" && e.kind == Kind::Ok);
        let Some(Value::Vector(lists)) = seen.map(|event| &event.value) else {
            return vec![verdict(Finding::Unknown, "the last read is missing".into(), Vec::new())];
        };
        let mut counts = std::collections::BTreeMap::<i64, u32>::new();
        for item in lists
            .iter()
            .flat_map(|list| if let Value::Vector(items) = list { items.clone() } else { Vec::new() })
        {
            if let Value::Int(number) = item {
                *counts.entry(number).or_default() += 1;
            }
        }
        let lost =
            acknowledged.iter().filter(|number| !counts.contains_key(number)).map(|n| format!("{n} is lost"));
        let undead =
            refused.iter().filter(|number| counts.contains_key(number)).map(|n| format!("{n} was refused"));
        let halves =
            counts.iter().filter(|(_, count)| **count != 2).map(|(n, c)| format!("{n} is there {c} times"));
        let wrong: Vec<String> = lost.chain(undead).chain(halves).collect();
        let finding = if wrong.is_empty() { Finding::Holds } else { Finding::Violated };
        vec![verdict(finding, format!("{} appends acknowledged", acknowledged.len()), wrong)]
    }
}

fn verdict(finding: Finding, summary: String, wrong: Vec<String>) -> Verdict {
    let anomaly = |words| Anomaly { class: "appends".into(), words, events: Vec::new() };
    let anomalies = wrong.into_iter().map(anomaly).collect();
    Verdict { checker: "appends".into(), finding, summary, anomalies, tables: Vec::new() }
}

/// A workload that panics when so many operations have been asked for.
pub(crate) struct Panics {
    pub(crate) inner: Appends,
    pub(crate) left: u32,
}

impl Workload for Panics {
    fn name(&self) -> &'static str {
        "panics"
    }

    fn first(&mut self) -> Vec<Invocation> {
        self.inner.first()
    }

    fn next(&mut self, process: u64, random: &mut Random) -> Option<Invocation> {
        self.left = self.left.checked_sub(1).expect("the workload panics here, on purpose");
        self.inner.next(process, random)
    }

    fn ended(&mut self, process: u64, invocation: &Invocation, completion: &Completion) -> Value {
        self.inner.ended(process, invocation, completion)
    }

    fn last(&mut self) -> Vec<Invocation> {
        self.inner.last()
    }

    fn check(&self, history: &History) -> Vec<Verdict> {
        self.inner.check(history)
    }
}
