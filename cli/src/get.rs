//! `assent get`: one record, or one field of it, from a consistent read.

use crate::{
    context::{self, Global},
    failure::Failure,
    settle,
    status::Status,
};
use assent_client::{FieldContent, FieldName, ReadResult, RecordContent, RecordId, Transaction, Value, json};
use clap::Args;
use serde::{Serialize, Serializer};
use std::fmt;

/// What to show.
#[derive(Debug, Args)]
pub(crate) struct GetArgs {
    /// The record, as student/s17
    record: RecordId,
    /// Only this field
    #[arg(long, value_name = "F")]
    field: Option<FieldName>,
}

/// What was read.
enum Shown {
    Record(RecordId, RecordContent),
    Field(RecordId, FieldName, FieldContent),
}

impl Serialize for Shown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value = match self {
            Shown::Record(record, content) => {
                let mut value = json::record(content);
                value["record"] = record.as_str().into();
                value
            }
            Shown::Field(record, field, content) => serde_json::json!({
                "record": record.as_str(),
                "field": field.as_str(),
                "value": json::field(content),
            }),
        };
        value.serialize(serializer)
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Shown::Record(record, content) => {
                writeln!(f, "{record}  (version {})", content.version)?;
                let width = content.fields.keys().map(|field| field.as_str().len()).max().unwrap_or(0);
                for (field, content) in &content.fields {
                    write!(f, "  {:<width$}  ", field.as_str())?;
                    show_field(f, content)?;
                    writeln!(f)?;
                }
                Ok(())
            }
            Shown::Field(_, _, content) => show_field(f, content),
        }
    }
}

fn show_field(f: &mut fmt::Formatter<'_>, content: &FieldContent) -> fmt::Result {
    match content {
        FieldContent::Value(value) => show_value(f, value),
        FieldContent::List(items) => {
            f.write_str("[")?;
            for (at, item) in items.iter().enumerate() {
                f.write_str(if at == 0 { "" } else { ", " })?;
                show_value(f, item)?;
            }
            f.write_str("]")
        }
        FieldContent::Set(members) => {
            let members: Vec<&str> = members.iter().map(|member| member.as_str()).collect();
            write!(f, "{{{}}}", members.join(", "))
        }
    }
}

fn show_value(f: &mut fmt::Formatter<'_>, value: &Value) -> fmt::Result {
    match value {
        Value::Int(value) => write!(f, "{value}"),
        Value::Text(text) => write!(f, "{text:?}"),
        Value::Bytes(bytes) => bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}")),
    }
}

/// Runs the command.
pub(crate) fn run(args: &GetArgs, global: &Global) -> Result<Status, Failure> {
    let read = match &args.field {
        Some(field) => Transaction::new().read_field(&args.record, field),
        None => Transaction::new().read(&args.record),
    };
    let receipt = context::block_on(async {
        let client = global.connect().await?;
        let outcome = client.run_with_retries(read).await;
        client.close().await;
        settle::ended(outcome, &format!("read {}", args.record))
    })?;
    let shown = match (receipt.reads.into_iter().next(), &args.field) {
        (Some(ReadResult::Record(Some(content))), _) => Shown::Record(args.record.clone(), content),
        (Some(ReadResult::Field(Some(content))), Some(field)) => {
            Shown::Field(args.record.clone(), field.clone(), content)
        }
        (_, Some(field)) => {
            return Err(Failure::new(Status::NotFound, format!("{} has no field {field}", args.record))
                .cause("the record has other fields, or there is no such record")
                .remedy(format!("see what there is: assent get {}", args.record)));
        }
        (_, None) => {
            return Err(Failure::new(Status::NotFound, format!("there is no record {}", args.record))
                .remedy("check the table and the id; records are named table/id"));
        }
    };
    global.output().print(&shown)?;
    Ok(Status::Done)
}
