//! Versions and fields of the records that are in use, decoded.
//!
//! A hot course is read by every transaction that enrols in it; a lookup here costs a tenth of one in RocksDB. The
//! cache is written through: what it holds is what the database and the pending batch together say.
//!
//! It is bounded by two generations: when the young one is full it becomes the old one, and the old one is forgotten.
//! What is used while old becomes young again.

use assent_protocol::{
    ids::{FieldName, RecordId, Version},
    storage::Field,
};
use std::{collections::HashMap, mem};

/// Values longer than this, in bytes, are not kept.
const VALUE_BYTES_MAX: usize = 256;

pub(crate) struct Cache {
    young: Generation,
    old: Generation,
    /// Entries in one generation at most.
    entries_max: usize,
}

#[derive(Default)]
struct Generation {
    records: HashMap<RecordId, CachedRecord>,
    entries: usize,
}

/// What is known of a record. The inner `None` says that it is known to be absent.
#[derive(Default)]
struct CachedRecord {
    version: Option<Option<Version>>,
    fields: HashMap<FieldName, Option<Field>>,
}

impl CachedRecord {
    fn entries(&self) -> usize {
        1 + self.fields.len()
    }
}

impl Cache {
    /// Keeps at most about `entries_max` entries, in both generations together.
    pub(crate) fn new(entries_max: usize) -> Self {
        Cache { young: Generation::default(), old: Generation::default(), entries_max: entries_max / 2 }
    }

    /// The version, if it is known.
    pub(crate) fn version(&mut self, record: &RecordId) -> Option<Option<Version>> {
        self.known(record)?.version
    }

    /// The field, if it is known.
    pub(crate) fn field(&mut self, record: &RecordId, field: &FieldName) -> Option<&Option<Field>> {
        self.known(record)?.fields.get(field)
    }

    pub(crate) fn put_version(&mut self, record: &RecordId, version: Option<Version>) {
        self.record_mut(record).version = Some(version);
        self.rotate();
    }

    pub(crate) fn put_field(&mut self, record: &RecordId, field: &FieldName, held: Option<Field>) {
        let large = matches!(&held, Some(Field::Value(value)) if value.len() > VALUE_BYTES_MAX);
        let fields = &mut self.record_mut(record).fields;
        let before = fields.len();
        if large {
            fields.remove(field);
        } else if let Some(known) = fields.get_mut(field) {
            *known = held;
        } else {
            fields.insert(field.clone(), held);
        }
        let after = fields.len();
        self.young.entries = self.young.entries + after - before;
        self.rotate();
    }

    /// Forgets what is known of a record.
    pub(crate) fn forget(&mut self, record: &RecordId) {
        if let Some(known) = self.young.records.remove(record) {
            self.young.entries -= known.entries();
        }
        self.old.records.remove(record);
    }

    fn known(&mut self, record: &RecordId) -> Option<&CachedRecord> {
        if !self.young.records.contains_key(record) {
            let (record, known) = self.old.records.remove_entry(record)?;
            self.young.entries += known.entries();
            self.young.records.insert(record, known);
        }
        self.young.records.get(record)
    }

    fn record_mut(&mut self, record: &RecordId) -> &mut CachedRecord {
        if self.known(record).is_none() {
            self.young.entries += 1;
            self.young.records.insert(record.clone(), CachedRecord::default());
        }
        self.young.records.get_mut(record).expect("it was just put there")
    }

    fn rotate(&mut self) {
        if self.young.entries > self.entries_max {
            self.old = mem::take(&mut self.young);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use assent_protocol::operation::Value;

    #[test]
    fn bounded_and_keeps_what_is_used() {
        let mut cache = Cache::new(100);
        let hot = RecordId::new("course/hot").expect("valid");
        cache.put_version(&hot, Some(Version(1)));
        for i in 0..10_000 {
            let cold = RecordId::new(&format!("student/{i}")).expect("valid");
            cache.put_version(&cold, None);
            assert_eq!(cache.version(&hot), Some(Some(Version(1))));
            assert!(cache.young.entries + cache.old.entries <= 102);
            let counted: usize = cache.young.records.values().map(CachedRecord::entries).sum();
            assert_eq!(counted, cache.young.entries);
        }
    }

    #[test]
    fn large_values_are_not_kept() {
        let mut cache = Cache::new(100);
        let record = RecordId::new("student/1").expect("valid");
        let field = FieldName::new("photo").expect("valid");
        cache.put_field(&record, &field, Some(Field::Value(Value::Int(1))));
        assert!(cache.field(&record, &field).is_some());
        cache.put_field(&record, &field, Some(Field::Value(Value::Bytes(vec![0; 1000]))));
        assert!(cache.field(&record, &field).is_none());
    }
}
