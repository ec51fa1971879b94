//! What operations do to records: `workspace::evaluate` refuses or reads, `workspace::redo` writes.
//!
//! Every operation, every kind of refusal, and that an operation sees the earlier ones of its own transaction. Who may
//! run beside whom is in `locks/`.

use assent_protocol::{
    ids::{FieldName, Member, RecordId, Version},
    memory::MemoryStore,
    operation::{
        Check, FieldContent, Operation, ReadResult, RecordContent, Selection, Step, VALUE_BYTES_MAX, Value,
    },
    outcome::{Refusal, RefusalKind},
    storage::{Field, Store},
    workspace::{READ_BYTES_MAX, evaluate, redo},
};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const COURSE: &str = "course/c1";

fn record(text: &str) -> RecordId {
    RecordId::new(text).expect("a record")
}

fn field(text: &str) -> FieldName {
    FieldName::new(text).expect("a field")
}

fn member(text: &str) -> Member {
    Member::new(text).expect("a member")
}

fn require(check: Check) -> Operation {
    Operation::Require { record: record(COURSE), check }
}

fn set(name: &str, value: i64) -> Operation {
    Operation::Set { record: record(COURSE), field: field(name), value: Value::Int(value) }
}

fn delete() -> Operation {
    Operation::Delete { record: record(COURSE) }
}

fn append(name: &str, value: i64) -> Operation {
    Operation::Append { record: record(COURSE), field: field(name), value: Value::Int(value) }
}

fn add(name: &str, delta: i64, min: Option<i64>, max: Option<i64>) -> Operation {
    Operation::Add { record: record(COURSE), field: field(name), delta, min, max }
}

fn insert(name: &str, who: &str, max: Option<u64>) -> Operation {
    Operation::Insert { record: record(COURSE), field: field(name), member: member(who), max }
}

fn remove(name: &str, who: &str, min: Option<u64>) -> Operation {
    Operation::Remove { record: record(COURSE), field: field(name), member: member(who), min }
}

fn read(what: Selection) -> Operation {
    Operation::Read { record: record(COURSE), what }
}

fn steps(operations: Vec<Operation>) -> Vec<Step> {
    (0..).zip(operations).map(|(index, operation)| Step { index, operation }).collect()
}

/// Votes and, on a Yes, commits at once. Returns what the reads saw.
fn run(store: &mut MemoryStore, operations: Vec<Operation>) -> Result<Vec<ReadResult>, Refusal> {
    let steps = steps(operations);
    let results = evaluate(&steps, store)?;
    for write in redo(&steps, store) {
        store.write(write);
    }
    store.sync();
    Ok(results.into_iter().map(|(_, result)| result).collect())
}

fn committed(operations: Vec<Operation>) -> MemoryStore {
    let mut store = MemoryStore::new();
    run(&mut store, operations).expect("nothing is refused");
    store
}

/// The kind of the refusal, and which operation is blamed. A refused transaction leaves no trace.
fn refused(store: &mut MemoryStore, operations: Vec<Operation>) -> (RefusalKind, u16) {
    let before = store.clone();
    let refusal = run(store, operations).expect_err("it is refused");
    assert!(*store == before, "what was refused has changed nothing");
    assert_eq!(refusal.record, record(COURSE));
    (refusal.kind, refusal.operation)
}

fn all(store: &MemoryStore) -> Option<RecordContent> {
    let results = evaluate(&steps(vec![read(Selection::Record)]), store).expect("reads are not refused");
    match &results[..] {
        [(0, ReadResult::Record(content))] => content.clone(),
        other => panic!("one record was read: {other:?}"),
    }
}

fn int(value: i64) -> ReadResult {
    ReadResult::Field(Some(FieldContent::Value(Value::Int(value))))
}

fn list(values: &[i64]) -> FieldContent {
    FieldContent::List(values.iter().map(|value| Value::Int(*value)).collect())
}

fn members(names: &[&str]) -> FieldContent {
    FieldContent::Set(names.iter().map(|name| member(name)).collect())
}

