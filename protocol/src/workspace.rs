//! What operations do to records: runs them in order on a draft, and turns the draft into writes.
//!
//! The same code serves twice. To vote, the operations are run *checked* and the draft is thrown away: only the
//! results of the reads are kept. To commit, the operations are the redo record and are run again on what the
//! records hold then: bounds and members were promised by the locks, and are not looked up a second time.

use crate::{
    few::Few,
    ids::{FieldName, Member, RecordId, Version},
    operation::{Check, FieldContent, Operation, ReadResult, RecordContent, Results, Selection, Step, Value},
    outcome::{Refusal, RefusalKind},
    storage::{Field, Store, Write},
};
use alloc::{collections::BTreeMap, vec::Vec};

/// All reads of one branch together hold at most about this many bytes of content.
pub const READ_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Runs the operations as a voter does. Returns what the reads saw, or the first operation that is refused.
pub fn evaluate<S: Store>(steps: &[Step], store: &S) -> Result<Results, Refusal> {
    let mut draft = Workspace::new(store);
    let mut results = Results::new();
    for step in steps {
        match draft.run(&step.operation) {
            Ok(None) => {}
            Ok(Some(result)) => results.push((step.index, result)),
            Err(refused) => return Err(refused.at(step)),
        }
    }
    Ok(results)
}

/// Runs the changing operations of a committed transaction, and returns what to write.
pub fn redo<S: Store>(steps: &[Step], store: &S) -> Vec<Write> {
    let mut draft = Workspace::new(store);
    draft.checked = false;
    for step in steps.iter().filter(|step| step.operation.is_write()) {
        // The locks of a Yes keep true what its operations needed; anything else is a bug of ours.
        let done = draft.run(&step.operation);
        assert!(done.is_ok(), "a committed operation does not apply: {:?} {:?}", step.operation, done);
    }
    draft.into_writes()
}

/// What was refused, before it is known in which operation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refused {
    kind: RefusalKind,
    field: Option<FieldName>,
    member: Option<Member>,
}

impl Refused {
    fn at(self, step: &Step) -> Refusal {
        Refusal {
            operation: step.index,
            kind: self.kind,
            record: step.operation.record().clone(),
            field: self.field,
            member: self.member,
        }
    }
}

fn refused(kind: RefusalKind, field: Option<&FieldName>, member: Option<&Member>) -> Refused {
    Refused { kind, field: field.cloned(), member: member.cloned() }
}

struct Workspace<'s, S> {
    store: &'s S,
    /// Whether bounds and members are checked.
    checked: bool,
    read_bytes: usize,
    records: Few<RecordId, RecordDraft>,
}

struct RecordDraft {
    /// Version in the store.
    base: Option<Version>,
    exists: bool,
    /// What the store holds in it is gone.
    wiped: bool,
    changed: bool,
    fields: Few<FieldName, FieldDraft>,
}

#[derive(Default)]
struct FieldDraft {
    base_items: u64,
    /// What the store holds in it does not count.
    hidden: bool,
    now: Option<Field>,
    changed: bool,
    items: Vec<Value>,
    members: Few<Member, bool>,
}

impl<'s, S: Store> Workspace<'s, S> {
    fn new(store: &'s S) -> Self {
        Workspace { store, checked: true, read_bytes: 0, records: Few::default() }
    }

    fn record(&mut self, id: &RecordId) -> &mut RecordDraft {
        self.records.get_or_insert_with(id, || {
            let base = self.store.record(id);
            let exists = base.is_some();
            RecordDraft { base, exists, wiped: false, changed: false, fields: Few::default() }
        })
    }

    fn field(&mut self, id: &RecordId, name: &FieldName) -> &mut FieldDraft {
        let store = self.store;
        self.record(id).field(id, name, store)
    }

    fn change(&mut self, id: &RecordId, name: &FieldName, now: Field) -> &mut FieldDraft {
        let store = self.store;
        let record = self.record(id);
        record.exists = true;
        record.changed = true;
        let field = record.field(id, name, store);
        field.now = Some(now);
        field.changed = true;
        field
    }

    fn has_member(&mut self, id: &RecordId, name: &FieldName, member: &Member) -> Result<bool, Refused> {
        let store = self.store;
        match self.field(id, name) {
            FieldDraft { now: None, .. } => Ok(false),
            FieldDraft { now: Some(Field::Set(_)), hidden, members, .. } => match members.get(member) {
                Some(there) => Ok(*there),
                None => Ok(!*hidden && store.contains(id, name, member)),
            },
            FieldDraft { now: Some(Field::Value(_) | Field::List(_)), .. } => {
                Err(refused(RefusalKind::WrongType, Some(name), None))
            }
        }
    }

