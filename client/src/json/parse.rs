//! From JSON to transactions.

use super::{
    mail,
    object::{JsonError, Object, Strict, name},
};
use crate::{mail::NewMessage, transaction::Transaction};
use assent_protocol::{
    ids::{FieldName, Member, RecordId, TxnId, Version},
    operation::{Check, Operation, Selection},
};
use serde_json::Value;

const OPERATIONS: &str = "require, set, delete, append, add, insert, remove, read, send, acknowledge";

/// Reads one transaction: `{"id": "…", "ops": […]}`, where `id` is there only to repeat an earlier attempt.
pub fn transaction(text: &str) -> Result<Transaction, JsonError> {
    let Strict(value) =
        serde_json::from_str(text).map_err(|error| JsonError::new(format!("it is not JSON: {error}")))?;
    transaction_value(value)
}

/// Reads one transaction from parsed JSON.
pub fn transaction_value(value: Value) -> Result<Transaction, JsonError> {
    let mut object = Object::new(value, "a transaction")?;
    let mut transaction = Transaction::new();
    if object.has("id") {
        transaction = transaction.repeat_of(object.named("id", str::parse::<TxnId>)?);
    }
    let operations = match object.require("ops")? {
        Value::Array(operations) => operations,
        other => return Err(JsonError::at("ops", format!("it must be a list, not {}", name(&other)))),
    };
    object.end("a transaction has ops, and id if it repeats an earlier attempt")?;
    if operations.is_empty() {
        return Err(JsonError::at("ops", "it holds no operation"));
    }
    for (index, value) in operations.into_iter().enumerate() {
        transaction = match step(value).map_err(|error| error.of_operation(index))? {
            Step::Operation(operation) => transaction.push(operation),
            Step::Send(message) => transaction.send(message),
        };
    }
    Ok(transaction)
}

/// Reads one operation: `{"op": "insert", "record": "course/CS101", …}`. A message that names no record is kept where its
/// mailbox is.
pub fn operation(value: Value) -> Result<Operation, JsonError> {
    match step(value)? {
        Step::Operation(operation) => Ok(operation),
        Step::Send(message) => {
            let sent = Transaction::new().send(message);
            sent.operations.into_iter().next().ok_or_else(|| JsonError::new("it sends nothing"))
        }
    }
}

/// An operation, or a message whose place depends on the others.
enum Step {
    Operation(Operation),
    Send(NewMessage),
}

fn step(value: Value) -> Result<Step, JsonError> {
    let mut object = Object::new(value, "an operation")?;
    let op = object.text("op")?;
    let (operation, allowed) = match op.as_str() {
        "require" => require(&mut object)?,
        "set" => set(&mut object)?,
        "delete" => (Operation::Delete { record: record(&mut object)? }, "delete has only record"),
        "append" => append(&mut object)?,
        "add" => add(&mut object)?,
        "insert" => insert(&mut object)?,
        "remove" => remove(&mut object)?,
        "read" => read(&mut object)?,
        "acknowledge" => (mail::acknowledge(&mut object)?, mail::ACKNOWLEDGE),
        "send" => {
            let message = mail::send(&mut object)?;
            object.end(mail::SEND)?;
            let sent = Transaction::new().send(message.clone());
            sent.operations.iter().try_for_each(Operation::check).map_err(JsonError::new)?;
            return Ok(Step::Send(message));
        }
        other => {
            let other: String = other.chars().take(40).collect();
            return Err(JsonError::at(
                "op",
                format!("there is no operation {other:?}; there are {OPERATIONS}"),
            ));
        }
    };
    object.end(allowed)?;
    operation.check().map_err(JsonError::new)?;
    Ok(Step::Operation(operation))
}

type Parsed = Result<(Operation, &'static str), JsonError>;

fn require(object: &mut Object) -> Parsed {
    let record = record(object)?;
    let kinds = ["exists", "absent", "version", "equals", "at_least", "contains"];
    let mut given = kinds.into_iter().filter(|kind| object.has(kind));
    let Some(kind) = given.next() else {
        return Err(JsonError::new(format!("require needs one of {}", kinds.join(", "))));
    };
    if let Some(other) = given.next() {
        return Err(JsonError::at(other, format!("require checks one thing, and {kind:?} is there too")));
    }
    let (check, allowed) = match kind {
        "exists" => (presence(object.truth("exists")?), "require exists has record"),
        "absent" => (presence(!object.truth("absent")?), "require absent has record"),
        "version" => {
            let version = object.optional_count("version")?;
            let version = version
                .ok_or_else(|| JsonError::at("version", "it must be a whole number from 0, not null"))?;
            (Check::Version(Version(version)), "require version has record")
        }
        "equals" => {
            (Check::Equals(field(object)?, object.scalar("equals")?), "require equals has record and field")
        }
        "at_least" => (
            Check::AtLeast(field(object)?, object.integer("at_least")?),
            "require at_least has record and field",
        ),
        _ => {
            let member = |object: &mut Object| object.named("contains", Member::new);
            (Check::Contains(field(object)?, member(object)?), "require contains has record and field")
        }
    };
    Ok((Operation::Require { record, check }, allowed))
}

fn presence(exists: bool) -> Check {
    if exists { Check::Exists } else { Check::Absent }
}

fn set(object: &mut Object) -> Parsed {
    let (record, field, value) = (record(object)?, field(object)?, object.scalar("value")?);
    Ok((Operation::Set { record, field, value }, "set has record, field and value"))
}

fn append(object: &mut Object) -> Parsed {
    let (record, field, value) = (record(object)?, field(object)?, object.scalar("value")?);
    Ok((Operation::Append { record, field, value }, "append has record, field and value"))
}

fn add(object: &mut Object) -> Parsed {
    let (record, field, delta) = (record(object)?, field(object)?, object.integer("delta")?);
    let (min, max) = (object.optional_integer("min")?, object.optional_integer("max")?);
    Ok((
        Operation::Add { record, field, delta, min, max },
        "add has record, field, delta, and maybe min and max",
    ))
}

fn insert(object: &mut Object) -> Parsed {
    let (record, field, member) = (record(object)?, field(object)?, member(object)?);
    let max = object.optional_count("max")?;
    Ok((Operation::Insert { record, field, member, max }, "insert has record, field, member, and maybe max"))
}

fn remove(object: &mut Object) -> Parsed {
    let (record, field, member) = (record(object)?, field(object)?, member(object)?);
    let min = object.optional_count("min")?;
    Ok((Operation::Remove { record, field, member, min }, "remove has record, field, member, and maybe min"))
}

fn read(object: &mut Object) -> Parsed {
    let record = record(object)?;
    let allowed = "read has record, and maybe field, and with it either count or member";
    if !object.has("field") {
        return Ok((Operation::Read { record, what: Selection::Record }, allowed));
    }
    let field = field(object)?;
    let what = if object.has("member") {
        Selection::Member(field, member(object)?)
    } else if object.has("count") {
        match object.truth("count")? {
            true => Selection::Count(field),
            false => Selection::Field(field),
        }
    } else {
        Selection::Field(field)
    };
    Ok((Operation::Read { record, what }, allowed))
}

fn record(object: &mut Object) -> Result<RecordId, JsonError> {
    object.named("record", RecordId::new)
}

fn field(object: &mut Object) -> Result<FieldName, JsonError> {
    object.named("field", FieldName::new)
}

fn member(object: &mut Object) -> Result<Member, JsonError> {
    object.named("member", Member::new)
}
