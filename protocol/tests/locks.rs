//! Who may run beside whom: the table of `locks/mod.rs`, the order of the queue, and escrow against brute force.

use assent_protocol::{
    ids::{Age, ClientName, FieldName, Member, RecordId, Sequence, SessionId, Stamp, TxnId, Version},
    locks::{Admission, Locks, Plan},
    memory::MemoryStore,
    operation::{Check, Operation, Selection, Step, Value},
    storage::Store,
    workspace,
};
use proptest::prelude::*;

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

/// The smaller, the older.
fn age(stamp: u64) -> Age {
    let client = ClientName::new("alice").expect("a name");
    Age { stamp: Stamp(stamp), txn: TxnId { client, session: SessionId(1), sequence: Sequence(stamp) } }
}

fn steps(operations: &[Operation]) -> Vec<Step> {
    (0..).zip(operations.to_vec()).map(|(index, operation)| Step { index, operation }).collect()
}

fn plan(operations: &[Operation], store: &MemoryStore) -> Plan {
    Plan::of(&steps(operations), store)
}

fn commit(store: &mut MemoryStore, operations: &[Operation]) {
    for write in workspace::redo(&steps(operations), store) {
        store.write(write);
    }
    store.sync();
}

fn require(check: Check) -> Operation {
    Operation::Require { record: record(COURSE), check }
}

fn read(what: Selection) -> Operation {
    Operation::Read { record: record(COURSE), what }
}

fn set(name: &str) -> Operation {
    Operation::Set { record: record(COURSE), field: field(name), value: Value::Int(1) }
}

fn delete() -> Operation {
    Operation::Delete { record: record(COURSE) }
}

fn append(name: &str) -> Operation {
    Operation::Append { record: record(COURSE), field: field(name), value: Value::Int(1) }
}

fn add(delta: i64, min: Option<i64>, max: Option<i64>) -> Operation {
    Operation::Add { record: record(COURSE), field: field("credits"), delta, min, max }
}

fn insert(who: &str, max: Option<u64>) -> Operation {
    Operation::Insert { record: record(COURSE), field: field("roster"), member: member(who), max }
}

fn remove(who: &str, min: Option<u64>) -> Operation {
    Operation::Remove { record: record(COURSE), field: field("roster"), member: member(who), min }
}

fn contains(who: &str) -> Operation {
    require(Check::Contains(field("roster"), member(who)))
}

fn count() -> Operation {
    read(Selection::Count(field("roster")))
}

/// A course with a roster of s1 to s4, ten credits and a room.
fn course() -> MemoryStore {
    let mut store = MemoryStore::new();
    commit(&mut store, &[set("room"), append("log"), add(10, None, None)]);
    for who in ["s1", "s2", "s3", "s4"] {
        commit(&mut store, &[insert(who, None)]);
    }
    store
}

/// Whether one operation is admitted beside another that is held.
fn beside(held: &Operation, asked: &Operation) -> bool {
    let store = course();
    let mut locks = Locks::default();
    locks.hold(&age(1), plan(std::slice::from_ref(held), &store));
    let admission = locks.admit(&age(2), &plan(std::slice::from_ref(asked), &store), &store);
    match admission {
        Admission::Granted => true,
        Admission::Wait(blockers) => {
            assert_eq!(blockers.into_iter().collect::<Vec<_>>(), [age(1)], "it waits for who holds");
            false
        }
        Admission::Refused(..) => panic!("{asked:?} is refused beside {held:?}"),
    }
}

fn check_both_ways(one: Operation, two: Operation, together: bool) {
    assert_eq!(beside(&one, &two), together, "{two:?} beside {one:?}");
    assert_eq!(beside(&two, &one), together, "{one:?} beside {two:?}");
}

#[test]
fn who_only_looks_never_waits_for_who_only_looks() {
    let looks = [
        require(Check::Exists),
        require(Check::Version(Version(5))),
        require(Check::AtLeast(field("credits"), 1)),
        contains("s1"),
        count(),
        read(Selection::Record),
        read(Selection::Field(field("room"))),
        read(Selection::Member(field("roster"), member("s1"))),
    ];
    for one in &looks {
        for two in &looks {
            check_both_ways(one.clone(), two.clone(), true);
        }
    }
}

