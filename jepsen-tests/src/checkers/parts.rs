//! How checkers take values of histories apart. A part that is not there or of another type is none.

use crate::history::Value;

pub(super) fn int(value: &Value) -> Option<i64> {
    if let Value::Int(number) = value { Some(*number) } else { None }
}

pub(super) fn entries(value: &Value) -> Option<&[(Value, Value)]> {
    if let Value::Map(entries) = value { Some(entries) } else { None }
}

/// The value under a word, as under `:from`.
pub(super) fn at<'v>(value: &'v Value, word: &str) -> Option<&'v Value> {
    let found = entries(value)?.iter().find(|(key, _)| matches!(key, Value::Keyword(name) if name == word));
    found.map(|(_, value)| value)
}

pub(super) fn int_at(value: &Value, word: &str) -> Option<i64> {
    int(at(value, word)?)
}

/// Numbers in order.
pub(super) fn ints(value: &Value) -> Option<Vec<i64>> {
    if let Value::Vector(values) = value { values.iter().map(int).collect() } else { None }
}

/// A list that may never have been written.
pub(super) fn ints_or_none(value: Option<&Value>) -> Option<Vec<i64>> {
    match value {
        None | Some(Value::Nil) => Some(Vec::new()),
        Some(value) => ints(value),
    }
}

/// Numbers by number, as `{3 10, 5 20}`.
pub(super) fn int_map(value: &Value) -> Option<Vec<(i64, i64)>> {
    entries(value)?.iter().map(|(key, value)| Some((int(key)?, int(value)?))).collect()
}

/// Micro-operations `[:name key with]`.
pub(super) fn micro_operations(value: &Value) -> Option<Vec<(&str, i64, &Value)>> {
    let Value::Vector(all) = value else { return None };
    let parts = all.iter().map(|one| match one {
        Value::Vector(parts) => match &parts[..] {
            [Value::Keyword(name), Value::Int(key), with] => Some((name.as_str(), *key, with)),
            _ => None,
        },
        _ => None,
    });
    parts.collect()
}
