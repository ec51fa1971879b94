//! How a machine reads: rows, then the overlay over the database.

use crate::{
    keys::{self, Key, families},
    overlay::Pending,
    rows::Row,
    shared::Shared,
    store::RocksStore,
};
use assent_protocol::{
    codec,
    ids::{ClientName, FieldName, Member, RecordId, Version},
    mail::{Envelope, Mailbox, Position, Stored, StreamSequence},
    operation::Value,
    storage::{Field, GrantRecord, Store, Write},
};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

impl Store for RocksStore {
    fn record(&self, record: &RecordId) -> Option<Version> {
        self.rows.borrow_mut().row(record, || read_row(&self.shared, &self.key, record)).version
    }

    fn field(&self, record: &RecordId, field: &FieldName) -> Option<Field> {
        let mut rows = self.rows.borrow_mut();
        let row = rows.row(record, || read_row(&self.shared, &self.key, record));
        if let Some(held) = row.field(field) {
            return Some(held.clone());
        }
        if !row.apart {
            return None;
        }
        match self.overlay.field(record, field) {
            Pending::Put(held) => Some(held.clone()),
            Pending::Gone => None,
            Pending::Untouched => {
                self.shared.lookup(families::CONTENT, self.key.borrow_mut().field(record, field))
            }
        }
    }

    fn fields(&self, record: &RecordId) -> Vec<FieldName> {
        let mut rows = self.rows.borrow_mut();
        let row = rows.row(record, || read_row(&self.shared, &self.key, record));
        let pending = self.overlay.record(record);
        let mut names = BTreeSet::new();
        if row.apart && !pending.is_some_and(|pending| pending.wiped) {
            let mut key = self.key.borrow_mut();
            let prefix = key.fields(record);
            self.each(prefix, |key, _| {
                names.insert(self.shared.read_checked(keys::parse_field(key, prefix.as_ref().len())));
            });
        }
        for (name, held) in pending.into_iter().flat_map(|pending| &pending.fields) {
            if held.field.is_some() {
                names.insert(name.clone());
            } else if held.wiped {
                names.remove(name);
            }
        }
        names.extend(row.fields().cloned());
        names.into_iter().collect()
    }

    fn items(&self, record: &RecordId, field: &FieldName) -> Vec<Value> {
        let mut items = BTreeMap::new();
        if !self.is_wiped(record, field) {
            let mut key = self.key.borrow_mut();
            let prefix = key.items(record, field);
            self.each(prefix, |key, value| {
                let index = self.shared.read_checked(keys::parse_item(key, prefix.as_ref().len()));
                items.insert(index, self.shared.read_checked(codec::decode(value)));
            });
        }
        if let Some(held) = self.overlay.record(record).and_then(|pending| pending.fields.get(field)) {
            items.extend(held.items.iter().map(|(index, value)| (*index, value.clone())));
        }
        items.into_values().collect()
    }

    fn contains(&self, record: &RecordId, field: &FieldName, member: &Member) -> bool {
        match self.overlay.member(record, field, member) {
            Pending::Put(()) => return true,
            Pending::Gone => return false,
            Pending::Untouched => {}
        }
        let mut key = self.key.borrow_mut();
        let content = self.shared.family(families::CONTENT);
        let held = self.shared.db().get_pinned_cf(content, key.member(record, field, member));
        self.shared.read_checked(held).is_some()
    }

    fn members(&self, record: &RecordId, field: &FieldName) -> Vec<Member> {
        let mut members = Vec::new();
        if !self.is_wiped(record, field) {
            let mut key = self.key.borrow_mut();
            let prefix = key.members(record, field);
            self.each(prefix, |key, _| {
                members.push(self.shared.read_checked(keys::parse_member(key, prefix.as_ref().len())));
            });
        }
        let pending = self.overlay.record(record).and_then(|pending| pending.fields.get(field));
        if let Some(changed) = pending.map(|held| &held.members).filter(|changed| !changed.is_empty()) {
            members.retain(|member| !changed.contains_key(member));
            members.extend(changed.iter().filter(|(_, there)| **there).map(|(member, _)| member.clone()));
            members.sort();
        }
        members
    }

