//! The checkers on small random histories, against a search through all orders.

mod support;

use assent_lab::{
    checkers::linearizability,
    history::{Outcome, Value},
    random::Random,
    verdict::Finding,
};
use support::{
    Op, history,
    transactions::{Keys, Shape, State, Step, Txn, apply, judged, ops, serial},
    vector,
};

/// Changes what some reads saw to what other reads or nobody saw.
fn disturb(txns: &mut [Txn], random: &mut Random) {
    for txn in txns.iter_mut() {
        for step in &mut txn.steps {
            let Step::Read(_, seen) = step else { continue };
            match random.below(8) {
                0 => drop(seen.pop()),
                1 if seen.len() > 1 => drop(seen.remove(0)),
                2 if seen.len() > 1 => {
                    let last = seen.len() - 1;
                    seen.swap(last, last - 1);
                }
                3 => seen.push(1 + random.below(6) as i64),
                _ => {}
            }
        }
    }
}

fn any_order(keys: Keys, keys_max: usize, txns: &[Txn]) -> bool {
    let step = |state: &State, number: usize| {
        let mut after = state.clone();
        for step in &txns[number].steps {
            match step {
                Step::Write(key, value) => apply(keys, &mut after, *key, *value),
                // What a transaction of unknown outcome read is not known.
                Step::Read(..) if txns[number].outcome == Outcome::Unknown => {}
                Step::Read(key, seen) => {
                    let same = match keys {
                        Keys::Lists => after[*key] == *seen,
                        Keys::Registers => after[*key].last() == seen.last(),
                    };
                    if !same {
                        return None;
                    }
                }
            }
        }
        Some(after)
    };
    let mut left: Vec<usize> =
        (0..txns.len()).filter(|number| txns[*number].outcome != Outcome::Fail).collect();
    has_order(&ops(keys, txns), &vec![Vec::new(); keys_max], &mut left, &step)
}

/// With a last read of every list the order of all versions is known, so nothing can hide.
#[test]
fn small_lists_are_judged_as_by_trying_all_orders() {
    let mut counts = [0, 0];
    for seed in 0..6_000 {
        let mut random = Random::new(seed);
        let keys_max = 1 + random.below(2) as usize;
        let transactions = 1 + random.below(4) as usize;
        let shape = Shape { keys: Keys::Lists, transactions, keys_max, spread: 1 + random.below(400) };
        let mut txns = serial(shape, &mut random);
        if random.chance(800) {
            disturb(&mut txns, &mut random);
        }
        let explained = any_order(Keys::Lists, keys_max, &txns);
        let verdict = judged(Keys::Lists, &txns);
        counts[usize::from(explained)] += 1;
        assert_eq!(verdict.finding != Finding::Violated, explained, "seed {seed}: {txns:#?}\n{verdict:#?}");
    }
    assert!(counts.iter().all(|count| *count > 1000), "{counts:?}");
}

/// Registers hide some mistakes; but what is reported must be one.
#[test]
fn small_registers_are_never_blamed_for_what_an_order_explains() {
    let mut counts = [0, 0, 0];
    for seed in 0..6_000 {
        let mut random = Random::new(seed);
        let keys_max = 1 + random.below(2) as usize;
        let transactions = 1 + random.below(5) as usize;
        let shape = Shape { keys: Keys::Registers, transactions, keys_max, spread: 1 + random.below(400) };
        let mut txns = serial(shape, &mut random);
        if random.chance(800) {
            disturb(&mut txns, &mut random);
        }
        let explained = any_order(Keys::Registers, keys_max, &txns);
        let verdict = judged(Keys::Registers, &txns);
        let blamed = verdict.finding == Finding::Violated;
        assert!(!(blamed && explained), "seed {seed}: {txns:#?}\n{verdict:#?}");
        counts[usize::from(explained) + 2 * usize::from(!explained && blamed)] += 1;
    }
    let [hidden, explained, blamed] = counts;
    assert!(explained > 1000 && blamed > 1000, "{counts:?}");
    assert!(hidden * 20 < blamed, "hidden: {hidden}, found: {blamed}");
}

/// Reads, writes and compare-and-sets of one register, with values that come again, so that who wrote what is open.
fn calls(random: &mut Random) -> Vec<Op> {
    let small = |random: &mut Random| Value::Int(random.below(3) as i64);
    let keyed = |value| vector([Value::Int(1), value]);
    (0..2 + random.below(6))
        .map(|_| {
            let begin = random.below(30);
            let end = begin + 1 + random.below(12);
            let outcome = match random.below(8) {
                0 => Outcome::Fail,
                1 => Outcome::Unknown,
                _ => Outcome::Ok,
            };
            let (f, asked, got) = match random.below(5) {
                0 | 1 => ("read", Value::Nil, small(random)),
                2 => {
                    let swap = vector([small(random), small(random)]);
                    ("cas", swap.clone(), swap)
                }
                _ => {
                    let value = small(random);
                    ("write", value.clone(), value)
                }
            };
            Op { begin, end, outcome, f, asked: keyed(asked), got: keyed(got) }
        })
        .collect()
}

fn call_step(ops: &[Op], state: &Value, number: usize) -> Option<Value> {
    let Value::Vector(parts) = &ops[number].got else { panic!("it is [key value]") };
    match (ops[number].f, &parts[1]) {
        ("write", value) => Some(value.clone()),
        ("read", value) => (ops[number].outcome == Outcome::Unknown || value == state).then(|| state.clone()),
        (_, Value::Vector(swap)) => (swap[0] == *state).then(|| swap[1].clone()),
        (_, other) => panic!("{other} is no compare-and-set"),
    }
}

#[test]
fn small_registers_are_linearizable_exactly_if_an_order_exists() {
    let options = linearizability::Options { initial: Value::Int(0), ..Default::default() };
    let mut counts = [0, 0];
    for seed in 0..20_000 {
        let ops = calls(&mut Random::new(seed));
        let mut left: Vec<usize> =
            (0..ops.len()).filter(|number| ops[*number].outcome != Outcome::Fail).collect();
        let explained =
            has_order(&ops, &Value::Int(0), &mut left, &|state, number| call_step(&ops, state, number));
        let verdict = linearizability::check_with(&history(&ops), &options);
        counts[usize::from(explained)] += 1;
        assert_eq!(verdict.finding != Finding::Violated, explained, "seed {seed}: {ops:#?}\n{verdict:#?}");
    }
    assert!(counts.iter().all(|count| *count > 3000), "{counts:?}");
}

/// Whether some order explains the operations. `begin` and `end` are their moments, `optional` those that need not have
/// happened; `step` gives the state after an operation, or none if it cannot happen in this one.
fn has_order<S: Clone>(
    ops: &[Op],
    state: &S,
    left: &mut Vec<usize>,
    step: &dyn Fn(&S, usize) -> Option<S>,
) -> bool {
    if left.iter().all(|number| ops[*number].outcome != Outcome::Ok) {
        return true;
    }
    let horizon = left.iter().map(|number| end(&ops[*number])).min().unwrap_or(u64::MAX);
    for place in 0..left.len() {
        let number = left[place];
        // What ended before it began must come first.
        if ops[number].begin > horizon {
            continue;
        }
        if let Some(after) = step(state, number) {
            left.remove(place);
            let found = has_order(ops, &after, left, step);
            left.insert(place, number);
            if found {
                return true;
            }
        }
    }
    false
}

fn end(op: &Op) -> u64 {
    if op.outcome == Outcome::Ok { op.end } else { u64::MAX }
}