#[test]
fn the_table_of_modes_holds() {
    // shared: the value is seen. Not beside a change of it, and not beside anything exclusive.
    check_both_ways(count(), insert("s9", None), false);
    check_both_ways(require(Check::AtLeast(field("credits"), 1)), add(1, None, None), false);
    check_both_ways(read(Selection::Field(field("room"))), set("room"), false);
    check_both_ways(read(Selection::Field(field("log"))), append("log"), false);
    // touch: one member is looked at. Beside changes of other members, and beside who sees the whole set.
    check_both_ways(contains("s1"), insert("s9", None), true);
    check_both_ways(contains("s1"), remove("s2", None), true);
    check_both_ways(contains("s1"), remove("s1", None), false);
    check_both_ways(contains("s9"), insert("s9", None), false);
    check_both_ways(contains("s1"), count(), true);
    // change: commutes with changes.
    check_both_ways(insert("s8", None), insert("s9", None), true);
    check_both_ways(insert("s9", None), remove("s1", None), true);
    check_both_ways(insert("s9", None), insert("s9", None), false);
    check_both_ways(add(1, None, None), add(-2, None, None), true);
    // exclusive: alone.
    check_both_ways(set("room"), set("room"), false);
    check_both_ways(append("log"), append("log"), false);
    let absolute = Operation::Set { record: record(COURSE), field: field("credits"), value: Value::Int(1) };
    check_both_ways(absolute, add(1, None, None), false);
}

#[test]
fn different_fields_don_t_meet() {
    check_both_ways(set("room"), insert("s9", None), true);
    check_both_ways(set("room"), append("log"), true);
    check_both_ways(set("room"), count(), true);
    check_both_ways(add(1, None, None), insert("s9", None), true);
}

#[test]
fn who_sees_the_whole_record_meets_every_change_in_it() {
    for whole in [read(Selection::Record), require(Check::Version(Version(5)))] {
        for change in
            [set("room"), append("log"), add(1, None, None), insert("s9", None), remove("s1", None), delete()]
        {
            check_both_ways(whole.clone(), change, false);
        }
    }
}

#[test]
fn delete_meets_everything_in_the_record() {
    let others = [
        require(Check::Exists),
        require(Check::Absent),
        contains("s1"),
        count(),
        read(Selection::Record),
        set("room"),
        append("log"),
        add(1, None, Some(11)),
        insert("s9", Some(5)),
        remove("s1", None),
        delete(),
    ];
    for other in others {
        check_both_ways(delete(), other, false);
    }
}

#[test]
fn creating_a_record_meets_who_would_see_it_absent() {
    let store = MemoryStore::new();
    let create = [insert("s1", None)];
    let mut locks = Locks::default();
    locks.hold(&age(1), plan(&create, &store));
    for other in [require(Check::Absent), require(Check::Exists), insert("s2", None), set("room"), count()] {
        let admission = locks.admit(&age(2), &plan(std::slice::from_ref(&other), &store), &store);
        assert!(matches!(admission, Admission::Wait(_)), "{other:?} while the record is being created");
    }
    let elsewhere = Operation::Require { record: record("course/c2"), check: Check::Absent };
    assert_eq!(locks.admit(&age(2), &plan(&[elsewhere], &store), &store), Admission::Granted);
}

#[test]
fn a_counter_and_a_set_in_one_field_shut_everyone_out() {
    let store = course();
    let mut locks = Locks::default();
    let strange =
        Operation::Insert { record: record(COURSE), field: field("credits"), member: member("x"), max: None };
    locks.hold(&age(1), plan(&[add(1, None, None), strange.clone()], &store));
    assert!(matches!(locks.admit(&age(2), &plan(&[add(1, None, None)], &store), &store), Admission::Wait(_)));
    let mut locks = Locks::default();
    locks.hold(&age(1), plan(&[add(1, None, None)], &store));
    assert!(matches!(locks.admit(&age(2), &plan(&[strange], &store), &store), Admission::Wait(_)));
}

#[test]
fn an_insert_into_a_full_set_waits_while_its_record_may_be_deleted() {
    let store = course();
    for held in [vec![delete()], vec![delete(), insert("s5", Some(4))]] {
        let mut locks = Locks::default();
        locks.hold(&age(1), plan(&held, &store));
        let admission = locks.admit(&age(2), &plan(&[insert("s9", Some(4))], &store), &store);
        assert_eq!(admission, Admission::Wait([age(1)].into()), "beside {held:?}");
    }
    // Beside a change of the same roster that makes no room it is refused.
    let mut locks = Locks::default();
    locks.hold(&age(1), plan(&[insert("s8", Some(5))], &store));
    let admission = locks.admit(&age(2), &plan(&[insert("s9", Some(4))], &store), &store);
    assert_eq!(admission, Admission::Refused(record(COURSE), field("roster")));
}

#[test]
fn a_set_of_a_counter_decides_about_its_bound_before_the_next_is_refused() {
    let store = course();
    let mut locks = Locks::default();
    let absolute = Operation::Set { record: record(COURSE), field: field("credits"), value: Value::Int(1) };
    locks.hold(&age(1), plan(&[absolute], &store));
    let admission = locks.admit(&age(2), &plan(&[add(5, None, Some(10))], &store), &store);
    assert_eq!(admission, Admission::Wait([age(1)].into()));
}

