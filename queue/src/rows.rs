//! Rows: a record's version together with its small fields, and those rows that are in use, decoded.
//!
//! Nearly every transaction changes a version and a count or two of the same record. In one row they cost one lookup and one
//! insert into the memtable, however many transactions of a turn change them. What would make a row large is
//! kept under a key of its own: long values, and further fields of a record that has many.
//!
//! The cache is bounded by two generations: when the young one is full it becomes the old one, and the old one is forgotten.
//! What is used while old becomes young again. The invariant: a row that was changed since the last commit is in the cache, and
//! what the cache holds is what the database and the pending batch together say.

use assent_protocol::{
    ids::{FieldName, RecordId, Version},
    storage::Field,
};
use foldhash::fast::RandomState;
use serde::{Deserialize, Serialize};
use std::{collections::HashMap, mem};

/// A longer value has a key of its own, in bytes.
const VALUE_BYTES_MAX: usize = 64;
/// Further fields of a record have keys of their own.
pub(crate) const FIELDS_MAX: usize = 16;

/// What the database holds of a record under the record's key; nothing there is an empty row.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    /// None: the record does not exist.
    pub(crate) version: Option<Version>,
    /// In no order: there are few.
    fields: Vec<(FieldName, Field)>,
    /// Fields that are not here may have keys of their own.
    pub(crate) apart: bool,
}

impl Row {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Row::default()
    }

    pub(crate) fn field(&self, field: &FieldName) -> Option<&Field> {
        self.fields.iter().find(|(name, _)| name == field).map(|(_, held)| held)
    }

    pub(crate) fn fields(&self) -> impl Iterator<Item = &FieldName> {
        self.fields.iter().map(|(name, _)| name)
    }

    /// Puts a field into the row; gives it back if it is to have a key of its own.
    pub(crate) fn put(&mut self, field: &FieldName, held: Field) -> Option<Field> {
        let long = matches!(&held, Field::Value(value) if value.len() > VALUE_BYTES_MAX);
        let place = self.fields.iter().position(|(name, _)| name == field);
        match place {
            Some(place) if !long => self.fields[place].1 = held,
            None if !long && self.fields.len() < FIELDS_MAX => self.fields.push((field.clone(), held)),
            Some(_) | None => {
                self.remove(field);
                self.apart = true;
                return Some(held);
            }
        }
        None
    }

    pub(crate) fn remove(&mut self, field: &FieldName) {
        self.fields.retain(|(name, _)| name != field);
    }

    fn entries(&self) -> usize {
        1 + self.fields.len()
    }
}

pub(crate) struct Rows {
    young: Generation,
    old: Generation,
    /// Entries in one generation at most, but for those of one turn.
    entries_max: usize,
    /// Places of the young rows that were changed since the last commit.
    changed: Vec<usize>,
    /// The place that was looked up last: mostly it is the next one too.
    last: usize,
}

#[derive(Default)]
struct Generation {
    places: HashMap<RecordId, usize, RandomState>,
    rows: Vec<Cached>,
    entries: usize,
}

struct Cached {
    record: RecordId,
    row: Row,
    changed: bool,
    /// As counted in its generation.
    entries: usize,
}

impl Generation {
    fn insert(&mut self, record: &RecordId, row: Row) -> usize {
        let place = self.rows.len();
        let entries = row.entries();
        self.entries += entries;
        self.rows.push(Cached { record: record.clone(), row, changed: false, entries });
        self.places.insert(record.clone(), place);
        place
    }

    /// Takes a row out; its place stays empty until the generation is forgotten.
    fn take(&mut self, record: &RecordId) -> Option<Row> {
        let place = self.places.remove(record)?;
        Some(mem::take(&mut self.rows[place].row))
    }
}

impl Rows {
    /// Keeps at most about `entries_max` versions and fields, in both generations together.
    pub(crate) fn new(entries_max: usize) -> Self {
        let (young, old) = Default::default();
        Rows { young, old, entries_max: entries_max / 2, changed: Vec::new(), last: 0 }
    }