#[test]
fn set_creates_the_record_and_replaces_the_value() {
    let mut store = committed(vec![set("room", 1)]);
    assert_eq!(store.record(&record(COURSE)), Some(Version(1)));
    run(&mut store, vec![set("room", 2)]).expect("set is never refused on a value");
    assert_eq!(store.field(&record(COURSE), &field("room")), Some(Field::Value(Value::Int(2))));
    assert_eq!(store.record(&record(COURSE)), Some(Version(2)));
}

#[test]
fn a_transaction_of_many_changes_raises_the_version_by_one() {
    let store = committed(vec![set("a", 1), set("b", 2), insert("roster", "s1", None), append("log", 3)]);
    assert_eq!(store.record(&record(COURSE)), Some(Version(1)));
}

#[test]
fn text_and_bytes_come_back_as_they_were() {
    let (text, bytes) = (Value::Text("é\n".into()), Value::Bytes(vec![0, 255]));
    let mut store = MemoryStore::new();
    for value in [text, bytes] {
        let put = Operation::Set { record: record(COURSE), field: field("note"), value: value.clone() };
        let seen = run(&mut store, vec![put, read(Selection::Field(field("note")))]).expect("a plain value");
        assert_eq!(seen, [ReadResult::Field(Some(FieldContent::Value(value)))]);
    }
}

#[test]
fn items_stay_in_the_order_in_which_they_were_appended() {
    let mut store = committed(vec![append("log", 3), append("log", 1)]);
    run(&mut store, vec![append("log", 2)]).expect("a list takes more");
    assert_eq!(store.items(&record(COURSE), &field("log")), [3, 1, 2].map(Value::Int));
    assert_eq!(store.field(&record(COURSE), &field("log")), Some(Field::List(3)));
}

#[test]
fn a_counter_starts_at_zero_and_adds_up() {
    let mut store = committed(vec![add("credits", 6, Some(0), Some(60))]);
    run(&mut store, vec![add("credits", -2, Some(0), None), add("credits", 1, None, None)])
        .expect("within bounds");
    assert_eq!(store.field(&record(COURSE), &field("credits")), Some(Field::Value(Value::Int(5))));
}

#[test]
fn a_set_holds_each_member_once_and_knows_its_size() {
    let mut store = committed(vec![insert("roster", "s2", Some(2)), insert("roster", "s1", Some(2))]);
    assert_eq!(store.field(&record(COURSE), &field("roster")), Some(Field::Set(2)));
    run(&mut store, vec![remove("roster", "s2", Some(1))]).expect("one remains");
    assert_eq!(store.members(&record(COURSE), &field("roster")), [member("s1")]);
    assert_eq!(store.field(&record(COURSE), &field("roster")), Some(Field::Set(1)));
}

#[test]
fn an_emptied_set_leaves_a_record_that_exists() {
    let mut store = committed(vec![insert("roster", "s1", None)]);
    run(&mut store, vec![remove("roster", "s1", None)]).expect("it is there");
    let content = all(&store).expect("the record exists");
    assert_eq!(content.fields, BTreeMap::from([(field("roster"), members(&[]))]));
}

#[test]
fn delete_takes_the_record_with_everything_in_it() {
    let mut store = committed(vec![set("room", 1), append("log", 1), insert("roster", "s1", None)]);
    run(&mut store, vec![delete()]).expect("it is there");
    assert_eq!(all(&store), None);
    assert!(store.items(&record(COURSE), &field("log")).is_empty());
    assert!(!store.contains(&record(COURSE), &field("roster"), &member("s1")));
}

#[test]
fn what_is_created_after_a_delete_shows_nothing_of_the_old_record() {
    let mut store = committed(vec![set("room", 1), append("log", 1), insert("roster", "s1", None)]);
    run(&mut store, vec![delete()]).expect("it is there");
    run(&mut store, vec![append("log", 7), insert("roster", "s2", Some(1))]).expect("it is created anew");
    let content = all(&store).expect("it exists");
    assert_eq!(
        content.fields,
        BTreeMap::from([(field("log"), list(&[7])), (field("roster"), members(&["s2"]))])
    );
}

