//! What histories of all workloads have in common: transactions that meet, on all participants, and values that are
//! written once.

use crate::clients::{Plan, run};
use assent_lab::{
    checkers::availability,
    history::{History, Kind, Value},
    random::Random,
    run::Fault,
    verdict::Finding,
    workload::{Completion, Invocation, Workload},
    workloads::{KEYS_MAX, NAMES, WorkloadOptions, by_name},
};
use assent_protocol::{
    directory::Directory,
    ids::{NodeId, RecordId},
    operation::Operation,
};
use std::collections::{BTreeMap, BTreeSet};

/// The cluster file's usual tables.
fn directory(participants: u16) -> Directory {
    let tables = BTreeMap::from([
        ("student".to_owned(), vec![NodeId(0)]),
        ("course".to_owned(), vec![NodeId(participants - 1)]),
    ]);
    Directory::new(tables, (0..participants).map(NodeId).collect())
}

fn drawn(workload: &mut dyn Workload, count: usize) -> Vec<Invocation> {
    let mut random = Random::new(3);
    (0..count).filter_map(|at| workload.next(at as u64 % 6, &mut random)).collect()
}

fn touched(invocation: &Invocation) -> BTreeMap<&RecordId, bool> {
    let mut records = BTreeMap::new();
    for operation in &invocation.operations {
        *records.entry(operation.record()).or_default() |= operation.is_write();
    }
    records
}

/// All but `mixed` and `messages`: their few records are fixed, some are only ever touched, and a read of `mixed` without an
/// answer is told as empty.
fn of_drawn_keys() -> impl Iterator<Item = &'static str> {
    NAMES.iter().copied().filter(|name| !["messages", "mixed"].contains(name))
}

#[test]
fn transactions_meet_on_all_participants() {
    for (name, participants) in of_drawn_keys().flat_map(|name| [(name, 3), (name, 5)]) {
        let options = WorkloadOptions { participants, ..WorkloadOptions::default() };
        let mut workload = by_name(name, &options).expect("it is there");
        let all = drawn(workload.as_mut(), 1_000);
        let directory = directory(participants);
        // Of each six in a row, as they would be under way together.
        let conflicts = |one: &Invocation, other: &Invocation| {
            let other = touched(other);
            touched(one).iter().any(|(record, writes)| other.get(record).is_some_and(|too| *writes || *too))
        };
        let meet =
            all.windows(6).filter(|window| window[1..].iter().any(|other| conflicts(&window[0], other)));
        let meet = meet.count();
        assert!(meet > 300, "{name}: only {meet} of 1,000 transactions meet one of the next five");
        let hit: BTreeSet<NodeId> = all
            .iter()
            .flat_map(|invocation| &invocation.operations)
            .map(|operation| directory.locate(operation.record()))
            .collect();
        let expected = if name == "registrar" { 2 } else { usize::from(participants) };
        assert_eq!(hit.len(), expected, "{name}: {hit:?}");
    }
}

#[test]
fn values_are_written_once() {
    for name in ["exactly_once", "linear", "list_append", "register"] {
        let mut workload = by_name(name, &WorkloadOptions::default()).expect("it is there");
        let mut written = BTreeSet::new();
        for operation in
            drawn(workload.as_mut(), 2_000).into_iter().flat_map(|invocation| invocation.operations)
        {
            if let Operation::Append { record, value, .. } | Operation::Set { record, value, .. } = operation
            {
                assert!(
                    written.insert((record.clone(), value.clone())),
                    "{name}: {value:?} twice to {record}"
                );
            }
        }
        assert!(written.len() > 500, "{name}: {} values", written.len());
    }
}

#[test]
fn the_end_reads_every_record_that_was_written() {
    for name in of_drawn_keys() {
        let mut workload = by_name(name, &WorkloadOptions::default()).expect("it is there");
        let written: BTreeSet<RecordId> = drawn(workload.as_mut(), 2_000)
            .iter()
            .flat_map(|invocation| invocation.operations.iter().filter(|operation| operation.is_write()))
            .map(|operation| operation.record().clone())
            .filter(|record| record.table() != "audit")
            .collect();
        let last = workload.last();
        assert!(last.iter().all(|invocation| !invocation.operations.iter().any(Operation::is_write)));
        let read: BTreeSet<RecordId> = last
            .iter()
            .flat_map(|invocation| invocation.operations.iter().map(|operation| operation.record().clone()))
            .collect();
        assert!(written.is_subset(&read), "{name}: {:?}", written.difference(&read));
    }
}

#[test]
fn the_same_chances_give_the_same_history() {
    let history = |name: &str, seed| -> History {
        let mut workload = by_name(name, &WorkloadOptions::default()).expect("it is there");
        run(workload.as_mut(), &Plan { seed, operations: 300, ..Plan::default() })
    };
    for name in NAMES {
        assert_eq!(history(name, 1), history(name, 1), "{name}");
        assert_ne!(history(name, 1), history(name, 2), "{name}");
    }
}

#[test]
fn only_transactions_that_write_are_sent_again() {
    let mut workload = by_name("exactly_once", &WorkloadOptions::default()).expect("it is there");
    let all = drawn(workload.as_mut(), 1_000);
    let repeated = all.iter().filter(|invocation| invocation.repeats > 0);
    assert!(repeated.clone().count() > 200);
    assert!(repeated.into_iter().all(|invocation| invocation.operations.iter().any(Operation::is_write)));
}

