//! What must be true: after every step, of every answer, and at the end.

use crate::workload::{BALANCE_MIN, Kind, ROSTER_MAX, field};
use assent_protocol::{
    ids::{Subject, Time},
    memory::MemoryStore,
    message::{Held, Message, SponsorAnswer},
    operation::{FieldContent, ReadResult, Value},
    outcome::{Answer, Outcome},
    storage::{Field, Store, TxnRecord},
};
use std::collections::BTreeMap;

/// Every outcome that was ever said or durably held.
#[derive(Default)]
pub(crate) struct Ledger {
    outcomes: BTreeMap<Subject, bool>,
    /// Appends that a client was told are committed: value, when told, logs.
    pub(crate) appended: Vec<(i64, Time, Vec<usize>)>,
    /// What committed reads saw of each log.
    pub(crate) seen: Vec<(usize, Vec<i64>)>,
}

impl Ledger {
    fn note(&mut self, subject: &Subject, committed: bool) -> Result<(), String> {
        match self.outcomes.insert(subject.clone(), committed) {
            Some(before) if before != committed => {
                Err(format!("{} is both committed and aborted", subject.txn))
            }
            _ => Ok(()),
        }
    }

    /// An outcome in a message that leaves a node.
    pub(crate) fn note_said(&mut self, message: &Message) -> Result<(), String> {
        match message {
            Message::Tell { subject, outcome, .. }
            | Message::SponsorSays { subject, answer: SponsorAnswer::Decided(outcome), .. } => {
                self.note(subject, *outcome == Outcome::Committed)
            }
            Message::Standing { subject, held: Held::Committed(_) } => self.note(subject, true),
            Message::Standing { subject, held: Held::Aborted(_) | Held::IdReused } => {
                self.note(subject, false)
            }
            _ => Ok(()),
        }
    }

    /// An outcome that is on a disk.
    pub(crate) fn note_held(&mut self, store: &MemoryStore) -> Result<(), String> {
        let mut disk = store.clone();
        disk.crash();
        for (txn, record) in disk.recover().txns {
            if let TxnRecord::Decided(decided) = record {
                let subject = Subject { txn, digest: decided.digest };
                self.note(&subject, decided.outcome == Outcome::Committed)?;
            }
        }
        Ok(())
    }

    /// An answer that a client was given.
    pub(crate) fn note_answer(
        &mut self,
        subject: &Subject,
        kind: &Kind,
        invoked: Time,
        now: Time,
        answer: &Answer,
        first: Option<&Answer>,
    ) -> Result<(), String> {
        let read_only = matches!(kind, Kind::ReadLogs | Kind::ReadAccounts);
        if let (Some(first), false) = (first, read_only) {
            // Two participants may each have refused, with reasons of their own: the outcome is one, the reason any of them.
            let same = match (first, answer) {
                (Answer::Aborted(_), Answer::Aborted(_)) => true,
                (first, answer) => first == answer,
            };
            if !same {
                return Err(format!("{} was answered {first:?}, and then {answer:?}", subject.txn));
            }
        }
        match answer {
            Answer::Aborted(_) if read_only => Ok(()),
            Answer::Aborted(_) => self.note(subject, false),
            Answer::Committed(results) => {
                if !read_only {
                    self.note(subject, true)?;
                }
                match kind {
                    Kind::Append(value, logs) => self.appended.push((*value, now, logs.clone())),
                    Kind::ReadLogs => self.check_logs(invoked, results)?,
                    Kind::ReadAccounts => check_accounts(results)?,
                    Kind::Enrol | Kind::Drop | Kind::Transfer | Kind::Touch => {}
                }
                Ok(())
            }
            Answer::Malformed(_) | Answer::Expired | Answer::Unknown | Answer::Overloaded => Ok(()),
        }
    }

