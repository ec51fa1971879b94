//! Transactions over registers are strictly serializable: `:f :txn` with `[:w key value]` and `[:r key value]`, nil for a
//! register that was never written.
//!
//! A register shows only its last value, so the order of its versions has to be inferred. What is inferred, and why that
//! is sound where the claim is strict serializability (a value is written to a key at most once in the whole history,
//! and registers begin empty):
//!
//! - Nil comes before every value, as nobody writes nil.
//! - A transaction that reads one value and writes another puts the second right behind the first.
//! - Of two versions, the one that some transaction saw or wrote and ended before another transaction began that saw or
//!   wrote the other, is the earlier: the state moves only on, and those two happened in the order of real time.
//!
//! A dependency that rests on the last makes a cycle one of real time (`-realtime`). The rest is as for
//! [`list_append`](super::list_append): `internal`, `garbage read`, `G1a`, `G1b` (another transaction saw a value that
//! its writer wrote over in the same transaction), and the cycles. What those three do not order stays unordered, so
//! registers hide mistakes that lists show.

mod edges;
mod versions;

use super::{
    cycles,
    report::{Report, not_judged},
    transactions::Transactions,
    words,
};
use crate::{
    history::History,
    verdict::{Finding, Table, Verdict},
};

const NAME: &str = "rw-register";

/// Whether the transactions of a history are strictly serializable, as far as registers can show it.
pub fn check(history: &History) -> Verdict {
    let transactions = match Transactions::read(history, "w") {
        Ok(transactions) => transactions,
        Err(why) => return not_judged(NAME, why),
    };
    let mut report = Report::default();
    let registers = versions::gather(&transactions, &mut report);
    let graph = edges::graph(&transactions, &registers);
    let mut told = vec![false; transactions.list.len()];
    for (writer, reader, _) in registers.iter().flat_map(|register| &register.within) {
        // A cycle through these says the same again.
        told[*writer as usize] = true;
        told[*reader as usize] = true;
    }
    for cycle in cycles::find(&graph, &transactions, told) {
        let because =
            |edge: &_, from: &str, to: &str| edges::because(edge, from, to, &transactions, &registers);
        report.add(cycle.class(), || words::cycle(&cycle, &transactions, because));
    }
    let [committed, aborted, unknown] = transactions.outcomes();
    let versions: usize = registers.iter().map(|register| register.versions.len() - 1).sum();
    let reads: usize =
        registers.iter().flat_map(|of| &of.versions).map(|version| version.readers.len()).sum();
    let summary = format!(
        "{} transactions: {committed} committed, {aborted} aborted, {unknown} of unknown outcome; {} registers, {versions} \
         versions that were certainly written, {reads} reads",
        transactions.list.len(),
        transactions.keys.len(),
    );
    let nothing = graph.edges().is_empty();
    let (summary, otherwise) = if nothing {
        (
            format!("{summary}; no two transactions met on a register, so nothing can be said"),
            Finding::Unknown,
        )
    } else {
        (summary, Finding::Holds)
    };
    let row = |name: &str, count: usize| vec![name.to_owned(), count.to_string()];
    let figures = Table {
        title: "What was judged".into(),
        columns: vec!["what".into(), "count".into()],
        rows: vec![
            row("transactions", transactions.list.len()),
            row("dependencies", graph.edges().len()),
            row("versions", versions),
        ],
    };
    report.verdict(NAME, summary, otherwise, vec![figures])
}