    /// The row of a record; `read` looks into the database.
    pub(crate) fn row(&mut self, record: &RecordId, read: impl FnOnce() -> Option<Row>) -> &Row {
        let place = self.place(record, read);
        &self.young.rows[place].row
    }

    /// The same, to be changed and written with the next commit.
    pub(crate) fn row_mut(&mut self, record: &RecordId, read: impl FnOnce() -> Option<Row>) -> &mut Row {
        let place = self.place(record, read);
        let cached = &mut self.young.rows[place];
        if !cached.changed {
            cached.changed = true;
            self.changed.push(place);
        }
        &mut cached.row
    }

    /// Where the row is among the young ones.
    fn place(&mut self, record: &RecordId, read: impl FnOnce() -> Option<Row>) -> usize {
        if self.young.rows.get(self.last).is_none_or(|cached| cached.record != *record) {
            self.last = match self.young.places.get(record) {
                Some(place) => *place,
                None => {
                    let row = self.old.take(record).or_else(read).unwrap_or_default();
                    self.young.insert(record, row)
                }
            };
        }
        self.last
    }

    pub(crate) fn has_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    /// The rows that were changed since the last commit.
    pub(crate) fn changed(&self) -> impl Iterator<Item = (&RecordId, &Row)> {
        // A turn's rows are read and changed while they are young: nothing is forgotten before its end.
        self.changed.iter().map(|place| &self.young.rows[*place]).map(|cached| (&cached.record, &cached.row))
    }

    /// What was changed is being committed: from now on it may be forgotten.
    pub(crate) fn committed(&mut self) {
        for place in self.changed.drain(..) {
            let cached = &mut self.young.rows[place];
            cached.changed = false;
            self.young.entries += cached.row.entries();
            self.young.entries -= cached.entries;
            cached.entries = cached.row.entries();
        }
        if self.young.entries > self.entries_max {
            self.old = mem::take(&mut self.young);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use assent_protocol::operation::Value;

    fn record(text: &str) -> RecordId {
        RecordId::new(text).expect("valid")
    }

    #[test]
    fn bounded_and_keeps_what_is_used() {
        let mut rows = Rows::new(100);
        let hot = record("course/hot");
        rows.row_mut(&hot, || None).version = Some(Version(1));
        for i in 0..10_000 {
            rows.row(&record(&format!("student/{i}")), || None);
            let row = rows.row(&hot, || unreachable!("it is in use"));
            assert_eq!(row.version, Some(Version(1)));
            rows.committed();
            assert!(rows.young.entries + rows.old.entries <= 104);
            let counted: usize = rows.young.rows.iter().map(|cached| cached.row.entries()).sum();
            assert_eq!(counted, rows.young.entries);
        }
    }

    #[test]
    fn what_was_changed_is_not_forgotten_before_the_commit() {
        let mut rows = Rows::new(10);
        for i in 0..1000 {
            rows.row_mut(&record(&format!("student/{i}")), || None).version = Some(Version(i));
        }
        assert_eq!(rows.changed().count(), 1000);
        assert!(rows.changed().all(|(record, row)| record.id() == row.version.expect("set").to_string()));
        rows.committed();
        assert!(!rows.has_changed());
    }

    #[test]
    fn long_values_and_fields_beyond_the_bound_are_kept_apart() {
        let mut row = Row::default();
        let name = |i: usize| FieldName::new(&format!("field{i}")).expect("valid");
        for i in 0..FIELDS_MAX {
            assert_eq!(row.put(&name(i), Field::Set(1)), None);
        }
        assert!(!row.apart);
        assert_eq!(row.put(&name(FIELDS_MAX), Field::Set(1)), Some(Field::Set(1)));
        assert_eq!(row.put(&name(0), Field::Set(2)), None);
        let long = Field::Value(Value::Bytes(vec![0; VALUE_BYTES_MAX + 1]));
        assert_eq!(row.put(&name(0), long.clone()), Some(long));
        assert!(row.apart && row.field(&name(0)).is_none());
    }
}
