//! The builder: a transaction as a list of operations, before it is sent. Pure data.
//!
//! A wrong name does not interrupt the building: the transaction remembers the first one, and is then answered with
//! [`NotExecuted::Invalid`](crate::NotExecuted::Invalid) instead of being sent.

use crate::names::{IntoValue, Named};
use assent_protocol::{
    ids::{FieldName, InvalidName, Member, RecordId, Stamp, TxnId, Version},
    operation::{Check, Operation, Selection},
};
use std::{
    ops::{Bound, RangeBounds},
    time::Duration,
};

/// Operations that happen all or not at all, in the order in which they are given.
///
/// ```
/// # use assent_client::Transaction;
/// let enrol = Transaction::new()
///     .require_equals("student/s17", "status", "active")
///     .insert("student/s17", "schedule", "CS101", 8)
///     .add("student/s17", "credits", 6, 0..=60)
///     .insert("course/CS101", "roster", "s17", 40)
///     .read_count("course/CS101", "roster");
/// assert_eq!(enrol.operations().len(), 5);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transaction {
    pub(crate) operations: Vec<Operation>,
    /// The first operation that changes something, other than a message that names no record.
    pub(crate) home: Option<usize>,
    /// Messages that name no record; `mail` says where they are kept.
    pub(crate) homeless: Vec<usize>,
    pub(crate) invalid: Option<(usize, InvalidName)>,
    pub(crate) deadline: Option<Duration>,
    pub(crate) repeats: Option<TxnId>,
    pub(crate) stamp: Option<Stamp>,
    pub(crate) note: String,
}

impl Transaction {
    /// No operations yet.
    pub fn new() -> Transaction {
        Transaction::default()
    }

    /// The operations so far.
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// Any operation.
    pub fn push(mut self, operation: Operation) -> Self {
        self.operations.push(operation);
        self.house();
        self
    }

    /// Refuses the transaction unless the record exists.
    pub fn require_exists(self, record: impl Named<RecordId>) -> Self {
        self.require(record, || Ok(Check::Exists))
    }

    /// Refuses the transaction if the record exists.
    pub fn require_absent(self, record: impl Named<RecordId>) -> Self {
        self.require(record, || Ok(Check::Absent))
    }

    /// Refuses the transaction unless the field holds this value.
    pub fn require_equals(
        self,
        record: impl Named<RecordId>,
        field: impl Named<FieldName>,
        value: impl IntoValue,
    ) -> Self {
        self.require(record, || Ok(Check::Equals(field.named()?, value.into_value())))
    }

    /// Refuses the transaction unless the field is an integer and at least this; an absent one counts as 0.
    pub fn require_at_least(
        self,
        record: impl Named<RecordId>,
        field: impl Named<FieldName>,
        least: i64,
    ) -> Self {
        self.require(record, || Ok(Check::AtLeast(field.named()?, least)))
    }

    /// Refuses the transaction unless the set holds this member.
    pub fn require_contains(
        self,
        record: impl Named<RecordId>,
        field: impl Named<FieldName>,
        member: impl Named<Member>,
    ) -> Self {
        self.require(record, || Ok(Check::Contains(field.named()?, member.named()?)))
    }

    /// Refuses the transaction unless the record has this version; an absent one has version 0.
    pub fn require_version(self, record: impl Named<RecordId>, version: u64) -> Self {
        self.require(record, || Ok(Check::Version(Version(version))))
    }

    /// Sets a field to a value, whatever it held.
    pub fn set(
        self,
        record: impl Named<RecordId>,
        field: impl Named<FieldName>,
        value: impl IntoValue,
    ) -> Self {
        self.with(|| {
            Ok(Operation::Set { record: record.named()?, field: field.named()?, value: value.into_value() })
        })
    }

    /// Deletes a record with all its fields; refused if there is none.
    pub fn delete(self, record: impl Named<RecordId>) -> Self {
        self.with(|| Ok(Operation::Delete { record: record.named()? }))
    }

    /// Appends an item to a list.
    pub fn append(
        self,
        record: impl Named<RecordId>,
        field: impl Named<FieldName>,
        value: impl IntoValue,
    ) -> Self {
        self.with(|| {
            Ok(Operation::Append {
                record: record.named()?,
                field: field.named()?,
                value: value.into_value(),
            })
        })
    }

