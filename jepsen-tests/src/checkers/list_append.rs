//! Transactions over lists are strictly serializable: `:f :txn` with `[:append key value]` and `[:r key [values]]`.
//!
//! A list shows its own history, so the order of all versions is known from what was read, and every dependency between
//! transactions follows from it (Kingsbury & Alvaro, *Elle*, VLDB 2020). What is relied on: a value is appended to a key
//! at most once in the whole history, and lists begin empty.
//!
//! | class | what was seen |
//! | --- | --- |
//! | `internal` | a transaction does not see its own appends, or two of its reads differ otherwise |
//! | `duplicate elements` | a value is in a list twice |
//! | `garbage read` | a value that nobody appended |
//! | `G1a` | a value of a transaction that had failed |
//! | `G1b` | a state between two appends of one transaction |
//! | `incompatible order` | two reads of a key, neither of which begins like the other |
//! | `lost append` | an acknowledged append that the last read lacks, though whoever saw it had ended before |
//! | `G0` `G1c` `G-single` `G2` | a cycle of dependencies |
//! | the same with `-realtime` | a cycle that uses that one transaction had ended before another began |
//!
//! A transaction of unknown outcome counts as committed if somebody saw a value of it, and not at all otherwise. An
//! acknowledged append that no read has comes after all that were read: had it come before, it would be there.

mod edges;
mod reads;

use super::{
    cycles,
    report::{Report, not_judged},
    transactions::{Action, Transactions},
    words,
};
use crate::{
    history::History,
    verdict::{Finding, Table, Verdict},
};

const NAME: &str = "list-append";

/// Whether the transactions of a history are strictly serializable.
pub fn check(history: &History) -> Verdict {
    let transactions = match Transactions::read(history, "append") {
        Ok(transactions) => transactions,
        Err(why) => return not_judged(NAME, why),
    };
    let mut report = Report::default();
    let lists = match reads::gather(&transactions, &mut report) {
        Ok(lists) => lists,
        Err(why) => return not_judged(NAME, why),
    };
    let told = reads::judge(&transactions, &lists, &mut report);
    let (graph, included) = edges::graph(&transactions, &lists);
    for cycle in cycles::find(&graph, &transactions, told) {
        let because = |edge: &_, from: &str, to: &str| edges::because(edge, from, to, &transactions, &lists);
        report.add(cycle.class(), || words::cycle(&cycle, &transactions, because));
    }
    let [committed, aborted, unknown] = transactions.outcomes();
    let seen = included.iter().filter(|included| **included).count() - committed;
    let reads: usize = lists.iter().map(|list| list.reads.len()).sum();
    let appends: usize = transactions
        .list
        .iter()
        .map(|txn| txn.actions.iter().filter(|action| matches!(action, Action::Write { .. })).count())
        .sum();
    let summary = format!(
        "{} transactions: {committed} committed, {aborted} aborted, {unknown} of unknown outcome, {seen} of which were \
         seen to be committed; {} lists, {appends} appends, {reads} reads",
        transactions.list.len(),
        transactions.keys.len(),
    );
    let nothing = graph.edges().is_empty();
    let (summary, otherwise) = if nothing {
        (format!("{summary}; no two transactions met on a list, so nothing can be said"), Finding::Unknown)
    } else {
        (summary, Finding::Holds)
    };
    report.verdict(NAME, summary, otherwise, vec![figures(&transactions, &lists, &graph)])
}

fn figures(transactions: &Transactions<'_>, lists: &[reads::List<'_>], graph: &super::graph::Graph) -> Table {
    let longest = lists.iter().map(|list| list.order.len()).max().unwrap_or(0);
    let unseen: usize = lists.iter().map(|list| list.unseen.len()).sum();
    let row = |name: &str, count: usize| vec![name.to_owned(), count.to_string()];
    Table {
        title: "What was judged".into(),
        columns: vec!["what".into(), "count".into()],
        rows: vec![
            row("transactions", transactions.list.len()),
            row("dependencies", graph.edges().len()),
            row("elements of the longest list", longest),
            row("transactions with appends that no read has, each list counted", unseen),
        ],
    }
}
