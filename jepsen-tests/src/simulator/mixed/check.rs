//! What must be true of a mixed history: reads see whole transactions, in one order, nothing lost, doubled or undone.

use super::{BALANCE_MIN, ROSTER_MAX, shape};
use crate::{
    history::{Event, History, Kind, Value},
    verdict::{Anomaly, Finding, Verdict},
};
use std::collections::BTreeMap;

/// An operation from its invocation to its end.
struct Op<'a> {
    invoked: &'a Event,
    /// None, or unknown: nobody knows.
    ended: Option<&'a Event>,
}

impl Op<'_> {
    fn is(&self, kind: Kind) -> bool {
        self.ended.is_some_and(|event| event.kind == kind)
    }

    fn is_unknown(&self) -> bool {
        !self.is(Kind::Ok) && !self.is(Kind::Fail)
    }
}

struct Append {
    value: i64,
    logs: Vec<usize>,
    /// Index of the line that says that it is committed.
    committed: Option<u64>,
    failed: bool,
    invoked: u64,
}

type Wrong = (&'static str, String, Vec<u64>);

/// A history that is told otherwise is not judged.
pub(super) fn check(history: &History) -> Verdict {
    if let Err(summary) = shape::check(history) {
        let (checker, finding) = ("mixed".to_owned(), Finding::Unknown);
        return Verdict { checker, finding, summary, anomalies: Vec::new(), tables: Vec::new() };
    }
    let operations = operations(history);
    let result = check_logs(&operations)
        .and_then(|()| check_accounts(&operations))
        .and_then(|()| check_registrar(&operations))
        .and_then(|()| check_duty(&operations));
    let own = |operation: &&Op<'_>| shape::is_own(&operation.invoked.f) && operation.is(Kind::Ok);
    let committed = operations.iter().filter(own).count();
    let anomalies = result.err().into_iter().map(|(class, words, events)| Anomaly {
        class: class.to_string(),
        words,
        events,
    });
    let anomalies: Vec<Anomaly> = anomalies.collect();
    Verdict {
        checker: "mixed".into(),
        finding: match (anomalies.is_empty(), committed) {
            (false, _) => Finding::Violated,
            (true, 0) => Finding::Unknown,
            (true, _) => Finding::Holds,
        },
        summary: format!("{} operations, {committed} committed", operations.len()),
        anomalies,
        tables: Vec::new(),
    }
}

fn operations(history: &History) -> Vec<Op<'_>> {
    let mut open = BTreeMap::new();
    let mut operations: Vec<Op<'_>> = Vec::new();
    for event in &history.events {
        match event.kind {
            Kind::Invoke => {
                open.insert(event.process, operations.len());
                operations.push(Op { invoked: event, ended: None });
            }
            Kind::Ok | Kind::Fail | Kind::Info => {
                if let Some(place) = open.remove(&event.process) {
                    operations[place].ended = Some(event);
                }
            }
        }
    }
    operations
}

fn list(value: &Value) -> &[Value] {
    match value {
        Value::Vector(values) => values,
        _ => &[],
    }
}

fn int(value: &Value) -> i64 {
    match value {
        Value::Int(value) => *value,
        _ => i64::MIN,
    }
}

fn ints(value: &Value) -> Vec<i64> {
    list(value).iter().map(int).collect()
}

fn of_kind<'a>(operations: &'a [Op<'a>], f: &'static str) -> impl Iterator<Item = &'a Op<'a>> {
    operations.iter().filter(move |operation| operation.invoked.f == f)
}

/// Committed operations of a kind, with the line that says so.
fn committed<'a>(operations: &'a [Op<'a>], f: &'static str) -> impl Iterator<Item = (&'a Op<'a>, &'a Event)> {
    of_kind(operations, f).filter_map(|operation| {
        operation.ended.filter(|event| event.kind == Kind::Ok).map(|event| (operation, event))
    })
}