#[test]
fn released_locks_are_free_and_wake_who_waits_oldest_first() {
    let store = course();
    let mut locks = Locks::default();
    let alone = plan(&[set("room")], &store);
    locks.hold(&age(5), alone.clone());
    for waiter in [9, 7, 8] {
        locks.wait(&age(waiter), alone.clone());
    }
    assert_eq!(locks.next_woken(), None);
    locks.release(&age(5), alone.records());
    assert_eq!(locks.next_woken(), Some(age(7)));
    assert_eq!(locks.admit(&age(7), &alone, &store), Admission::Granted);
    locks.stop_waiting(&age(7));
    locks.hold(&age(7), alone.clone());
    assert!(locks.holds(&age(7), &alone));
    assert_eq!(locks.next_woken(), Some(age(8)));
    assert_eq!(locks.admit(&age(8), &alone, &store), Admission::Wait([age(7)].into()));
}

#[test]
fn the_younger_waits_behind_an_older_waiter_and_not_the_reverse() {
    let store = course();
    let mut locks = Locks::default();
    locks.hold(&age(1), plan(&[count()], &store));
    locks.wait(&age(5), plan(&[insert("s9", None)], &store));
    // Reads would go together, but the writer in between would never come to its turn.
    assert_eq!(locks.admit(&age(9), &plan(&[count()], &store), &store), Admission::Wait([].into()));
    assert_eq!(locks.admit(&age(3), &plan(&[count()], &store), &store), Admission::Granted);
    locks.stop_waiting(&age(5));
    assert_eq!(locks.admit(&age(9), &plan(&[count()], &store), &store), Admission::Granted);
}

#[test]
fn a_seat_is_left_to_the_older_waiter() {
    let store = course();
    let mut locks = Locks::default();
    let two_places = [insert("s7", Some(6)), insert("s8", Some(6))];
    locks.hold(&age(1), plan(&[insert("s9", Some(6))], &store));
    assert!(matches!(locks.admit(&age(5), &plan(&two_places, &store), &store), Admission::Wait(_)));
    locks.wait(&age(5), plan(&two_places, &store));
    assert_eq!(
        locks.admit(&age(9), &plan(&[insert("s10", Some(6))], &store), &store),
        Admission::Wait([].into())
    );
    assert_eq!(locks.admit(&age(3), &plan(&[insert("s10", Some(6))], &store), &store), Admission::Granted);
}

#[test]
fn nothing_is_left_of_locks_that_nobody_holds_or_waits_for() {
    let store = course();
    let mut locks = Locks::default();
    let everything = plan(&[insert("s9", None), add(1, None, None), count(), contains("s1")], &store);
    locks.hold(&age(1), everything.clone());
    locks.wait(&age(2), plan(&[delete()], &store));
    locks.release(&age(1), everything.records());
    locks.stop_waiting(&age(2));
    assert_eq!((locks.records(), locks.waiting(), locks.next_woken()), (0, 0, None));
}

#[test]
fn a_reader_gives_back_whatever_it_holds_of_its_records() {
    let store = course();
    let mut locks = Locks::default();
    locks.hold(&age(1), plan(&[count(), read(Selection::Record)], &store));
    locks.release(&age(1), [record(COURSE)].iter());
    assert_eq!(locks, Locks::default());
}

/// A transaction on one field: what its operations add, in order, each with the bounds of its own operation.
#[derive(Clone, Debug)]
struct Change(Vec<(i64, Option<i64>, Option<i64>)>);

impl Change {
    fn delta(&self) -> i64 {
        self.0.iter().map(|(delta, _, _)| delta).sum()
    }

    /// Whether every bound holds on the way, starting from `value`.
    fn fits(&self, mut value: i64) -> bool {
        self.0.iter().all(|(delta, min, max)| {
            value += delta;
            min.is_none_or(|min| value >= min) && max.is_none_or(|max| value <= max)
        })
    }

    fn counter(&self) -> Vec<Operation> {
        self.0.iter().map(|(delta, min, max)| add(*delta, *min, *max)).collect()
    }

    /// The same on a roster: inserts of new members and removals of old ones, none of them anyone else's.
    fn roster(&self, number: usize) -> Vec<Operation> {
        let bound = |bound: &Option<i64>| bound.map(|bound| u64::try_from(bound).unwrap_or(0));
        let one = |(place, (delta, min, max)): (usize, &(i64, Option<i64>, Option<i64>))| {
            let who = format!("t{number}-{place}");
            if *delta > 0 { insert(&who, bound(max)) } else { remove(&who, bound(min)) }
        };
        self.0.iter().enumerate().map(one).collect()
    }
}

