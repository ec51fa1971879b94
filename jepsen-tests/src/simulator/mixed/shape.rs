//! Whether a history has the shape of a mixed one: what its checks take apart is looked at here first.

use super::{ACCOUNTS, COURSES, DOCTORS, LOGS, STUDENTS};
use crate::history::{Event, History, Kind, Value};

/// Why the history can't be judged, with the first line that is not understood.
pub(super) fn check(history: &History) -> Result<(), String> {
    history.check().map_err(|error| format!("this history breaks the rules of histories: {error}"))?;
    let strange = history.events.iter().find(|event| !is_understood(event));
    strange.map_or(Ok(()), |event| {
        Err(format!("index {}: {} is not told as a mixed workload tells it", event.index, event.f))
    })
}

/// What the checks look at.
pub(super) fn is_own(f: &str) -> bool {
    matches!(f, "append" | "transfer" | "enrol" | "drop") || f.starts_with("read-")
}

fn is_understood(event: &Event) -> bool {
    let (value, saw) = (&event.value, event.kind == Kind::Ok);
    match (event.f.as_str(), saw) {
        ("append", _) => match list(value) {
            Some([number, logs]) => is_int(number) && are_logs(logs),
            Some([number, logs, items]) => is_int(number) && are_logs(logs) && saw && are_ints(items),
            _ => false,
        },
        ("read-log", false) => matches!(list(value), Some([log]) if is_below(log, LOGS)),
        ("read-log", true) => match list(value) {
            Some([log, items]) => matches!(list(log), Some([log]) if is_below(log, LOGS)) && are_ints(items),
            _ => false,
        },
        ("read-logs", true) => all(value, LOGS, are_ints),
        ("read-accounts", true) => all(value, ACCOUNTS, is_balance),
        ("read-duty", true) => all(value, DOCTORS, is_int),
        ("read-registrar", true) => match list(value) {
            Some([students, courses]) => {
                all(students, STUDENTS, is_student) && all(courses, COURSES, are_texts)
            }
            _ => false,
        },
        ("transfer", _) => matches!(list(value), Some([from, to, amount])
            if is_below(from, ACCOUNTS) && is_below(to, ACCOUNTS) && is_balance(amount)),
        ("enrol" | "drop", _) => matches!(list(value), Some([student, course])
            if is_below(student, STUDENTS) && is_below(course, COURSES)),
        _ => true,
    }
}

fn list(value: &Value) -> Option<&[Value]> {
    if let Value::Vector(values) = value { Some(values) } else { None }
}

/// So many, each of this kind.
fn all(value: &Value, count: u64, is: impl Fn(&Value) -> bool) -> bool {
    list(value).is_some_and(|values| values.len() as u64 == count && values.iter().all(is))
}

fn is_int(value: &Value) -> bool {
    matches!(value, Value::Int(_))
}

/// Sums of these fit.
fn is_balance(value: &Value) -> bool {
    matches!(value, Value::Int(amount) if i32::try_from(*amount).is_ok())
}

fn is_below(value: &Value, bound: u64) -> bool {
    matches!(value, Value::Int(index) if u64::try_from(*index).is_ok_and(|index| index < bound))
}

fn are_ints(value: &Value) -> bool {
    list(value).is_some_and(|values| values.iter().all(is_int))
}

fn are_logs(value: &Value) -> bool {
    list(value).is_some_and(|values| !values.is_empty() && values.iter().all(|log| is_below(log, LOGS)))
}

fn are_texts(value: &Value) -> bool {
    list(value).is_some_and(|values| values.iter().all(|text| matches!(text, Value::Text(_))))
}

fn is_student(value: &Value) -> bool {
    matches!(list(value), Some([credits, schedule]) if is_int(credits) && are_texts(schedule))
}