fn appends(operations: &[Op<'_>]) -> BTreeMap<i64, Append> {
    let appends = of_kind(operations, "append").map(|operation| {
        let fields = list(&operation.invoked.value);
        let value = int(&fields[0]);
        let logs = ints(&fields[1]).into_iter().map(|log| log as usize).collect();
        let committed = operation.ended.filter(|event| event.kind == Kind::Ok).map(|event| event.index);
        let failed = operation.is(Kind::Fail);
        (value, Append { value, logs, committed, failed, invoked: operation.invoked.index })
    });
    appends.collect()
}

fn check_logs(operations: &[Op<'_>]) -> Result<(), Wrong> {
    let appends = appends(operations);
    let mut longest: Vec<Vec<i64>> = Vec::new();
    for (read, event) in committed(operations, "read-logs") {
        let logs: Vec<Vec<i64>> = list(&event.value).iter().map(ints).collect();
        check_read(&appends, read.invoked.index, event.index, &logs)?;
        longest.resize(longest.len().max(logs.len()), Vec::new());
        for (log, items) in logs.into_iter().enumerate() {
            check_prefix(&mut longest[log], items, event.index)?;
        }
    }
    for (read, event) in committed(operations, "read-log") {
        let log = ints(&read.invoked.value)[0] as usize;
        let items = ints(&list(&event.value)[1]);
        check_one(&appends, log, read.invoked.index, event.index, &items)?;
        longest.resize(longest.len().max(log + 1), Vec::new());
        check_prefix(&mut longest[log], items, event.index)?;
    }
    for (_, event) in committed(operations, "append") {
        let fields = list(&event.value);
        let (Some(read), Some(log)) = (fields.get(2), ints(&fields[1]).first().copied()) else { continue };
        let items = ints(read);
        if items.last() != Some(&int(&fields[0])) {
            let words = format!("an append of {} does not see itself last: {items:?}", int(&fields[0]));
            return Err(("own write not seen", words, vec![event.index]));
        }
        longest.resize(longest.len().max(log as usize + 1), Vec::new());
        check_prefix(&mut longest[log as usize], items, event.index)?;
    }
    Ok(())
}

/// Of two reads of one log, one is a prefix of the other.
fn check_prefix(longest: &mut Vec<i64>, items: Vec<i64>, event: u64) -> Result<(), Wrong> {
    if !longest.starts_with(&items) && !items.starts_with(longest) {
        let words = format!("two reads of one log contradict each other: {items:?} and {longest:?}");
        return Err(("incompatible order", words, vec![event]));
    }
    if items.len() > longest.len() {
        *longest = items;
    }
    Ok(())
}

/// One log, as a read saw it.
fn check_one(
    appends: &BTreeMap<i64, Append>,
    log: usize,
    invoked: u64,
    ended: u64,
    items: &[i64],
) -> Result<(), Wrong> {
    let mut seen = items.to_vec();
    seen.sort_unstable();
    seen.dedup();
    if seen.len() != items.len() {
        return Err(("double append", format!("an append took effect twice: {items:?}"), vec![ended]));
    }
    for value in &seen {
        let append = appends.get(value);
        if append.is_none_or(|append| append.failed || append.invoked > ended) {
            return Err(("aborted read", format!("a read sees {value}, which never was"), vec![ended]));
        }
    }
    for append in appends.values().filter(|append| append.logs.contains(&log)) {
        let due = append.committed.is_some_and(|committed| committed < invoked);
        if due && seen.binary_search(&append.value).is_err() {
            let words = format!("a read misses {}, which was committed before it began", append.value);
            return Err(("stale read", words, vec![append.invoked, ended]));
        }
    }
    Ok(())
}

fn check_read(
    appends: &BTreeMap<i64, Append>,
    invoked: u64,
    ended: u64,
    logs: &[Vec<i64>],
) -> Result<(), Wrong> {
    for (log, items) in logs.iter().enumerate() {
        check_one(appends, log, invoked, ended, items)?;
    }
    for append in appends.values() {
        let there = append
            .logs
            .iter()
            .filter(|log| logs.get(**log).is_some_and(|items| items.contains(&append.value)));
        let there = there.count();
        if there != 0 && there != append.logs.len() {
            let words = format!("a read sees half of the append of {}: {logs:?}", append.value);
            return Err(("torn read", words, vec![ended]));
        }
    }
    for pair in logs.windows(2) {
        let shared = |one: &[i64], two: &[i64]| -> Vec<i64> {
            one.iter().copied().filter(|value| two.contains(value)).collect()
        };
        if shared(&pair[0], &pair[1]) != shared(&pair[1], &pair[0]) {
            return Err((
                "incompatible order",
                format!("two logs disagree on an order: {pair:?}"),
                vec![ended],
            ));
        }
    }
    Ok(())
}

fn check_accounts(operations: &[Op<'_>]) -> Result<(), Wrong> {
    let mut last = None;
    for (_, event) in committed(operations, "read-accounts") {
        let balances = ints(&event.value);
        if balances.iter().sum::<i64>() != 0 || balances.iter().any(|balance| *balance < BALANCE_MIN) {
            return Err((
                "torn transfer",
                format!("the accounts don't balance: {balances:?}"),
                vec![event.index],
            ));
        }
        last = Some((balances, event.index));
    }
    let Some((balances, event)) = last else { return Ok(()) };
    if of_kind(operations, "transfer").any(Op::is_unknown) {
        return Ok(());
    }
    // Nobody reads after the last read: where every outcome is known, it is their sum.
    let mut expected = vec![0; balances.len()];
    for (transfer, done) in committed(operations, "transfer") {
        let fields = ints(&transfer.invoked.value);
        if done.index < event {
            expected[fields[0] as usize] -= fields[2];
            expected[fields[1] as usize] += fields[2];
        }
    }
    let later = committed(operations, "transfer").any(|(_, done)| done.index > event);
    if !later && expected != balances {
        let words = format!("the accounts hold {balances:?}, and the transfers sum up to {expected:?}");
        return Err(("lost or doubled transfer", words, vec![event]));
    }
    Ok(())
}

/// Somebody is always on duty.
fn check_duty(operations: &[Op<'_>]) -> Result<(), Wrong> {
    for (_, event) in committed(operations, "read-duty") {
        let on = ints(&event.value);
        if on.iter().all(|on| *on == 0) {
            return Err(("write skew", "nobody is on duty".into(), vec![event.index]));
        }
    }
    Ok(())
}

fn check_registrar(operations: &[Op<'_>]) -> Result<(), Wrong> {
    let mut last = None;
    for (_, event) in committed(operations, "read-registrar") {
        let from_students = check_students(event)?;
        let from_courses = check_courses(event)?;
        if from_students != from_courses {
            let words = format!("schedules {from_students:?} and rosters {from_courses:?} differ");
            return Err(("half an enrolment", words, vec![event.index]));
        }
        last = Some((from_students, event.index));
    }
    let Some((enrolled, event)) = last else { return Ok(()) };
    check_enrolments(operations, &enrolled, event)
}

fn text(value: &Value) -> &str {
    match value {
        Value::Text(text) => text,
        _ => "",
    }
}

/// Who is enrolled where, as students have it.
fn check_students(event: &Event) -> Result<Vec<String>, Wrong> {
    let mut enrolled = Vec::new();
    for (index, student) in list(&list(&event.value)[0]).iter().enumerate() {
        let credits = int(&list(student)[0]);
        let schedule = list(&list(student)[1]);
        if credits != schedule.len() as i64 || credits > ROSTER_MAX as i64 {
            let words = format!("s{index} has {credits} credits and the schedule {schedule:?}");
            return Err(("torn enrolment", words, vec![event.index]));
        }
        enrolled.extend(schedule.iter().map(|course| format!("s{index} {}", text(course))));
    }
    enrolled.sort();
    Ok(enrolled)
}

/// The same, as courses have it.
fn check_courses(event: &Event) -> Result<Vec<String>, Wrong> {
    let mut enrolled = Vec::new();
    for (index, roster) in list(&list(&event.value)[1]).iter().enumerate() {
        let roster = list(roster);
        if roster.len() as u64 > ROSTER_MAX {
            return Err(("overfull course", format!("c{index} is overfull: {roster:?}"), vec![event.index]));
        }
        enrolled.extend(roster.iter().map(|student| format!("{} c{index}", text(student))));
    }
    enrolled.sort();
    Ok(enrolled)
}

/// Enrolments and drops of one pair alternate: what is left at the end is their difference, as far as it is known.
fn check_enrolments(operations: &[Op<'_>], enrolled: &[String], event: u64) -> Result<(), Wrong> {
    let mut pairs: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    for (f, sign) in [("enrol", 1), ("drop", -1)] {
        for operation in of_kind(operations, f).filter(|operation| !operation.is(Kind::Fail)) {
            let fields = ints(&operation.invoked.value);
            let (least, most) = pairs.entry(format!("s{} c{}", fields[0], fields[1])).or_default();
            let certain = operation.ended.is_some_and(|end| end.kind == Kind::Ok && end.index < event);
            if certain || sign < 0 {
                *least += sign;
            }
            if certain || sign > 0 {
                *most += sign;
            }
        }
    }
    for pair in enrolled {
        pairs.entry(pair.clone()).or_default();
    }
    for (pair, (least, most)) in pairs {
        let there = i64::from(enrolled.contains(&pair));
        if there < least || there > most {
            let words =
                format!("{pair} is enrolled {there} times, and between {least} and {most} would be right");
            return Err(("lost or doubled enrolment", words, vec![event]));
        }
    }
    Ok(())
}
