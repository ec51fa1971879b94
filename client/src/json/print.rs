//! From outcomes to JSON.

use super::object::to_hex;
use crate::outcome::{NotExecuted, Outcome, Reason};
use assent_protocol::{
    ids::Member,
    operation::{FieldContent, Operation, ReadResult, RecordContent, Selection, Value as Scalar},
    outcome::{AbortReason, Malformed, Refusal, RefusalKind},
};
use serde_json::{Map, Value, json};

/// One outcome: `{"id": …, "outcome": "committed" | "aborted" | "unknown", …}`. `operations` are those of the
/// transaction: they say what its reads were about.
pub fn outcome(outcome: &Outcome, operations: &[Operation]) -> Value {
    let mut object = Map::new();
    if let Some(id) = outcome.id() {
        object.insert("id".to_owned(), id.to_string().into());
    }
    let mut put = |key: &str, value: Value| object.insert(key.to_owned(), value);
    match outcome {
        Outcome::Committed(receipt) => {
            put("outcome", "committed".into());
            let asked = operations
                .iter()
                .enumerate()
                .filter(|(_, operation)| matches!(operation, Operation::Read { .. }));
            let reads = asked.zip(&receipt.reads).map(|((index, operation), result)| {
                let mut read = read(operation, result);
                read["operation"] = index.into();
                read
            });
            put("reads", reads.collect());
        }
        Outcome::Aborted(abort) => {
            put("outcome", "aborted".into());
            put("reason", reason(&abort.reason));
        }
        Outcome::Unknown(_) => {
            put("outcome", "unknown".into());
        }
    }
    Value::Object(object)
}

/// One reason: `{"kind": …, "message": …, …}`.
pub fn reason(reason: &Reason) -> Value {
    let mut object = json!({ "kind": reason.kind(), "message": reason.to_string() });
    match reason {
        Reason::Aborted(AbortReason::Refused(refusal)) => describe(&mut object, refusal),
        Reason::Aborted(AbortReason::Misplaced(node)) => object["node"] = node.0.into(),
        Reason::Aborted(
            AbortReason::Conflict
            | AbortReason::Deadline
            | AbortReason::Overloaded
            | AbortReason::Abandoned
            | AbortReason::IdReused
            | AbortReason::Expired,
        ) => {}
        Reason::NotExecuted(NotExecuted::Invalid { operation: Some(operation), .. }) => {
            object["operation"] = (*operation).into();
        }
        Reason::NotExecuted(NotExecuted::Malformed(Malformed::Operation(operation))) => {
            object["operation"] = (*operation).into();
        }
        Reason::NotExecuted(NotExecuted::Malformed(Malformed::UnknownParticipant(node))) => {
            object["node"] = node.0.into();
        }
        Reason::NotExecuted(
            NotExecuted::Invalid { operation: None, .. }
            | NotExecuted::Malformed(Malformed::Digest | Malformed::ForeignClient)
            | NotExecuted::Overloaded
            | NotExecuted::Late
            | NotExecuted::Unreachable(_)
            | NotExecuted::SessionFull
            | NotExecuted::SessionEnded
            | NotExecuted::Unanswered
            | NotExecuted::Journal(_)
            | NotExecuted::Closed,
        ) => {}
    }
    object
}

/// What one read saw: `{"record": …, …}`.
pub fn read(operation: &Operation, result: &ReadResult) -> Value {
    let mut object = json!({ "record": operation.record().as_str() });
    if let Operation::Read { what, .. } = operation {
        match what {
            Selection::Record => {}
            Selection::Field(field) | Selection::Count(field) => object["field"] = field.as_str().into(),
            Selection::Member(field, member) => {
                object["field"] = field.as_str().into();
                object["member"] = member.as_str().into();
            }
        }
    }
    match result {
        ReadResult::Record(None) => object["exists"] = false.into(),
        ReadResult::Record(Some(content)) => {
            object["exists"] = true.into();
            object["version"] = content.version.0.into();
            object["fields"] = fields(content);
        }
        ReadResult::Field(content) => object["value"] = content.as_ref().map_or(Value::Null, field),
        ReadResult::Count(count) => object["count"] = (*count).into(),
        ReadResult::Member(present) => object["present"] = (*present).into(),
    }
    object
}

/// A record: `{"version": …, "fields": {…}}`.
pub fn record(content: &RecordContent) -> Value {
    json!({ "version": content.version.0, "fields": fields(content) })
}

/// A field: a value as such, a list as `[…]`, a set as `{"set": […]}`.
pub fn field(content: &FieldContent) -> Value {
    match content {
        FieldContent::Value(scalar) => value(scalar),
        FieldContent::List(items) => items.iter().map(value).collect(),
        FieldContent::Set(members) => {
            json!({ "set": members.iter().map(Member::as_str).collect::<Vec<_>>() })
        }
    }
}

/// A value: a number, text, or bytes as `{"bytes": "hex"}`.
pub fn value(scalar: &Scalar) -> Value {
    match scalar {
        Scalar::Int(number) => (*number).into(),
        Scalar::Text(text) => text.as_str().into(),
        Scalar::Bytes(bytes) => json!({ "bytes": to_hex(bytes) }),
    }
}

fn fields(content: &RecordContent) -> Value {
    content
        .fields
        .iter()
        .map(|(name, content)| (name.to_string(), field(content)))
        .collect::<Map<_, _>>()
        .into()
}

fn describe(object: &mut Value, refusal: &Refusal) {
    object["operation"] = refusal.operation.into();
    object["record"] = refusal.record.as_str().into();
    if let Some(field) = &refusal.field {
        object["field"] = field.as_str().into();
    }
    if let Some(member) = &refusal.member {
        object["member"] = member.as_str().into();
    }
    let requires = match refusal.kind {
        RefusalKind::Exists => Some("exists"),
        RefusalKind::Absent => Some("absent"),
        RefusalKind::Equals => Some("equals"),
        RefusalKind::AtLeast => Some("at_least"),
        RefusalKind::Contains => Some("contains"),
        RefusalKind::Version => Some("version"),
        RefusalKind::Bound
        | RefusalKind::MemberExists
        | RefusalKind::MemberAbsent
        | RefusalKind::WrongType
        | RefusalKind::TooLarge
        | RefusalKind::MessageAbsent
        | RefusalKind::LeaseLost
        | RefusalKind::ForeignLease
        | RefusalKind::MailboxAbsent
        | RefusalKind::OutboxFull => None,
    };
    if let Some(requires) = requires {
        object["requires"] = requires.into();
    }
}
