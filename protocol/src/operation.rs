//! Operations: what a transaction may do to records, as data.
//!
//! Not here: what they do (see [`crate::workspace`]) and what they lock (see [`crate::locks`]).

use crate::{
    ids::{FieldName, Member, RecordId, Version},
    mail::{Draft, LeaseId, Mailbox, Position},
};
use alloc::{collections::BTreeMap, string::String, sync::Arc, vec::Vec};
use serde::{Deserialize, Serialize};

/// The longest text or bytes in one value, in bytes.
pub const VALUE_BYTES_MAX: usize = 64 * 1024;

/// A value in a field or a list.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Value {
    /// A signed 64-bit integer.
    Int(i64),
    /// UTF-8 text.
    Text(String),
    /// Any bytes.
    Bytes(Vec<u8>),
}

impl Value {
    /// Bytes of content.
    pub fn len(&self) -> usize {
        match self {
            Value::Int(_) => 8,
            Value::Text(text) => text.len(),
            Value::Bytes(bytes) => bytes.len(),
        }
    }

    /// Whether it holds no content.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One operation on one record.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Operation {
    /// Refuses the transaction unless the check holds.
    Require {
        /// The record that is checked.
        record: RecordId,
        /// What must hold.
        check: Check,
    },
    /// Sets a field to a value, whatever it held.
    Set {
        /// The record; it is created if absent.
        record: RecordId,
        /// The field.
        field: FieldName,
        /// Its new value.
        value: Value,
    },
    /// Deletes a record with all its fields; refused if there is none.
    Delete {
        /// The record.
        record: RecordId,
    },
    /// Appends an item to a list.
    Append {
        /// The record; it is created if absent.
        record: RecordId,
        /// The list.
        field: FieldName,
        /// The new last item.
        value: Value,
    },
    /// Adds to an integer that starts at 0, and refuses to leave its bounds.
    Add {
        /// The record; it is created if absent.
        record: RecordId,
        /// The counter.
        field: FieldName,
        /// What is added; may be negative.
        delta: i64,
        /// The sum may not be less.
        min: Option<i64>,
        /// The sum may not be more.
        max: Option<i64>,
    },
    /// Puts a member into a set; refused if it is there, or if the set would have more than `max` members.
    Insert {
        /// The record; it is created if absent.
        record: RecordId,
        /// The set.
        field: FieldName,
        /// The new member.
        member: Member,
        /// The set may not become larger.
        max: Option<u64>,
    },
    /// Takes a member out of a set; refused if it is not there, or if fewer than `min` would remain.
    Remove {
        /// The record.
        record: RecordId,
        /// The set.
        field: FieldName,
        /// The member that goes.
        member: Member,
        /// The set may not become smaller.
        min: Option<u64>,
    },
    /// Reads; sees the transaction's own earlier operations.
    Read {
        /// The record.
        record: RecordId,
        /// How much of it.
        what: Selection,
    },
    /// Sends a message if the transaction commits. It locks nothing, and adds no participant.
    Send {
        /// The record whose participant keeps the message until it has arrived.
        from: RecordId,
        /// What is sent, and where to.
        draft: Arc<Draft>,
    },
    /// Finishes a message if the transaction commits; refused unless the lease is good and the client's own.
    Acknowledge {
        /// Where the message is.
        mailbox: Mailbox,
        /// Which message.
        position: Position,
        /// The lease under which it was received.
        lease: LeaseId,
    },
}

/// What `Require` checks.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Check {
    /// The record exists.
    Exists,
    /// The record does not exist.
    Absent,
    /// The field holds this value.
    Equals(FieldName, Value),
    /// The field is an integer and at least this (an absent one counts as 0).
    AtLeast(FieldName, i64),
    /// The set holds this member.
    Contains(FieldName, Member),
    /// The record has this version (an absent one has version 0).
    Version(Version),
}

/// What `Read` reads.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Selection {
    /// The whole record with its version.
    Record,
    /// One field.
    Field(FieldName),
    /// How many members or items a field has.
    Count(FieldName),
    /// Whether a set has a member.
    Member(FieldName, Member),
}

/// What a read saw.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum ReadResult {
    /// A whole record, or none.
    Record(Option<RecordContent>),
    /// A field, or none.
    Field(Option<FieldContent>),
    /// A number of members or items; 0 where the field is absent.
    Count(u64),
    /// Whether the member is there.
    Member(bool),
}

/// A whole record.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct RecordContent {
    /// How many transactions have changed it.
    pub version: Version,
    /// Its fields by name.
    pub fields: BTreeMap<FieldName, FieldContent>,
}

/// A whole field.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum FieldContent {
    /// One value.
    Value(Value),
    /// Items in the order in which they were appended.
    List(Vec<Value>),
    /// Members in order.
    Set(Vec<Member>),
}

/// An operation with its place in the transaction as the client gave it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Step {
    /// Its index among all operations of the transaction, from 0.
    pub index: u16,
    /// What to do.
    pub operation: Operation,
}

/// Results of reads with the index of the operation that asked, in the order of execution.
pub type Results = Vec<(u16, ReadResult)>;

impl Operation {
    /// The record that the operation is about.
    pub fn record(&self) -> &RecordId {
        match self {
            Operation::Require { record, .. }
            | Operation::Set { record, .. }
            | Operation::Delete { record }
            | Operation::Append { record, .. }
            | Operation::Add { record, .. }
            | Operation::Insert { record, .. }
            | Operation::Remove { record, .. }
            | Operation::Read { record, .. }
            | Operation::Send { from: record, .. } => record,
            Operation::Acknowledge { mailbox, .. } => mailbox.record(),
        }
    }

    /// Whether the operation changes anything.
    pub fn is_write(&self) -> bool {
        !matches!(self, Operation::Require { .. } | Operation::Read { .. })
    }

    /// Whether the record exists afterwards, if the transaction commits.
    pub fn creates(&self, record: &RecordId) -> bool {
        match self {
            Operation::Set { record: on, .. }
            | Operation::Append { record: on, .. }
            | Operation::Add { record: on, .. }
            | Operation::Insert { record: on, .. } => on == record,
            Operation::Require { .. }
            | Operation::Delete { .. }
            | Operation::Remove { .. }
            | Operation::Read { .. }
            | Operation::Send { .. }
            | Operation::Acknowledge { .. } => false,
        }
    }

    /// Says what is wrong with the operation by itself, whatever the records hold.
    pub fn check(&self) -> Result<(), &'static str> {
        match self {
            Operation::Set { value, .. }
            | Operation::Append { value, .. }
            | Operation::Require { check: Check::Equals(_, value), .. }
                if value.len() > VALUE_BYTES_MAX =>
            {
                Err("the value is longer than 65,536 bytes")
            }
            Operation::Add { min: Some(min), max: Some(max), .. } if min > max => {
                Err("min is greater than max")
            }
            Operation::Send { draft, .. } => draft.check(),
            Operation::Require { .. }
            | Operation::Set { .. }
            | Operation::Delete { .. }
            | Operation::Append { .. }
            | Operation::Add { .. }
            | Operation::Insert { .. }
            | Operation::Remove { .. }
            | Operation::Read { .. }
            | Operation::Acknowledge { .. } => Ok(()),
        }
    }
}
