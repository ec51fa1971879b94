//! The writes since the last commit, as later reads must see them.
//!
//! RocksDB does not know them yet. The overlay holds only what [`Store`](assent_protocol::storage::Store) can read and
//! `rows.rs` does not hold: transactions and watermarks are written and never read back.
//!
//! The invariant: what is read is the overlay over the database. Where the overlay has "wiped" something, nothing
//! of it in the database counts.

use assent_protocol::{
    ids::{ClientName, FieldName, Member, RecordId},
    operation::Value,
    storage::{Field, GrantRecord},
};
use foldhash::fast::RandomState;
use std::collections::{BTreeMap, HashMap};

#[derive(Default)]
pub(crate) struct Overlay {
    records: HashMap<RecordId, PendingRecord, RandomState>,
    grants: HashMap<ClientName, GrantRecord, RandomState>,
}

/// What is pending of one record.
#[derive(Default)]
pub(crate) struct PendingRecord {
    /// What the database holds of it is gone.
    pub(crate) wiped: bool,
    /// Few: those that a turn changes.
    pub(crate) fields: BTreeMap<FieldName, PendingField>,
}

/// What is pending of one field.
#[derive(Default)]
pub(crate) struct PendingField {
    /// What the database holds of it is gone, items and members too.
    pub(crate) wiped: bool,
    /// What was put under a key of its own, if anything was since the field was wiped.
    pub(crate) field: Option<Field>,
    pub(crate) items: BTreeMap<u64, Value>,
    /// True: put; false: deleted.
    pub(crate) members: BTreeMap<Member, bool>,
}

/// What the overlay knows of something.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Pending<T> {
    /// It was put.
    Put(T),
    /// It is gone.
    Gone,
    /// Nothing was written: the database knows.
    Untouched,
}

impl Overlay {
    pub(crate) fn clear(&mut self) {
        self.records.clear();
        self.grants.clear();
    }

    pub(crate) fn field(&self, record: &RecordId, field: &FieldName) -> Pending<&Field> {
        let Some(pending) = self.records.get(record) else {
            return Pending::Untouched;
        };
        match pending.fields.get(field) {
            Some(PendingField { field: Some(field), .. }) => Pending::Put(field),
            Some(PendingField { wiped: true, .. }) => Pending::Gone,
            Some(_) | None if pending.wiped => Pending::Gone,
            Some(_) | None => Pending::Untouched,
        }
    }

    pub(crate) fn member(&self, record: &RecordId, field: &FieldName, member: &Member) -> Pending<()> {
        let Some(pending) = self.records.get(record) else {
            return Pending::Untouched;
        };
        let held = pending.fields.get(field);
        match held.and_then(|held| held.members.get(member)) {
            Some(true) => Pending::Put(()),
            Some(false) => Pending::Gone,
            None if pending.wiped || held.is_some_and(|held| held.wiped) => Pending::Gone,
            None => Pending::Untouched,
        }
    }

    pub(crate) fn grant(&self, client: &ClientName) -> Option<&GrantRecord> {
        self.grants.get(client)
    }

    /// What is pending of a record, if anything is.
    pub(crate) fn record(&self, record: &RecordId) -> Option<&PendingRecord> {
        self.records.get(record)
    }

    pub(crate) fn wipe_record(&mut self, record: &RecordId) {
        let pending = self.record_mut(record);
        *pending = PendingRecord { wiped: true, ..PendingRecord::default() };
    }

    pub(crate) fn field_mut(&mut self, record: &RecordId, field: &FieldName) -> &mut PendingField {
        let pending = self.record_mut(record);
        // Not the entry API: it would clone the name even where the field is there.
        if !pending.fields.contains_key(field) {
            pending.fields.insert(field.clone(), PendingField::default());
        }
        pending.fields.get_mut(field).expect("it was just put there")
    }

    pub(crate) fn wipe_field(&mut self, record: &RecordId, field: &FieldName) {
        *self.field_mut(record, field) = PendingField { wiped: true, ..PendingField::default() };
    }

    pub(crate) fn put_grant(&mut self, client: &ClientName, grant: &GrantRecord) {
        self.grants.insert(client.clone(), grant.clone());
    }

    fn record_mut(&mut self, record: &RecordId) -> &mut PendingRecord {
        if !self.records.contains_key(record) {
            self.records.insert(record.clone(), PendingRecord::default());
        }
        self.records.get_mut(record).expect("it was just put there")
    }
}
