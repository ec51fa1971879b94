//! How a machine reads: the overlay over the cache over the database.

use crate::{
    keys::{self, Key, families},
    overlay::Pending,
    store::RocksStore,
};
use assent_protocol::{
    codec,
    ids::{ClientName, FieldName, Member, RecordId, Version},
    operation::Value,
    storage::{Field, GrantRecord, Store, Write},
};
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet};

impl Store for RocksStore {
    fn record(&self, record: &RecordId) -> Option<Version> {
        match self.overlay.version(record) {
            Pending::Put(version) => return Some(version),
            Pending::Gone => return None,
            Pending::Untouched => {}
        }
        let mut cache = self.cache.borrow_mut();
        if let Some(known) = cache.version(record) {
            return known;
        }
        let version = self.lookup(families::RECORDS, self.key.borrow_mut().record(record));
        cache.put_version(record, version);
        version
    }

    fn field(&self, record: &RecordId, field: &FieldName) -> Option<Field> {
        match self.overlay.field(record, field) {
            Pending::Put(held) => return Some(held.clone()),
            Pending::Gone => return None,
            Pending::Untouched => {}
        }
        let mut cache = self.cache.borrow_mut();
        if let Some(known) = cache.field(record, field) {
            return known.clone();
        }
        let held: Option<Field> = self.lookup(families::CONTENT, self.key.borrow_mut().field(record, field));
        cache.put_field(record, field, held.clone());
        held
    }

    fn fields(&self, record: &RecordId) -> Vec<FieldName> {
        let pending = self.overlay.record(record);
        let mut names = BTreeSet::new();
        if !pending.is_some_and(|pending| pending.wiped) {
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
        self.lookup(families::SESSIONS, self.key.borrow_mut().grant(client))
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
        let changed: BTreeMap<_, _> = self.overlay.changed_records().collect();
        // Past the end of the table there is nothing, and an iterator may not start behind its bound.
        if start < &prefix.end()[..] {
            let mut rows = self.shared.scan_from(families::RECORDS, start, &prefix);
            while let Some((key, value)) = rows.item().filter(|_| found.len() < limit) {
                let record = self.shared.read_checked(keys::parse_record(key));
                if Some(&record) != after && !changed.contains_key(&record) {
                    found.push((record, self.shared.read_checked(codec::decode(value))));
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

    fn write(&mut self, write: Write) {
        self.put(write);
    }
}

impl RocksStore {
    fn lookup<T: DeserializeOwned>(&self, family: &str, key: &Key) -> Option<T> {
        let bytes = self.shared.read_checked(self.shared.db().get_pinned_cf(self.shared.family(family), key));
        bytes.map(|bytes| self.shared.read_checked(codec::decode(&bytes)))
    }

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