/// All subsets of the others' sums, added to the value: what may be there when one's own operations are applied.
fn possible_values(value: i64, others: &[i64]) -> Vec<i64> {
    others
        .iter()
        .fold(vec![value], |values, delta| values.iter().flat_map(|value| [*value, value + delta]).collect())
}

/// All orders in which a subset of the changes can be applied, each checked by running it.
fn fits_in_every_order(value: i64, changes: &[Change]) -> bool {
    changes.iter().enumerate().all(|(place, change)| {
        let mut rest = changes.to_vec();
        rest.remove(place);
        change.fits(value) && fits_in_every_order(value + change.delta(), &rest)
    })
}

fn any_change() -> impl Strategy<Value = Change> {
    let operation = (-3i64..4, prop::option::of(-2i64..6), prop::option::of(3i64..10));
    prop::collection::vec(operation, 1..4).prop_map(Change)
}

/// On a roster an insert has only an upper bound, a removal only a lower one.
fn any_roster_change() -> impl Strategy<Value = Change> {
    let operation = (any::<bool>(), prop::option::of(0i64..10))
        .prop_map(|(inserts, bound)| if inserts { (1, None, bound) } else { (-1, bound, None) });
    prop::collection::vec(operation, 1..4).prop_map(Change)
}

/// Asks for each change in turn and checks every answer against brute force.
fn check_escrow(value: i64, changes: &[Change], store: &MemoryStore, operations: &[Vec<Operation>]) {
    let mut locks = Locks::default();
    let mut held: Vec<Change> = Vec::new();
    for (number, (change, operations)) in changes.iter().zip(operations).enumerate() {
        let age = age(number as u64 + 1);
        let plan = plan(operations, store);
        let others: Vec<i64> = held.iter().map(Change::delta).collect();
        let mut with_it = held.clone();
        with_it.push(change.clone());
        let safe = fits_in_every_order(value, &with_it);
        let hopeless = !possible_values(value, &others).into_iter().any(|value| change.fits(value));
        match locks.admit(&age, &plan, store) {
            // Where nobody holds anything the operations themselves find a broken bound, as a voter runs them next.
            Admission::Granted if workspace::evaluate(&steps(operations), store).is_err() => {
                assert!(hopeless, "{change:?} was refused beside {held:?} at {value}");
            }
            Admission::Granted => {
                assert!(safe, "{change:?} was admitted beside {held:?} at {value}");
                locks.hold(&age, plan.clone());
                held = with_it;
            }
            Admission::Refused(..) => assert!(hopeless, "{change:?} was refused beside {held:?} at {value}"),
            Admission::Wait(blockers) => {
                assert!(!safe, "{change:?} need not wait beside {held:?} at {value}");
                assert!(!blockers.is_empty(), "it waits for somebody");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// Admitted: every bound holds in every order and for every subset. Refused: it fails whatever the others do.
    #[test]
    fn escrow_on_a_counter_is_exact(value in -2i64..8, changes in prop::collection::vec(any_change(), 1..6)) {
        let mut store = MemoryStore::new();
        commit(&mut store, &[add(value, None, None)]);
        let operations: Vec<Vec<Operation>> = changes.iter().map(Change::counter).collect();
        check_escrow(value, &changes, &store, &operations);
    }

    /// The same with members that are not each other's.
    #[test]
    fn escrow_on_the_size_of_a_set_is_exact(others in 0usize..4, changes in prop::collection::vec(any_roster_change(), 1..6)) {
        let mut store = MemoryStore::new();
        commit(&mut store, &[set("room")]);
        let mut value = 0;
        for number in 0..others {
            commit(&mut store, &[insert(&format!("o{number}"), None)]);
            value += 1;
        }
        let operations: Vec<Vec<Operation>> =
            changes.iter().enumerate().map(|(number, change)| change.roster(number)).collect();
        // Whoever is to be removed is there.
        for operation in operations.iter().flatten() {
            if let Operation::Remove { member, .. } = operation {
                commit(&mut store, &[insert(member.as_str(), None)]);
                value += 1;
            }
        }
        check_escrow(value, &changes, &store, &operations);
    }
}

#[test]
fn brute_force_finds_a_bound_that_breaks_in_one_order_only() {
    let changes = [Change(vec![(3, None, Some(5))]), Change(vec![(-3, None, None)])];
    assert!(!fits_in_every_order(3, &changes), "adding first goes to 6");
    assert!(fits_in_every_order(2, &changes));
}
