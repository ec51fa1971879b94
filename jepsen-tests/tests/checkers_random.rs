//! The checkers on random histories: those of a serial execution hold, however their operations overlap; those with a
//! mistake that provably breaks them do not. And what they do with long ones, and with what is no history.

mod support;

use assent_lab::{
    checkers::{linearizability, list_append, register},
    history::{History, Outcome, Value},
    random::Random,
    verdict::Finding,
};
use std::collections::BTreeMap;
use support::{
    Op, history,
    transactions::{Keys, Shape, Step, Txn, judged, ops, serial},
    vector,
};

fn shape(keys: Keys, random: &mut Random) -> Shape {
    Shape {
        keys,
        transactions: 5 + random.below(60) as usize,
        keys_max: 1 + random.below(5) as usize,
        spread: 1 + random.below(3000),
    }
}

#[test]
fn what_happened_one_after_the_other_holds_however_it_overlapped() {
    for seed in 0..2_000 {
        let mut random = Random::new(seed);
        for keys in [Keys::Lists, Keys::Registers] {
            let txns = serial(shape(keys, &mut random), &mut random);
            let verdict = judged(keys, &txns);
            assert_ne!(verdict.finding, Finding::Violated, "seed {seed}, {keys:?}: {verdict:#?}");
            if txns.len() > 30 {
                assert_eq!(verdict.finding, Finding::Holds, "seed {seed}, {keys:?}: {}", verdict.summary);
            }
        }
    }
}

/// Where a committed transaction read something of a list that it did not append to: its number, the step, the list, and
/// what it saw.
fn foreign_reads(txns: &[Txn]) -> Vec<(usize, usize, usize, Vec<i64>)> {
    let mut found = Vec::new();
    for (number, txn) in txns.iter().enumerate().filter(|(_, txn)| txn.outcome == Outcome::Ok) {
        for (place, step) in txn.steps.iter().enumerate() {
            let Step::Read(key, seen) = step else { continue };
            let own = |step: &Step| matches!(step, Step::Write(other, _) if other == key);
            let again = |step: &&Step| matches!(step, Step::Read(other, _) if other == key);
            if !txn.steps.iter().any(own) && txn.steps.iter().filter(again).count() == 1 && !seen.is_empty() {
                found.push((number, place, *key, seen.clone()));
            }
        }
    }
    found
}

fn writer(txns: &[Txn], key: usize, value: i64) -> usize {
    let writes = |step: &Step| matches!(step, Step::Write(k, v) if (*k, *v) == (key, value));
    txns.iter().position(|txn| txn.steps.iter().any(writes)).expect("somebody wrote it")
}

/// A change after which no order can explain the history; false where the history has no place for it.
type Mutation = fn(&mut [Txn], &mut Random) -> bool;

/// The last read has the whole list, so a read that lacks one of its middle is no beginning of it.
fn drop_an_element(txns: &mut [Txn], random: &mut Random) -> bool {
    let last = txns.len() - 1;
    let mut reads = foreign_reads(txns);
    reads.retain(|(number, _, _, seen)| *number != last && seen.len() > 1);
    if reads.is_empty() {
        return false;
    }
    let (number, place, key, mut seen) = random.pick(&reads).clone();
    seen.remove(random.below(seen.len() as u64 - 1) as usize);
    txns[number].steps[place] = Step::Read(key, seen);
    true
}

fn swap_two_elements(txns: &mut [Txn], random: &mut Random) -> bool {
    let last = txns.len() - 1;
    let mut reads = foreign_reads(txns);
    reads.retain(|(number, _, _, seen)| *number != last && seen.len() > 1);
    if reads.is_empty() {
        return false;
    }
    let (number, place, key, mut seen) = random.pick(&reads).clone();
    let at = random.below(seen.len() as u64 - 1) as usize;
    seen.swap(at, at + 1);
    txns[number].steps[place] = Step::Read(key, seen);
    true
}

/// A read that ended before what it saw was begun.
fn see_the_future(txns: &mut [Txn], random: &mut Random) -> bool {
    let last = txns.len() - 1;
    let mut reads = foreign_reads(txns);
    reads.retain(|(number, ..)| *number != last);
    if reads.is_empty() {
        return false;
    }
    let (number, _, key, seen) = random.pick(&reads).clone();
    let begun = txns[writer(txns, key, *seen.last().expect("not empty"))].begin;
    txns[number].end = begun - 1;
    txns[number].begin = begun - 2 - random.below(50);
    true
}

