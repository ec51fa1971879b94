//! How operations and what they saw are told in a history.

use crate::{
    history::Value,
    workload::{Completion, Invocation},
};
use assent_protocol::{
    ids::{FieldName, Member},
    operation::{FieldContent, ReadResult, Value as Stored},
};
use std::slice;

pub(super) fn field(name: &'static str) -> FieldName {
    FieldName::new(name).expect("a short word is a field")
}

pub(super) fn word(text: &str) -> Value {
    Value::Keyword(text.to_owned())
}

/// Keys are words, as in `{:from 1 :to 2}`.
pub(super) fn map<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Map(entries.into_iter().map(|(key, value)| (word(key), value)).collect())
}

/// One micro-operation, as `[:append 3 7]`.
pub(super) fn micro(name: &str, key: i64, with: Value) -> Value {
    Value::Vector(vec![word(name), Value::Int(key), with])
}

/// What a read saw; none if the answer has no such read, which no checker takes for a value.
pub(super) fn seen(reads: &mut slice::Iter<'_, ReadResult>) -> Value {
    match reads.next() {
        None => word("missing"),
        Some(ReadResult::Field(None) | ReadResult::Record(None)) => Value::Nil,
        Some(ReadResult::Field(Some(content))) => content_value(content),
        Some(ReadResult::Count(count)) => Value::Int(i64::try_from(*count).unwrap_or(i64::MAX)),
        Some(ReadResult::Member(there)) => Value::Bool(*there),
        Some(ReadResult::Record(Some(record))) => {
            let fields = record.fields.iter();
            Value::Map(fields.map(|(name, content)| (word(name.as_str()), content_value(content))).collect())
        }
    }
}

/// A list or set that nobody has written yet is empty.
pub(super) fn seen_list(reads: &mut slice::Iter<'_, ReadResult>) -> Value {
    match seen(reads) {
        Value::Nil => Value::Vector(Vec::new()),
        other => other,
    }
}

/// Micro-operations with what their reads saw: `saw` says of each whether it reads, and takes the answer if so.
pub(super) fn fill(
    invocation: &Invocation,
    completion: &Completion,
    saw: impl Fn(&str, &mut slice::Iter<'_, ReadResult>) -> Option<Value>,
) -> Value {
    let (Completion::Committed(reads), Value::Vector(asked)) = (completion, &invocation.value) else {
        return invocation.value.clone();
    };
    let mut reads = reads.iter();
    let filled = asked.iter().map(|micro_operation| match micro_operation {
        Value::Vector(parts) => match &parts[..] {
            [Value::Keyword(name), key, _] => match saw(name, &mut reads) {
                Some(value) => Value::Vector(vec![word(name), key.clone(), value]),
                None => micro_operation.clone(),
            },
            _ => micro_operation.clone(),
        },
        _ => micro_operation.clone(),
    });
    Value::Vector(filled.collect())
}

fn content_value(content: &FieldContent) -> Value {
    match content {
        FieldContent::Value(value) => stored(value),
        FieldContent::List(items) => Value::Vector(items.iter().map(stored).collect()),
        FieldContent::Set(members) => Value::Vector(members.iter().map(member_value).collect()),
    }
}

fn stored(value: &Stored) -> Value {
    match value {
        Stored::Int(number) => Value::Int(*number),
        Stored::Text(text) => Value::Text(text.clone()),
        Stored::Bytes(bytes) => Value::Text(bytes.iter().map(|byte| format!("{byte:02x}")).collect()),
    }
}

/// Members are texts; those that workloads put in are numbers.
fn member_value(member: &Member) -> Value {
    let text = member.as_str();
    text.parse().map_or_else(|_| Value::Text(text.to_owned()), Value::Int)
}