#[test]
fn figures_outside_their_bounds_are_taken_as_the_nearest_inside() {
    let none = WorkloadOptions { participants: 0, keys: 0, micro_operations_max: 0, writes_per_key_max: 0 };
    let most = WorkloadOptions {
        participants: 64,
        keys: u64::MAX,
        micro_operations_max: u64::MAX,
        writes_per_key_max: u64::MAX,
    };
    for name in NAMES {
        let mut workload = by_name(name, &none).expect("it is there");
        workload.first();
        assert_eq!(drawn(workload.as_mut(), 50).len(), 50, "{name}");
        let mut workload = by_name(name, &most).expect("it is there");
        let mut all = workload.first();
        all.extend(drawn(workload.as_mut(), 50));
        all.extend(workload.last());
        let largest = all.iter().map(|invocation| invocation.operations.len()).max().unwrap_or(0);
        assert!(largest <= 2 * KEYS_MAX as usize, "{name}: {largest} operations");
    }
}

#[test]
fn an_answer_with_fewer_reads_than_were_asked_for_is_told_as_missing() {
    for name in of_drawn_keys() {
        let mut workload = by_name(name, &WorkloadOptions::default()).expect("it is there");
        workload.first();
        drawn(workload.as_mut(), 20);
        let read = workload.last().remove(0);
        let told = workload.ended(0, &read, &Completion::Committed(Vec::new()));
        assert!(format!("{told:?}").contains("missing"), "{name}: {told:?}");
        assert_ne!(told, Value::Nil);
    }
}

/// Replaces some number in a value by one at the end of its range, or the value by something else.
fn mangle(value: &mut Value, random: &mut Random) {
    match value {
        Value::Vector(values) if !values.is_empty() => {
            let index = random.below(values.len() as u64) as usize;
            mangle(&mut values[index], random);
        }
        Value::Map(entries) if !entries.is_empty() => {
            let index = random.below(entries.len() as u64) as usize;
            let (key, value) = &mut entries[index];
            mangle(if random.chance(300) { key } else { value }, random);
        }
        other => *other = random.pick(&[Value::Int(i64::MIN), Value::Int(i64::MAX), Value::Nil]).clone(),
    }
}

#[test]
fn mangled_histories_are_judged_without_a_panic() {
    for (name, seed) in NAMES.iter().flat_map(|name| (0..40).map(move |seed| (name, seed))) {
        let mut workload = by_name(name, &WorkloadOptions::default()).expect("it is there");
        let mut history = run(workload.as_mut(), &Plan { seed, operations: 60, ..Plan::default() });
        let mut random = Random::new(seed);
        for _ in 0..20 {
            let index = random.below(history.events.len() as u64) as usize;
            let other = random.pick(&history.events).clone();
            let event = &mut history.events[index];
            match random.below(6) {
                0 => event.value = other.value,
                1 => event.kind = *random.pick(&[Kind::Invoke, Kind::Ok, Kind::Fail, Kind::Info]),
                2 => event.f = other.f,
                3 => (event.time_ns, event.index) = (other.time_ns, other.index),
                _ => mangle(&mut event.value, &mut random),
            }
        }
        assert!(!workload.check(&history).is_empty());
        let fault = Fault {
            kind: "kill".to_owned(),
            targets: Vec::new(),
            from_ns: random.below(100_000),
            to_ns: Some(random.below(100_000)),
            detail: String::new(),
        };
        let bounds = availability::Bounds { silence_ms_max: Some(0), unblocked_ms_max: Some(0) };
        availability::check(&history, &[fault], &bounds);
    }
}

/// What a line may say instead.
fn strange(random: &mut Random) -> Value {
    let word = |text: &str| Value::Keyword(text.to_owned());
    match random.below(7) {
        0 => Value::Nil,
        1 => Value::Int(*random.pick(&[i64::MIN, -1, 0, 7, i64::MAX])),
        2 => Value::Text("seven".to_owned()),
        3 => Value::Vector(Vec::new()),
        4 => Value::Vector((0..1 + random.below(3)).map(|_| strange(random)).collect()),
        5 => Value::Map(vec![(word(random.pick::<&str>(&["mailbox", "from", "balances"])), strange(random))]),
        _ => word(random.pick::<&str>(&["append", "work", "missing"])),
    }
}

#[test]
fn histories_of_others_are_judged_without_a_panic() {
    let mut all: Vec<(String, History)> = Vec::new();
    for name in NAMES {
        let mut workload = by_name(name, &WorkloadOptions::default()).expect("it is there");
        let history = run(workload.as_mut(), &Plan { seed: 5, operations: 200, ..Plan::default() });
        // The same operations with other values, in the order in which they were.
        for seed in 0..20 {
            let (mut history, mut random) = (history.clone(), Random::new(seed));
            for event in &mut history.events {
                if random.chance(if seed == 0 { 1_000 } else { 5 }) {
                    event.value = strange(&mut random);
                }
            }
            all.push((format!("{name}, seed {seed}"), history));
        }
        all.push(((*name).to_owned(), history));
    }
    all.push(("nothing".to_owned(), History::default()));
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/histories");
    for file in std::fs::read_dir(folder).expect("it is there") {
        let path = file.expect("it can be read").path();
        all.push((path.display().to_string(), History::load(&path).expect("it is one")));
    }
    for name in NAMES {
        let judge = by_name(name, &WorkloadOptions::default()).expect("it is there");
        for (of, history) in &all {
            let verdicts = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| judge.check(history)));
            let verdicts = verdicts.unwrap_or_else(|_| panic!("{name} panics at the history of {of}"));
            assert!(!verdicts.is_empty());
            if of == "nothing" {
                assert!(verdicts.iter().all(|one| one.finding == Finding::Unknown), "{name}: {verdicts:?}");
            }
        }
    }
}