    fn grant(&self, client: &ClientName) -> Option<GrantRecord> {
        if let Some(grant) = self.overlay.grant(client) {
            return Some(grant.clone());
        }
        self.shared.lookup(families::SESSIONS, self.key.borrow_mut().grant(client))
    }

    fn records_after(
        &self,
        table: Option<&str>,
        after: Option<&RecordId>,
        limit: usize,
    ) -> Vec<(RecordId, Version)> {
        if limit == 0 || table.is_some_and(|table| table.is_empty() || table.contains('/')) {
            return Vec::new();
        }
        let (mut prefix, mut from) = (Key::default(), Key::default());
        prefix.records_of(table);
        if let Some(after) = after {
            from.record(after);
        }
        let start = prefix.as_ref().max(from.as_ref());
        let mut found = Vec::new();
        let rows = self.rows.borrow();
        let changed: BTreeMap<_, _> = rows.changed().map(|(record, row)| (record, row.version)).collect();
        // Past the end of the table there is nothing, and an iterator may not start behind its bound.
        if start < &prefix.end()[..] {
            let mut rows = self.shared.scan_from(families::RECORDS, start, &prefix);
            while let Some((key, value)) = rows.item().filter(|_| found.len() < limit) {
                let record = self.shared.read_checked(keys::parse_record(key));
                if Some(&record) != after && !changed.contains_key(&record) {
                    let row: Row = self.shared.read_checked(codec::decode(value));
                    found.extend(row.version.map(|version| (record, version)));
                }
                rows.next();
            }
            self.shared.read_checked(rows.status());
        }
        let pending = changed.into_iter().filter_map(|(record, version)| Some((record, version?)));
        found.extend(
            pending
                .filter(|(record, _)| after.is_none_or(|after| *record > after))
                .filter(|(record, _)| table.is_none_or(|table| record.table() == table))
                .map(|(record, version)| (record.clone(), version)),
        );
        found.sort();
        found.truncate(limit);
        found
    }

    fn outgoing(&self, mailbox: &Mailbox, sequence: StreamSequence) -> Option<Envelope> {
        self.mail.outgoing(mailbox, sequence, (&self.shared, &self.key))
    }

    fn mail(&self, mailbox: &Mailbox, position: Position) -> Option<Stored> {
        self.mail.message(mailbox, position, (&self.shared, &self.key))
    }

    fn dead(&self, mailbox: &Mailbox, position: Position) -> Option<Stored> {
        self.mail.dead(mailbox, position, (&self.shared, &self.key))
    }

    fn dead_after(&self, mailbox: &Mailbox, after: Option<Position>, limit: usize) -> Vec<Position> {
        self.mail.dead_after(mailbox, after, limit)
    }

    fn write(&mut self, write: Write) {
        self.put(write);
    }
}

/// The row of a record in the database.
pub(crate) fn read_row(shared: &Shared, key: &RefCell<Key>, record: &RecordId) -> Option<Row> {
    shared.lookup(families::RECORDS, key.borrow_mut().record(record))
}

impl RocksStore {
    /// Calls `row` with every key and value of the content under a prefix.
    fn each(&self, prefix: &Key, mut row: impl FnMut(&[u8], &[u8])) {
        let mut rows = self.shared.scan(families::CONTENT, prefix);
        while let Some((key, value)) = rows.item() {
            row(key, value);
            rows.next();
        }
        self.shared.read_checked(rows.status());
    }

    /// Whether the items and members of the field in the database are gone.
    fn is_wiped(&self, record: &RecordId, field: &FieldName) -> bool {
        let pending = self.overlay.record(record);
        pending
            .is_some_and(|pending| pending.wiped || pending.fields.get(field).is_some_and(|held| held.wiped))
    }
}