    fn members(&mut self, id: &RecordId, name: &FieldName) -> Result<u64, Refused> {
        match self.field(id, name).now {
            None => Ok(0),
            Some(Field::Set(count)) => Ok(count),
            Some(Field::Value(_) | Field::List(_)) => Err(refused(RefusalKind::WrongType, Some(name), None)),
        }
    }

    fn integer(&mut self, id: &RecordId, name: &FieldName) -> Result<i64, Refused> {
        match self.field(id, name).now {
            None => Ok(0),
            Some(Field::Value(Value::Int(value))) => Ok(value),
            Some(Field::Value(_) | Field::List(_) | Field::Set(_)) => {
                Err(refused(RefusalKind::WrongType, Some(name), None))
            }
        }
    }

    fn run(&mut self, operation: &Operation) -> Result<Option<ReadResult>, Refused> {
        match operation {
            Operation::Require { record, check } => self.require(record, check).map(|()| None),
            Operation::Set { record, field, value } => {
                if matches!(self.field(record, field).now, Some(Field::List(_) | Field::Set(_))) {
                    return Err(refused(RefusalKind::WrongType, Some(field), None));
                }
                self.change(record, field, Field::Value(value.clone()));
                Ok(None)
            }
            Operation::Delete { record } => {
                let draft = self.record(record);
                if !draft.exists {
                    return Err(refused(RefusalKind::Exists, None, None));
                }
                draft.exists = false;
                draft.wiped = true;
                draft.changed = true;
                draft.fields = Few::default();
                Ok(None)
            }
            Operation::Append { record, field, value } => {
                let items = match self.field(record, field).now {
                    None => 0,
                    Some(Field::List(items)) => items,
                    Some(Field::Value(_) | Field::Set(_)) => {
                        return Err(refused(RefusalKind::WrongType, Some(field), None));
                    }
                };
                self.change(record, field, Field::List(items + 1)).items.push(value.clone());
                Ok(None)
            }
            Operation::Add { record, field, delta, min, max } => {
                let before = self.integer(record, field)?;
                let bound = || refused(RefusalKind::Bound, Some(field), None);
                let sum = before.checked_add(*delta).ok_or_else(bound)?;
                if self.checked && (max.is_some_and(|max| sum > max) || min.is_some_and(|min| sum < min)) {
                    return Err(bound());
                }
                self.change(record, field, Field::Value(Value::Int(sum)));
                Ok(None)
            }
            Operation::Insert { record, field, member, max } => {
                if self.checked && self.has_member(record, field, member)? {
                    return Err(refused(RefusalKind::MemberExists, Some(field), Some(member)));
                }
                let count = self.members(record, field)? + 1;
                if self.checked && max.is_some_and(|max| count > max) {
                    return Err(refused(RefusalKind::Bound, Some(field), Some(member)));
                }
                self.change(record, field, Field::Set(count)).members.insert(member, true);
                Ok(None)
            }
            Operation::Remove { record, field, member, min } => {
                if self.checked && !self.has_member(record, field, member)? {
                    return Err(refused(RefusalKind::MemberAbsent, Some(field), Some(member)));
                }
                let count = self.members(record, field)?.saturating_sub(1);
                if self.checked && min.is_some_and(|min| count < min) {
                    return Err(refused(RefusalKind::Bound, Some(field), Some(member)));
                }
                self.change(record, field, Field::Set(count)).members.insert(member, false);
                Ok(None)
            }
            Operation::Read { record, what } => self.read(record, what).map(Some),
            // They change no record: see the participant's `mail`.
            Operation::Send { .. } | Operation::Acknowledge { .. } => Ok(None),
        }
    }

    fn require(&mut self, record: &RecordId, check: &Check) -> Result<(), Refused> {
        let (holds, kind, field, member) = match check {
            Check::Exists => (self.record(record).exists, RefusalKind::Exists, None, None),
            Check::Absent => (!self.record(record).exists, RefusalKind::Absent, None, None),
            Check::Equals(field, value) => {
                let holds =
                    matches!(&self.field(record, field).now, Some(Field::Value(held)) if held == value);
                (holds, RefusalKind::Equals, Some(field), None)
            }
            Check::AtLeast(field, least) => {
                (self.integer(record, field)? >= *least, RefusalKind::AtLeast, Some(field), None)
            }
            Check::Contains(field, member) => {
                let holds = self.has_member(record, field, member)?;
                (holds, RefusalKind::Contains, Some(field), Some(member))
            }
            Check::Version(version) => (self.version(record) == *version, RefusalKind::Version, None, None),
        };
        if holds { Ok(()) } else { Err(refused(kind, field, member)) }
    }

    /// The version with the changes so far, which count as one.
    fn version(&mut self, id: &RecordId) -> Version {
        let record = self.record(id);
        match (record.exists, record.base) {
            (false, _) => Version(0),
            (true, base) => Version(base.unwrap_or_default().0 + u64::from(record.changed)),
        }
    }