    /// Adds to an integer that starts at 0; refused if the sum would leave `bounds`, as `0..=60`, `0..` or `..`.
    pub fn add(
        self,
        record: impl Named<RecordId>,
        field: impl Named<FieldName>,
        delta: i64,
        bounds: impl RangeBounds<i64>,
    ) -> Self {
        let min = match bounds.start_bound() {
            Bound::Included(min) => Some(*min),
            Bound::Excluded(min) => Some(min.saturating_add(1)),
            Bound::Unbounded => None,
        };
        let max = match bounds.end_bound() {
            Bound::Included(max) => Some(*max),
            Bound::Excluded(max) => Some(max.saturating_sub(1)),
            Bound::Unbounded => None,
        };
        self.with(|| Ok(Operation::Add { record: record.named()?, field: field.named()?, delta, min, max }))
    }

    /// Puts a member into a set; refused if it is there, or if the set would have more than `max` members (a number,
    /// or `None` for no bound).
    pub fn insert(
        self,
        record: impl Named<RecordId>,
        field: impl Named<FieldName>,
        member: impl Named<Member>,
        max: impl Into<Option<u64>>,
    ) -> Self {
        self.with(|| {
            Ok(Operation::Insert {
                record: record.named()?,
                field: field.named()?,
                member: member.named()?,
                max: max.into(),
            })
        })
    }

    /// Takes a member out of a set; refused if it is not there, or if fewer than `min` would remain (a number, or
    /// `None` for no bound).
    pub fn remove(
        self,
        record: impl Named<RecordId>,
        field: impl Named<FieldName>,
        member: impl Named<Member>,
        min: impl Into<Option<u64>>,
    ) -> Self {
        self.with(|| {
            Ok(Operation::Remove {
                record: record.named()?,
                field: field.named()?,
                member: member.named()?,
                min: min.into(),
            })
        })
    }

    /// Reads a whole record with its version.
    pub fn read(self, record: impl Named<RecordId>) -> Self {
        self.look(record, || Ok(Selection::Record))
    }

    /// Reads one field.
    pub fn read_field(self, record: impl Named<RecordId>, field: impl Named<FieldName>) -> Self {
        self.look(record, || Ok(Selection::Field(field.named()?)))
    }

    /// Reads how many members or items a field has.
    pub fn read_count(self, record: impl Named<RecordId>, field: impl Named<FieldName>) -> Self {
        self.look(record, || Ok(Selection::Count(field.named()?)))
    }

    /// Reads whether a set has a member.
    pub fn read_member(
        self,
        record: impl Named<RecordId>,
        field: impl Named<FieldName>,
        member: impl Named<Member>,
    ) -> Self {
        self.look(record, || Ok(Selection::Member(field.named()?, member.named()?)))
    }

    /// Ends the call after this time instead of [`ClientConfig::deadline`](crate::ClientConfig::deadline).
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Makes this a repeat of an earlier attempt, from whichever process and session of this client's name: it takes
    /// effect once, and every repeat learns what became of it. The operations must be the same, in the same order.
    pub fn repeat_of(mut self, id: TxnId) -> Self {
        self.repeats = Some(id);
        self
    }

    /// Gives the transaction the age of an earlier one that it takes the place of: the older one goes first. Without
    /// it, its age is the time of the first attempt. [`Client::run_with_retries`](crate::Client::run_with_retries)
    /// does this by itself.
    pub fn stamp(mut self, stamp: Stamp) -> Self {
        self.stamp = Some(stamp);
        self
    }

    /// A note to oneself, kept in the journal only: after a crash it comes back with the outcome
    /// ([`Recovered::note`](crate::Recovered)).
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// Whether it changes anything. What only reads leaves no trace, and is read again when it is repeated.
    pub fn is_write(&self) -> bool {
        self.operations.iter().any(Operation::is_write)
    }

    fn require(
        self,
        record: impl Named<RecordId>,
        check: impl FnOnce() -> Result<Check, InvalidName>,
    ) -> Self {
        self.with(|| Ok(Operation::Require { record: record.named()?, check: check()? }))
    }

    fn look(
        self,
        record: impl Named<RecordId>,
        what: impl FnOnce() -> Result<Selection, InvalidName>,
    ) -> Self {
        self.with(|| Ok(Operation::Read { record: record.named()?, what: what()? }))
    }

    pub(crate) fn with(mut self, operation: impl FnOnce() -> Result<Operation, InvalidName>) -> Self {
        match operation() {
            Ok(operation) => self.push(operation),
            Err(error) => {
                self.invalid.get_or_insert((self.operations.len(), error));
                self
            }
        }
    }
}