#[test]
fn one_transaction_may_delete_and_create_anew() {
    let mut store =
        committed(vec![set("room", 1), append("log", 1), append("log", 2), insert("roster", "s1", None)]);
    let operations = vec![
        delete(),
        require(Check::Absent),
        read(Selection::Record),
        append("log", 7),
        insert("roster", "s1", Some(1)),
        read(Selection::Record),
    ];
    let seen = run(&mut store, operations).expect("the old members are gone");
    let fields = BTreeMap::from([(field("log"), list(&[7])), (field("roster"), members(&["s1"]))]);
    let content = RecordContent { version: Version(2), fields };
    assert_eq!(seen, [ReadResult::Record(None), ReadResult::Record(Some(content.clone()))]);
    assert_eq!(all(&store), Some(content), "a read in the transaction sees what a later one sees");
}

#[test]
fn created_and_deleted_in_one_transaction_is_nothing() {
    let store = committed(vec![set("room", 1), delete()]);
    assert_eq!(all(&store), None);
    assert_eq!(store.fields(&record(COURSE)), []);
}

#[test]
fn reads_see_the_earlier_operations_of_their_transaction() {
    let mut store = committed(vec![insert("roster", "s1", None), append("log", 1), set("room", 1)]);
    let operations = vec![
        read(Selection::Count(field("roster"))),
        insert("roster", "s2", None),
        remove("roster", "s1", None),
        read(Selection::Count(field("roster"))),
        read(Selection::Member(field("roster"), member("s1"))),
        read(Selection::Member(field("roster"), member("s2"))),
        read(Selection::Field(field("roster"))),
        append("log", 2),
        read(Selection::Field(field("log"))),
        read(Selection::Count(field("log"))),
        set("room", 2),
        read(Selection::Field(field("room"))),
        add("room", 5, None, None),
        read(Selection::Field(field("room"))),
        read(Selection::Field(field("nothing"))),
        read(Selection::Count(field("nothing"))),
        read(Selection::Member(field("nothing"), member("s1"))),
    ];
    let expected = [
        ReadResult::Count(1),
        ReadResult::Count(1),
        ReadResult::Member(false),
        ReadResult::Member(true),
        ReadResult::Field(Some(members(&["s2"]))),
        ReadResult::Field(Some(list(&[1, 2]))),
        ReadResult::Count(2),
        int(2),
        int(7),
        ReadResult::Field(None),
        ReadResult::Count(0),
        ReadResult::Member(false),
    ];
    assert_eq!(run(&mut store, operations), Ok(expected.to_vec()));
}

#[test]
fn requirements_see_the_earlier_operations_of_their_transaction() {
    let operations = vec![
        require(Check::Absent),
        require(Check::Version(Version(0))),
        set("room", 4),
        require(Check::Exists),
        require(Check::Equals(field("room"), Value::Int(4))),
        require(Check::AtLeast(field("room"), 4)),
        insert("roster", "s1", None),
        require(Check::Contains(field("roster"), member("s1"))),
        require(Check::Version(Version(1))),
        delete(),
        require(Check::Absent),
        require(Check::Version(Version(0))),
    ];
    committed(operations);
}

#[test]
fn an_absent_counter_counts_as_zero() {
    let mut store = committed(vec![set("room", 1), require(Check::AtLeast(field("credits"), 0))]);
    assert_eq!(
        refused(&mut store, vec![require(Check::AtLeast(field("credits"), 1))]).0,
        RefusalKind::AtLeast
    );
}