    fn read(&mut self, record: &RecordId, what: &Selection) -> Result<ReadResult, Refused> {
        match what {
            Selection::Record => {
                if !self.record(record).exists {
                    return Ok(ReadResult::Record(None));
                }
                let hidden = self.record(record).wiped || self.record(record).base.is_none();
                let mut names = if hidden { Vec::new() } else { self.store.fields(record) };
                names.extend(self.record(record).fields.iter().map(|(name, _)| name.clone()));
                names.sort();
                names.dedup();
                let mut fields = BTreeMap::new();
                for name in names {
                    if let Some(content) = self.content(record, &name)? {
                        fields.insert(name, content);
                    }
                }
                let version = self.version(record);
                Ok(ReadResult::Record(Some(RecordContent { version, fields })))
            }
            Selection::Field(field) => Ok(ReadResult::Field(self.content(record, field)?)),
            Selection::Count(field) => match self.field(record, field).now {
                None => Ok(ReadResult::Count(0)),
                Some(Field::List(count) | Field::Set(count)) => Ok(ReadResult::Count(count)),
                Some(Field::Value(_)) => Err(refused(RefusalKind::WrongType, Some(field), None)),
            },
            Selection::Member(field, member) => {
                Ok(ReadResult::Member(self.has_member(record, field, member)?))
            }
        }
    }

    fn content(&mut self, id: &RecordId, name: &FieldName) -> Result<Option<FieldContent>, Refused> {
        let too_large = || refused(RefusalKind::TooLarge, Some(name), None);
        let hidden = self.record(id).wiped || self.record(id).base.is_none();
        let store = self.store;
        let draft = self.field(id, name);
        // Each item or member takes a byte at least: what can't fit is not even fetched.
        let entries = match &draft.now {
            Some(Field::List(count) | Field::Set(count)) => *count,
            Some(Field::Value(_)) | None => 0,
        };
        if entries > READ_BYTES_MAX as u64 {
            return Err(too_large());
        }
        let (content, bytes) = match &draft.now {
            None => return Ok(None),
            Some(Field::Value(value)) => (FieldContent::Value(value.clone()), value.len()),
            Some(Field::List(_)) => {
                let mut items = if hidden { Vec::new() } else { store.items(id, name) };
                items.extend(draft.items.iter().cloned());
                let bytes = items.iter().map(|item| item.len() + 1).sum();
                (FieldContent::List(items), bytes)
            }
            Some(Field::Set(_)) => {
                let mut members = if hidden { Vec::new() } else { store.members(id, name) };
                if !draft.members.is_empty() {
                    members.retain(|member| draft.members.get(member).is_none());
                    let there = draft.members.iter().filter(|(_, there)| **there);
                    members.extend(there.map(|(member, _)| member.clone()));
                    members.sort();
                }
                let bytes = members.iter().map(|member| member.as_str().len() + 1).sum();
                (FieldContent::Set(members), bytes)
            }
        };
        self.read_bytes += bytes;
        if self.read_bytes > READ_BYTES_MAX { Err(too_large()) } else { Ok(Some(content)) }
    }

    fn into_writes(self) -> Vec<Write> {
        let mut writes = Vec::new();
        for (id, record) in self.records.into_sorted().filter(|(_, record)| record.changed) {
            if record.wiped && record.base.is_some() {
                writes.push(Write::DeleteRecord(id.clone()));
            }
            if !record.exists {
                continue;
            }
            let version = Version(record.base.unwrap_or_default().0 + 1);
            writes.push(Write::PutRecord(id.clone(), version));
            for (name, field) in record.fields.into_sorted().filter(|(_, field)| field.changed) {
                let first = if record.wiped { 0 } else { field.base_items };
                for (index, item) in (first..).zip(field.items) {
                    writes.push(Write::PutItem(id.clone(), name.clone(), index, item));
                }
                for (member, there) in field.members.into_sorted() {
                    writes.push(if there {
                        Write::PutMember(id.clone(), name.clone(), member)
                    } else {
                        Write::DeleteMember(id.clone(), name.clone(), member)
                    });
                }
                if let Some(now) = field.now {
                    writes.push(Write::PutField(id.clone(), name, now));
                }
            }
        }
        writes
    }
}

impl RecordDraft {
    fn field<S: Store>(&mut self, id: &RecordId, name: &FieldName, store: &S) -> &mut FieldDraft {
        let hidden = self.wiped || self.base.is_none();
        self.fields.get_or_insert_with(name, || {
            let now = if hidden { None } else { store.field(id, name) };
            let base_items = if let Some(Field::List(items)) = now { items } else { 0 };
            FieldDraft { base_items, hidden, now, ..FieldDraft::default() }
        })
    }
}