    /// All logs at one moment: each append that was acknowledged before the read began is there, and what two logs share
    /// is in one order.
    fn check_logs(&mut self, invoked: Time, results: &[(u16, ReadResult)]) -> Result<(), String> {
        let logs: Vec<Vec<i64>> = results.iter().map(|(_, result)| integers(result)).collect();
        for (value, told, in_logs) in &self.appended {
            for log in in_logs {
                if *told < invoked && !logs[*log].contains(value) {
                    return Err(format!("a read misses {value}, which was committed before it began"));
                }
            }
        }
        for pair in logs.windows(2) {
            let shared = |one: &[i64], two: &[i64]| -> Vec<i64> {
                one.iter().copied().filter(|value| two.contains(value)).collect()
            };
            if shared(&pair[0], &pair[1]) != shared(&pair[1], &pair[0]) {
                return Err(format!("two logs disagree on an order: {pair:?}"));
            }
        }
        for (value, _, in_logs) in &self.appended {
            let there = in_logs.iter().filter(|log| logs[**log].contains(value)).count();
            if there != 0 && there != in_logs.len() {
                return Err(format!("a read saw half of the append of {value}"));
            }
        }
        self.seen.extend(logs.into_iter().enumerate());
        Ok(())
    }

    /// At the end: logs hold each committed append once, and every read saw a prefix.
    pub(crate) fn check_final(&self, stores: &[MemoryStore]) -> Result<(), String> {
        let logs: Vec<Vec<i64>> = stores
            .iter()
            .enumerate()
            .map(|(index, store)| {
                let record = crate::workload::record(&format!("log{index}/0"));
                let items = store.items(&record, &field("items"));
                items.iter().map(|item| if let Value::Int(value) = item { *value } else { -1 }).collect()
            })
            .collect();
        for log in &logs {
            let mut sorted = log.clone();
            sorted.sort_unstable();
            sorted.dedup();
            if sorted.len() != log.len() {
                return Err(format!("an append took effect twice: {log:?}"));
            }
        }
        for (value, _, in_logs) in &self.appended {
            if !in_logs.iter().all(|log| logs[*log].contains(value)) {
                return Err(format!("the committed append of {value} is lost"));
            }
        }
        for (log, seen) in &self.seen {
            if !logs[*log].starts_with(seen) {
                return Err(format!(
                    "a read of log {log} saw {seen:?}, which is no prefix of {:?}",
                    logs[*log]
                ));
            }
        }
        check_registrar(&stores[0], &stores[stores.len() - 1])
    }
}

fn check_accounts(results: &[(u16, ReadResult)]) -> Result<(), String> {
    let balances = results.iter().map(|(_, result)| match result {
        ReadResult::Field(Some(FieldContent::Value(Value::Int(balance)))) => *balance,
        _ => 0,
    });
    let balances: Vec<i64> = balances.collect();
    if balances.iter().sum::<i64>() != 0 || balances.iter().any(|balance| *balance < BALANCE_MIN) {
        return Err(format!("the accounts don't balance: {balances:?}"));
    }
    Ok(())
}

fn integers(result: &ReadResult) -> Vec<i64> {
    match result {
        ReadResult::Field(Some(FieldContent::List(items))) => {
            items.iter().map(|item| if let Value::Int(value) = item { *value } else { -1 }).collect()
        }
        _ => Vec::new(),
    }
}

/// Every schedule entry has its roster entry and the reverse; no bound is broken.
pub(crate) fn check_registrar(students: &MemoryStore, courses: &MemoryStore) -> Result<(), String> {
    let mut from_students = Vec::new();
    let mut from_courses = Vec::new();
    for index in 0..3 {
        let student = crate::workload::record(&format!("student/s{index}"));
        let schedule = students.members(&student, &field("schedule"));
        let credits = match students.field(&student, &field("credits")) {
            Some(Field::Value(Value::Int(credits))) => credits,
            _ => 0,
        };
        if credits != schedule.len() as i64 || credits > ROSTER_MAX as i64 {
            return Err(format!("{student} has {credits} credits and the schedule {schedule:?}"));
        }
        from_students.extend(schedule.iter().map(|course| format!("{} {course}", student.id())));
    }
    for index in 0..2 {
        let course = crate::workload::record(&format!("course/c{index}"));
        let roster = courses.members(&course, &field("roster"));
        if roster.len() as u64 > ROSTER_MAX {
            return Err(format!("{course} is overfull: {roster:?}"));
        }
        from_courses.extend(roster.iter().map(|student| format!("{student} {}", course.id())));
    }
    from_students.sort();
    from_courses.sort();
    if from_students == from_courses {
        Ok(())
    } else {
        Err(format!("schedules {from_students:?} and rosters {from_courses:?} differ"))
    }
}