#[test]
fn each_requirement_that_fails_has_its_own_kind() {
    let mut empty = MemoryStore::new();
    let mut store = committed(vec![set("room", 1), insert("roster", "s1", None)]);
    assert_eq!(refused(&mut empty, vec![require(Check::Exists)]), (RefusalKind::Exists, 0));
    assert_eq!(refused(&mut store, vec![require(Check::Absent)]), (RefusalKind::Absent, 0));
    let equals = require(Check::Equals(field("room"), Value::Int(2)));
    assert_eq!(refused(&mut store, vec![equals]), (RefusalKind::Equals, 0));
    let absent_equals = require(Check::Equals(field("nothing"), Value::Int(0)));
    assert_eq!(refused(&mut store, vec![absent_equals]), (RefusalKind::Equals, 0));
    assert_eq!(
        refused(&mut store, vec![require(Check::AtLeast(field("room"), 2))]),
        (RefusalKind::AtLeast, 0)
    );
    let contains = require(Check::Contains(field("roster"), member("s2")));
    assert_eq!(refused(&mut store, vec![contains]), (RefusalKind::Contains, 0));
    assert_eq!(refused(&mut store, vec![require(Check::Version(Version(2)))]), (RefusalKind::Version, 0));
    assert_eq!(refused(&mut empty, vec![delete()]), (RefusalKind::Exists, 0));
}

#[test]
fn bounds_refuse_at_the_operation_that_breaks_them() {
    let mut store = committed(vec![insert("roster", "s1", None), add("credits", 5, None, None)]);
    let over = vec![insert("roster", "s2", Some(2)), insert("roster", "s3", Some(2))];
    assert_eq!(refused(&mut store, over), (RefusalKind::Bound, 1));
    assert_eq!(refused(&mut store, vec![remove("roster", "s1", Some(1))]), (RefusalKind::Bound, 0));
    assert_eq!(refused(&mut store, vec![add("credits", 1, None, Some(5))]), (RefusalKind::Bound, 0));
    assert_eq!(refused(&mut store, vec![add("credits", -6, Some(0), None)]), (RefusalKind::Bound, 0));
}

#[test]
fn a_bound_holds_after_each_operation_and_not_only_at_the_end() {
    let mut store = committed(vec![insert("roster", "s1", None)]);
    let swap = vec![insert("roster", "s2", Some(1)), remove("roster", "s1", None)];
    assert_eq!(refused(&mut store, swap), (RefusalKind::Bound, 0));
    let other_way = vec![remove("roster", "s1", None), insert("roster", "s2", Some(1))];
    assert_eq!(run(&mut store, other_way), Ok(Vec::new()));
}

#[test]
fn a_counter_never_overflows() {
    let mut store = committed(vec![add("credits", i64::MAX, None, None)]);
    assert_eq!(refused(&mut store, vec![add("credits", 1, None, None)]), (RefusalKind::Bound, 0));
    run(&mut store, vec![add("credits", i64::MIN, None, None)]).expect("the sum is -1");
    assert_eq!(refused(&mut store, vec![add("credits", i64::MIN, None, None)]), (RefusalKind::Bound, 0));
}

#[test]
fn members_are_refused_by_name() {
    let mut store = committed(vec![insert("roster", "s1", None)]);
    assert_eq!(refused(&mut store, vec![insert("roster", "s1", None)]), (RefusalKind::MemberExists, 0));
    assert_eq!(refused(&mut store, vec![remove("roster", "s2", None)]), (RefusalKind::MemberAbsent, 0));
    assert_eq!(refused(&mut store, vec![remove("nothing", "s2", None)]), (RefusalKind::MemberAbsent, 0));
    let twice = vec![insert("roster", "s2", None), insert("roster", "s2", None)];
    assert_eq!(refused(&mut store, twice), (RefusalKind::MemberExists, 1));
    let refusal = run(&mut store, vec![insert("roster", "s1", None)]).expect_err("it is there");
    assert_eq!((refusal.field, refusal.member), (Some(field("roster")), Some(member("s1"))));
}

