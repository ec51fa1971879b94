//! Random serial executions, told as if their transactions had overlapped.

use super::{Op, history, keyword, vector};
use assent_lab::{
    checkers::{list_append, register},
    history::{History, Outcome, Value},
    random::Random,
    verdict::Verdict,
};

/// What kind of keys transactions work on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Keys {
    Lists,
    Registers,
}

/// One step of a transaction, with what it saw.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Write(usize, i64),
    Read(usize, Vec<i64>),
}

/// A transaction, and when it happens.
#[derive(Clone, Debug)]
pub(crate) struct Txn {
    pub(crate) begin: u64,
    pub(crate) end: u64,
    pub(crate) outcome: Outcome,
    pub(crate) steps: Vec<Step>,
}

/// How histories are drawn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) keys: Keys,
    pub(crate) transactions: usize,
    pub(crate) keys_max: usize,
    /// How far an operation reaches around the moment at which it takes effect; serial moments are 100 apart.
    pub(crate) spread: u64,
}

pub(crate) type State = Vec<Vec<i64>>;

pub(crate) fn apply(keys: Keys, state: &mut State, key: usize, value: i64) {
    match keys {
        Keys::Lists => state[key].push(value),
        Keys::Registers => state[key] = vec![value],
    }
}

/// A serial execution, told as if its transactions had overlapped; at the end a read of every key.
pub(crate) fn serial(shape: Shape, random: &mut Random) -> Vec<Txn> {
    let mut state: State = vec![Vec::new(); shape.keys_max];
    let mut value = 0;
    let mut txns = Vec::new();
    for number in 0..shape.transactions as u64 {
        let moment = 100_000 + number * 100;
        let outcome = match random.below(10) {
            0 => Outcome::Fail,
            1 => Outcome::Unknown,
            _ => Outcome::Ok,
        };
        let happens = outcome == Outcome::Ok || outcome == Outcome::Unknown && random.chance(500);
        let mut after = state.clone();
        let steps = (0..1 + random.below(4))
            .map(|_| {
                let key = random.below(shape.keys_max as u64) as usize;
                if random.chance(500) {
                    value += 1;
                    apply(shape.keys, &mut after, key, value);
                    Step::Write(key, value)
                } else {
                    Step::Read(key, after[key].clone())
                }
            })
            .collect();
        if happens {
            state = after;
        }
        let (begin, end) = (moment - random.below(shape.spread), moment + 1 + random.below(shape.spread));
        txns.push(Txn { begin, end, outcome, steps });
    }
    let begin = 200_000 + shape.transactions as u64 * 100 + shape.spread;
    let steps = state.iter().enumerate().map(|(key, seen)| Step::Read(key, seen.clone())).collect();
    txns.push(Txn { begin, end: begin + 1, outcome: Outcome::Ok, steps });
    txns
}

pub(crate) fn ops(keys: Keys, txns: &[Txn]) -> Vec<Op> {
    let write = if keys == Keys::Lists { "append" } else { "w" };
    let seen = |values: &[i64]| match (keys, values.last()) {
        (Keys::Lists, _) => vector(values.iter().copied().map(Value::Int)),
        (Keys::Registers, Some(value)) => Value::Int(*value),
        (Keys::Registers, None) => Value::Nil,
    };
    let value = |txn: &Txn, ended: bool| {
        vector(txn.steps.iter().map(|step| match step {
            Step::Write(key, value) => vector([keyword(write), Value::Int(*key as i64), Value::Int(*value)]),
            Step::Read(key, values) => {
                let seen = if ended { seen(values) } else { Value::Nil };
                vector([keyword("r"), Value::Int(*key as i64), seen])
            }
        }))
    };
    let op = |txn: &Txn| Op {
        begin: txn.begin,
        end: txn.end,
        outcome: txn.outcome,
        f: "txn",
        asked: value(txn, false),
        got: value(txn, true),
    };
    txns.iter().map(op).collect()
}

pub(crate) fn judge(keys: Keys, history: &History) -> Verdict {
    match keys {
        Keys::Lists => list_append::check(history),
        Keys::Registers => register::check(history),
    }
}

pub(crate) fn judged(keys: Keys, txns: &[Txn]) -> Verdict {
    judge(keys, &history(&ops(keys, txns)))
}