/// A read that lacks what was acknowledged before it began.
fn see_the_past(txns: &mut [Txn], random: &mut Random) -> bool {
    let mut choices = Vec::new();
    for (number, place, key, seen) in foreign_reads(txns) {
        for (at, value) in seen.iter().enumerate() {
            let writer = &txns[writer(txns, key, *value)];
            if writer.outcome == Outcome::Ok && writer.end < txns[number].begin {
                choices.push((number, place, key, seen[..at].to_vec()));
            }
        }
    }
    if choices.is_empty() {
        return false;
    }
    let (number, place, key, seen) = random.pick(&choices).clone();
    txns[number].steps[place] = Step::Read(key, seen);
    true
}

/// Somebody saw a transaction that says it failed.
fn deny_what_was_seen(txns: &mut [Txn], random: &mut Random) -> bool {
    let reads = foreign_reads(txns);
    if reads.is_empty() {
        return false;
    }
    let (_, _, key, seen) = random.pick(&reads).clone();
    let writer = writer(txns, key, *random.pick(&seen));
    txns[writer].outcome = Outcome::Fail;
    true
}

/// All that one transaction appended to a list is taken from every read; it says that it is committed.
fn lose_an_append(txns: &mut [Txn], random: &mut Random) -> bool {
    let last = txns.len() - 1;
    let committed: Vec<usize> = (0..last).filter(|number| txns[*number].outcome == Outcome::Ok).collect();
    if committed.is_empty() {
        return false;
    }
    let number = *random.pick(&committed);
    let lost: Vec<i64> = (txns[number].steps.iter())
        .filter_map(|step| if let Step::Write(_, value) = step { Some(*value) } else { None })
        .collect();
    for (other, txn) in txns.iter_mut().enumerate() {
        for step in &mut txn.steps {
            if let Step::Read(_, seen) = step
                && other != number
            {
                seen.retain(|value| !lost.contains(value));
            }
        }
    }
    !lost.is_empty()
}

fn mutated(keys: Keys, mutations: &[(&str, Mutation)]) {
    for (name, mutation) in mutations {
        let mut applied = 0;
        for seed in 0..400 {
            let mut random = Random::new(seed);
            let mut txns = serial(shape(keys, &mut random), &mut random);
            if mutation(&mut txns, &mut random) {
                applied += 1;
                let verdict = judged(keys, &txns);
                assert_eq!(verdict.finding, Finding::Violated, "{name}, seed {seed}: {txns:#?}");
            }
        }
        assert!(applied > 200, "{name} found a place only {applied} times");
    }
}

#[test]
fn a_mistake_in_lists_is_found() {
    mutated(
        Keys::Lists,
        &[
            ("drop an element", drop_an_element),
            ("swap two elements", swap_two_elements),
            ("see the future", see_the_future),
            ("see the past", see_the_past),
            ("deny what was seen", deny_what_was_seen),
            ("lose an append", lose_an_append),
        ],
    );
}

/// A read that goes back to what was written over: both writes were acknowledged, one after the other, before it began.
fn see_an_old_value(txns: &mut [Txn], random: &mut Random) -> bool {
    let mut written: BTreeMap<usize, Vec<(usize, i64)>> = BTreeMap::new();
    for (number, txn) in txns.iter().enumerate().filter(|(_, txn)| txn.outcome == Outcome::Ok) {
        let mut left = BTreeMap::new();
        for step in &txn.steps {
            if let Step::Write(key, value) = step {
                left.insert(*key, *value);
            }
        }
        left.into_iter().for_each(|(key, value)| written.entry(key).or_default().push((number, value)));
    }
    let mut choices = Vec::new();
    for (number, place, key, _) in foreign_reads(txns) {
        let writes = written.get(&key).map_or(&[][..], Vec::as_slice);
        for (older, value) in writes {
            let over = |(newer, _): &(usize, i64)| {
                txns[*older].end < txns[*newer].begin && txns[*newer].end < txns[number].begin
            };
            if writes.iter().any(over) {
                choices.push((number, place, key, vec![*value]));
            }
        }
    }
    if choices.is_empty() {
        return false;
    }
    let (number, place, key, seen) = random.pick(&choices).clone();
    txns[number].steps[place] = Step::Read(key, seen);
    true
}

fn deny_a_value_that_was_seen(txns: &mut [Txn], random: &mut Random) -> bool {
    let reads = foreign_reads(txns);
    if reads.is_empty() {
        return false;
    }
    let (_, _, key, seen) = random.pick(&reads).clone();
    let writer = writer(txns, key, *seen.last().expect("not empty"));
    txns[writer].outcome = Outcome::Fail;
    true
}