#[test]
fn an_operation_on_a_field_of_another_type_is_refused() {
    let mut store = committed(vec![
        set("number", 1),
        Operation::Set { record: record(COURSE), field: field("text"), value: Value::Text("a".into()) },
        append("list", 1),
        insert("set", "s1", None),
    ]);
    let wrong = vec![
        set("list", 1),
        set("set", 1),
        append("number", 1),
        append("set", 1),
        add("text", 1, None, None),
        add("list", 1, None, None),
        add("set", 1, None, None),
        insert("number", "s2", None),
        insert("list", "s2", None),
        remove("number", "s1", None),
        remove("list", "s1", None),
        require(Check::AtLeast(field("text"), 0)),
        require(Check::AtLeast(field("set"), 0)),
        require(Check::Contains(field("number"), member("s1"))),
        require(Check::Contains(field("list"), member("s1"))),
        read(Selection::Count(field("number"))),
        read(Selection::Member(field("list"), member("s1"))),
    ];
    for operation in wrong {
        assert_eq!(
            refused(&mut store, vec![operation.clone()]),
            (RefusalKind::WrongType, 0),
            "{operation:?}"
        );
    }
}

#[test]
fn a_type_can_change_only_through_a_delete() {
    let mut store = committed(vec![append("roster", 1)]);
    assert_eq!(refused(&mut store, vec![insert("roster", "s1", None)]), (RefusalKind::WrongType, 0));
    run(&mut store, vec![delete(), insert("roster", "s1", None)]).expect("the list is gone");
    assert_eq!(
        all(&store).map(|content| content.fields),
        Some(BTreeMap::from([(field("roster"), members(&["s1"]))]))
    );
}

#[test]
fn what_does_not_fit_into_an_answer_is_refused() {
    let large = Value::Bytes(vec![7; VALUE_BYTES_MAX]);
    let put = Operation::Append { record: record(COURSE), field: field("log"), value: large };
    let fits = READ_BYTES_MAX / (VALUE_BYTES_MAX + 1);
    let mut store = committed(vec![put.clone(); fits]);
    assert!(run(&mut store, vec![read(Selection::Field(field("log")))]).is_ok());
    let twice = vec![read(Selection::Field(field("log"))), read(Selection::Record)];
    assert_eq!(refused(&mut store, twice), (RefusalKind::TooLarge, 1), "all reads together are bounded");
    run(&mut store, vec![put]).expect("writing it is no problem");
    assert_eq!(refused(&mut store, vec![read(Selection::Field(field("log")))]), (RefusalKind::TooLarge, 0));
    assert_eq!(refused(&mut store, vec![read(Selection::Record)]), (RefusalKind::TooLarge, 0));
    assert!(run(&mut store, vec![read(Selection::Count(field("log")))]).is_ok());
}

#[test]
fn the_refusal_names_the_operation_by_its_index_in_the_whole_transaction() {
    let operation = require(Check::Exists);
    let refusal = evaluate(&[Step { index: 17, operation }], &MemoryStore::new()).expect_err("it is absent");
    assert_eq!(refusal.operation, 17);
}

#[test]
fn a_redo_after_others_have_added_adds_to_what_they_left() {
    let mut store = committed(vec![add("credits", 5, None, Some(10)), insert("roster", "s1", Some(3))]);
    let late = steps(vec![add("credits", 2, None, Some(10)), insert("roster", "s2", Some(3))]);
    evaluate(&late, &store).expect("a Yes");
    run(&mut store, vec![add("credits", 3, None, Some(10)), insert("roster", "s3", Some(3))])
        .expect("another one first");
    for write in redo(&late, &store) {
        store.write(write);
    }
    assert_eq!(store.field(&record(COURSE), &field("credits")), Some(Field::Value(Value::Int(10))));
    assert_eq!(all(&store).map(|content| content.version), Some(Version(3)));
    assert_eq!(store.members(&record(COURSE), &field("roster")), ["s1", "s2", "s3"].map(member));
}

#[test]
fn an_operation_that_is_wrong_in_itself_is_found_before_anything_is_run() {
    let long = Value::Bytes(vec![0; VALUE_BYTES_MAX + 1]);
    let put = |value| Operation::Set { record: record(COURSE), field: field("note"), value };
    assert!(put(long.clone()).check().is_err());
    assert!(
        Operation::Append { record: record(COURSE), field: field("log"), value: long.clone() }
            .check()
            .is_err()
    );
    assert!(require(Check::Equals(field("note"), long)).check().is_err());
    assert!(add("credits", 1, Some(2), Some(1)).check().is_err());
    assert!(put(Value::Bytes(vec![0; VALUE_BYTES_MAX])).check().is_ok());
    assert!(add("credits", 1, Some(1), Some(1)).check().is_ok());
}

