//! Cycles in words, for readers who never saw a dependency graph.

use super::{
    cycles::{Cycle, Step},
    graph::Edge,
    transactions::{Transactions, Txn},
};
use crate::history::{Operation, Value};

/// Elements of a list that are shown at its end, at most.
const ELEMENTS_SHOWN_MAX: usize = 6;
/// Bytes of a value that are shown, at most.
const VALUE_BYTES_SHOWN_MAX: usize = 200;

/// A value, cut in the middle if it is long.
pub(super) fn short(value: &Value) -> String {
    let text = value.to_string();
    if text.len() <= VALUE_BYTES_SHOWN_MAX {
        return text;
    }
    let head: String = text.chars().take(VALUE_BYTES_SHOWN_MAX / 2).collect();
    let tail: Vec<char> = text.chars().rev().take(VALUE_BYTES_SHOWN_MAX / 2).collect();
    format!("{head} … {}", tail.into_iter().rev().collect::<String>())
}

/// The end of a list.
pub(super) fn list(values: &[Value]) -> String {
    let from = values.len().saturating_sub(ELEMENTS_SHOWN_MAX);
    let mut words: Vec<String> = values[from..].iter().map(short).collect();
    if from > 0 {
        words.insert(0, "…".into());
    }
    format!("[{}]", words.join(" "))
}

/// Where an operation stands in the history, and which transaction it is.
pub(super) fn place(operation: &Operation<'_>) -> String {
    let index = operation.invocation.index;
    match &operation.invocation.txn {
        Some(txn) => format!("(index {index}, {txn})"),
        None => format!("(index {index})"),
    }
}

/// `T1 (index 4)` for one of the transactions that are told of together.
pub(super) fn named(number: usize, txn: Txn, transactions: &Transactions<'_>) -> String {
    format!("T{number} {}", place(&transactions.of(txn).operation))
}

/// The indexes of the lines of some transactions.
pub(super) fn lines(txns: &[Txn], transactions: &Transactions<'_>) -> Vec<u64> {
    txns.iter().flat_map(|txn| transactions.of(*txn).operation.indexes()).collect()
}

/// A cycle in words, with the lines that show it. `because` says why one transaction must come before another, given
/// their names.
pub(super) fn cycle(
    cycle: &Cycle,
    transactions: &Transactions<'_>,
    because: impl Fn(&Edge, &str, &str) -> String,
) -> (String, Vec<u64>) {
    let mut steps = cycle.steps.clone();
    let first = (0..steps.len()).min_by_key(|place| steps[*place].from()).unwrap_or(0);
    steps.rotate_left(first);
    let txns: Vec<Txn> = steps.iter().map(Step::from).collect();
    let count = txns.len();
    let mut sentences = Vec::new();
    for (place, step) in steps.iter().enumerate() {
        let next = (place + 1) % count;
        // Where a transaction stands in the history is said when it is named first.
        let from = if place == 0 { named(1, txns[0], transactions) } else { format!("T{}", place + 1) };
        let to = if next == 0 { "T1".to_owned() } else { named(next + 1, txns[next], transactions) };
        sentences.push(match step {
            Step::Dependency(edge) => because(edge, &from, &to),
            Step::RealTime { .. } => {
                let end = transactions.of(txns[place]).operation.completion.map_or(0, |event| event.index);
                let begin = transactions.of(txns[next]).operation.invocation.index;
                format!("{from} had ended at index {end} before {to} began at index {begin}")
            }
        });
    }
    let mut order: Vec<String> =
        (1..count).map(|number| format!("T{number} before T{}", number + 1)).collect();
    order.push(format!("T{count} before T1"));
    let order = order.join(", ");
    let words =
        format!("{}. So {order}: no order of them exists{}.", sentences.join("; "), meaning(cycle.class()));
    (words, lines(&txns, transactions))
}

/// What a class means, for one who does not know it.
fn meaning(class: &str) -> &'static str {
    match class.strip_suffix("-realtime").unwrap_or(class) {
        "G0" => " (their writes are mixed)",
        "G1c" => " (each rests on what the other wrote)",
        "G-single" => {
            " (one read a state that misses a part of another: a stale or torn read, or a lost update)"
        }
        "G2" => " (each read a state without the writes of another: write skew, or a lost update)",
        _ => "",
    }
}