#[test]
fn a_mistake_in_registers_is_found() {
    mutated(
        Keys::Registers,
        &[
            ("see the future", see_the_future),
            ("see an old value", see_an_old_value),
            ("deny what was seen", deny_a_value_that_was_seen),
        ],
    );
}

#[test]
fn a_history_of_20000_operations_is_judged() {
    let mut random = Random::new(1);
    for keys in [Keys::Lists, Keys::Registers] {
        // Ten keys with thousands of versions each would make every read of a list long; real workloads move on.
        let shape = Shape { keys, transactions: 20_000, keys_max: 200, spread: 2_000 };
        let mut txns = serial(shape, &mut random);
        assert_eq!(judged(keys, &txns).finding, Finding::Holds);
        assert!(see_the_future(&mut txns, &mut random));
        assert_eq!(judged(keys, &txns).finding, Finding::Violated);
    }
}

/// A long history of one register: what is open at once counts, and not the length.
#[test]
fn a_register_with_20000_operations_is_judged() {
    let mut random = Random::new(2);
    let keyed = |value| vector([Value::Int(1), value]);
    let mut state = Value::Int(0);
    let mut ops: Vec<Op> = (0..20_000_u64)
        .map(|number| {
            let moment = 10_000 + number * 100;
            let unknown = random.chance(20);
            let (f, asked, got) = if random.chance(400) {
                let value = Value::Int(number as i64 + 1);
                if !unknown || random.chance(500) {
                    state = value.clone();
                }
                ("write", value.clone(), value)
            } else {
                ("read", Value::Nil, state.clone())
            };
            Op {
                begin: moment - random.below(800),
                end: moment + 1 + random.below(800),
                outcome: if unknown { Outcome::Unknown } else { Outcome::Ok },
                f,
                asked: keyed(asked),
                got: keyed(got),
            }
        })
        .collect();
    let options = linearizability::Options { initial: Value::Int(0), ..Default::default() };
    let verdict = linearizability::check_with(&history(&ops), &options);
    assert_eq!(verdict.finding, Finding::Holds, "{}", verdict.summary);
    ops[15_000].got = keyed(Value::Int(3));
    (ops[15_000].f, ops[15_000].outcome) = ("read", Outcome::Ok);
    let verdict = linearizability::check_with(&history(&ops), &options);
    assert_eq!(verdict.finding, Finding::Violated, "{}", verdict.summary);
}

#[test]
fn a_search_without_an_end_gives_up() {
    // Thirty writes of unknown outcome and reads that see them in turn: any subset may have happened.
    let keyed = |value| vector([Value::Int(1), value]);
    let op = |begin, f, value, outcome| Op {
        begin,
        end: if outcome == Outcome::Ok { begin + 1 } else { 1000 },
        outcome,
        f,
        asked: keyed(Value::Int(value)),
        got: keyed(Value::Int(value)),
    };
    let mut ops: Vec<Op> =
        (0..30).map(|number| op(number, "write", number as i64, Outcome::Unknown)).collect();
    ops.extend((0..30).map(|number| op(100 + number * 10, "read", number as i64, Outcome::Ok)));
    let options = linearizability::Options { configurations_max: 10, ..Default::default() };
    assert_eq!(linearizability::check_with(&history(&ops), &options).finding, Finding::Unknown);
    assert_eq!(linearizability::check(&history(&ops)).finding, Finding::Holds);
}

#[test]
fn what_cannot_be_judged_is_unknown() {
    let empty = History::default();
    for verdict in [list_append::check(&empty), register::check(&empty), linearizability::check(&empty)] {
        assert_eq!(verdict.finding, Finding::Unknown);
        assert!(verdict.summary.starts_with("not judged"), "{}", verdict.summary);
    }
    let twice = |outcome| Txn { begin: 1, end: 2, outcome, steps: vec![Step::Write(0, 1)] };
    let verdict = judged(Keys::Lists, &[twice(Outcome::Fail), twice(Outcome::Ok)]);
    assert_eq!(verdict.finding, Finding::Unknown);
    assert!(verdict.summary.contains("written to key 0 twice"), "{}", verdict.summary);
    let mut broken = history(&ops(Keys::Lists, &[twice(Outcome::Ok)]));
    broken.events.swap(0, 1);
    assert!(list_append::check(&broken).summary.contains("has none open"));
    let mut misshapen = history(&ops(Keys::Lists, &[twice(Outcome::Ok)]));
    misshapen.events[1].value = Value::Int(3);
    assert!(list_append::check(&misshapen).summary.contains("the operation of index 0 has the value 3"));
}
