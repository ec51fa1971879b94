//! What a client may conclude from an answer, looked for in simulated histories line by line: no checker is asked.
//! `docs/failure-semantics.md` has the sentences.
//!
//! Lists are appended to, each number once, so that a read tells which appends have happened. Only reads that were committed
//! count: of another it isn't known what was there.

use assent_lab::{
    history::{History, Operation, Outcome, Value},
    simulator::{Options, Outcome as Run, run},
    workloads::{WorkloadOptions, by_name},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::OnceLock,
};

const SEEDS: u64 = 250;

/// The histories of some seeds with every fault.
fn histories() -> &'static [History] {
    static ALL: OnceLock<Vec<History>> = OnceLock::new();
    ALL.get_or_init(|| {
        let history = |seed| {
            let workload = by_name("list_append", &WorkloadOptions::default()).expect("it is there");
            let Run { history, .. } =
                run(&Options::drawn(seed), workload).unwrap_or_else(|failure| panic!("{failure}"));
            history
        };
        (0..SEEDS).map(history).collect()
    })
}

/// What an operation appends, and what it reads, by list.
struct Told<'h> {
    operation: Operation<'h>,
    appends: Vec<(i64, i64)>,
    reads: BTreeMap<i64, BTreeSet<i64>>,
}

impl<'h> Told<'h> {
    fn of(operation: Operation<'h>) -> Told<'h> {
        let (mut appends, mut reads) = (Vec::new(), BTreeMap::new());
        let parts = |value: &Value| if let Value::Vector(parts) = value { parts.clone() } else { Vec::new() };
        for micro in parts(operation.value()) {
            match &parts(&micro)[..] {
                [Value::Keyword(name), Value::Int(key), Value::Int(value)] if name == "append" => {
                    appends.push((*key, *value));
                }
                [Value::Keyword(name), Value::Int(key), list @ Value::Vector(_)] if name == "r" => {
                    let numbers = parts(list).into_iter().filter_map(|item| match item {
                        Value::Int(number) => Some(number),
                        _ => None,
                    });
                    reads.insert(*key, numbers.collect());
                }
                _ => {}
            }
        }
        Told { operation, appends, reads }
    }

    /// Whether a committed read shows the append of another operation; none if it doesn't look at that list.
    fn sees(&self, (key, value): (i64, i64)) -> Option<bool> {
        let committed = self.operation.outcome() == Outcome::Ok;
        self.reads.get(&key).filter(|_| committed).map(|list| list.contains(&value))
    }

    /// Whether it began when the other had ended.
    fn is_later(&self, than: &Told<'_>) -> bool {
        than.operation.ended_at.is_some_and(|ended_at| self.operation.begun_at > ended_at)
    }
}

fn told(history: &History) -> Vec<Told<'_>> {
    history.operations().into_iter().map(Told::of).collect()
}

/// Calls back with each append of an operation that ended so, the place of its operation, and all that was told.
fn each_append(outcome: Outcome, mut look: impl FnMut(&[Told<'_>], usize, (i64, i64))) {
    for history in histories() {
        let all = told(history);
        for (place, one) in all.iter().enumerate().filter(|(_, one)| one.operation.outcome() == outcome) {
            one.appends.iter().for_each(|append| look(&all, place, *append));
        }
    }
}

#[test]
fn what_was_committed_is_in_every_later_read() {
    let mut looks = 0;
    each_append(Outcome::Ok, |all, place, append| {
        for read in all.iter().filter(|read| read.is_later(&all[place])) {
            let Some(sees) = read.sees(append) else { continue };
            looks += 1;
            assert!(sees, "{append:?} of {:?} is not in {:?}", all[place].operation, read.operation);
        }
    });
    assert!(looks > 1_000, "only {looks} reads have looked");
}

#[test]
fn what_was_aborted_is_in_no_read() {
    let mut looks = 0;
    each_append(Outcome::Fail, |all, place, append| {
        for read in all {
            let Some(sees) = read.sees(append) else { continue };
            looks += 1;
            assert!(!sees, "{append:?} of {:?} is in {:?}", all[place].operation, read.operation);
        }
    });
    assert!(looks > 1_000, "only {looks} reads have looked");
}

/// Both happen, so that nothing may be concluded from "unknown"; but what was seen once stays, and it is there whole or not
/// at all, as the last reads show, which come when everything is decided.
#[test]
fn an_unknown_operation_may_have_happened_or_not() {
    let (mut happened, mut did_not) = (0, 0);
    for history in histories() {
        let all = told(history);
        for one in all.iter().filter(|one| one.operation.outcome() == Outcome::Unknown) {
            let last_of = |append| all.iter().rev().find_map(|read| read.sees(append));
            let mut found: BTreeSet<bool> = BTreeSet::new();
            for append in &one.appends {
                found.extend(last_of(*append));
                let mut seen_by: Option<&Told<'_>> = None;
                for read in &all {
                    match (read.sees(*append), seen_by) {
                        (Some(true), None) => seen_by = Some(read),
                        (Some(false), Some(first)) => assert!(
                            !read.is_later(first),
                            "{append:?} is in {:?}, and gone in {:?}",
                            first.operation,
                            read.operation
                        ),
                        (Some(_) | None, _) => {}
                    }
                }
            }
            assert!(found.len() < 2, "half of {:?} has happened", one.operation);
            happened += u64::from(found.contains(&true));
            did_not += u64::from(found.contains(&false));
        }
    }
    println!("of unknown operations {happened} have happened, {did_not} have not");
    assert!(happened > 0 && did_not > 0, "{happened} have happened, {did_not} have not");
}