/// One record as a plain value: what the operations mean.
#[derive(Clone, Default, PartialEq, Debug)]
struct Model {
    exists: bool,
    counter: Option<i64>,
    log: Vec<i64>,
    roster: Option<BTreeSet<String>>,
}

impl Model {
    fn apply(&mut self, operation: &Operation) -> bool {
        match operation {
            Operation::Add { delta, min, max, .. } => {
                let sum = self.counter.unwrap_or(0) + delta;
                if min.is_some_and(|min| sum < min) || max.is_some_and(|max| sum > max) {
                    return false;
                }
                self.counter = Some(sum);
            }
            Operation::Append { value: Value::Int(value), .. } => self.log.push(*value),
            Operation::Insert { member, max, .. } => {
                let roster = self.roster.clone().unwrap_or_default();
                if roster.contains(member.as_str()) || max.is_some_and(|max| roster.len() as u64 + 1 > max) {
                    return false;
                }
                self.roster.get_or_insert_default().insert(member.to_string());
            }
            Operation::Remove { member, min, .. } => {
                let roster = self.roster.clone().unwrap_or_default();
                if !roster.contains(member.as_str()) || min.is_some_and(|min| roster.len() as u64 - 1 < min) {
                    return false;
                }
                self.roster.get_or_insert_default().remove(member.as_str());
            }
            Operation::Delete { .. } if self.exists => {
                *self = Model::default();
                return true;
            }
            Operation::Delete { .. } => return false,
            other => panic!("not in this model: {other:?}"),
        }
        self.exists = true;
        true
    }

    fn content(&self) -> Option<BTreeMap<FieldName, FieldContent>> {
        let mut fields = BTreeMap::new();
        if let Some(counter) = self.counter {
            fields.insert(field("credits"), FieldContent::Value(Value::Int(counter)));
        }
        if !self.log.is_empty() {
            fields.insert(field("log"), list(&self.log));
        }
        if let Some(roster) = &self.roster {
            fields.insert(field("roster"), members(&roster.iter().map(String::as_str).collect::<Vec<_>>()));
        }
        self.exists.then_some(fields)
    }
}

fn any_change() -> impl Strategy<Value = Operation> {
    let who = prop::sample::select(vec!["s1", "s2", "s3"]);
    prop_oneof![
        (-3i64..4, 0i64..3, 3i64..7).prop_map(|(delta, min, max)| add(
            "credits",
            delta,
            Some(min - 3),
            Some(max)
        )),
        (0i64..9).prop_map(|value| append("log", value)),
        (who.clone(), prop::option::of(0u64..4)).prop_map(|(who, max)| insert("roster", who, max)),
        (who, prop::option::of(0u64..3)).prop_map(|(who, min)| remove("roster", who, min)),
        Just(delete()),
    ]
}

proptest! {
    #[test]
    fn any_run_of_transactions_leaves_what_a_plain_value_would(
        transactions in prop::collection::vec(prop::collection::vec(any_change(), 1..6), 1..8)
    ) {
        let (mut store, mut model) = (MemoryStore::new(), Model::default());
        for operations in transactions {
            let mut next = model.clone();
            let allowed = operations.iter().all(|operation| next.apply(operation));
            let mut with_read = operations.clone();
            with_read.push(read(Selection::Record));
            match run(&mut store, with_read) {
                Ok(seen) => {
                    prop_assert!(allowed, "{operations:?} was taken");
                    model = next;
                    let content = all(&store);
                    prop_assert_eq!(&seen, &vec![ReadResult::Record(content)]);
                }
                Err(refusal) => prop_assert!(!allowed, "{:?}: {:?}", operations, refusal),
            }
            prop_assert_eq!(all(&store).map(|content| content.fields), model.content());
        }
    }
}
