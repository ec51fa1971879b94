//! How long each fault was felt: by the operations that were open when it began, and by all together.

use super::{faults, operations::Operation, words};
use crate::{history::Outcome, run::Fault};
use maud::{Markup, html};

/// More faults are not listed, the least felt left out first.
const LISTED_MAX: usize = 60;

/// What clients felt of one fault.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Felt {
    /// Operations that were open when it began.
    open: usize,
    /// Those of them whose clients never heard anything.
    never_ended: usize,
    /// From its beginning until the last of them had ended.
    open_ended_after_ns: Option<u64>,
    /// From its beginning until an operation that began later had succeeded.
    success_after_ns: Option<u64>,
    /// The longest time without any success that overlaps it.
    silence_ns: Option<u64>,
}

pub(super) fn table(operations: &[Operation], all_faults: &[Fault]) -> Markup {
    let mut successes: Vec<(u64, u64)> = operations
        .iter()
        .filter(|operation| operation.outcome == Outcome::Ok)
        .filter_map(|operation| Some((operation.end_ns()?, operation.begin_ns())))
        .collect();
    successes.sort_unstable();
    let mut rows: Vec<(usize, &Fault, Felt)> = all_faults
        .iter()
        .enumerate()
        .map(|(number, fault)| (number, fault, felt(fault, operations, &successes)))
        .collect();
    let hidden = rows.len().saturating_sub(LISTED_MAX);
    if hidden > 0 {
        // No success after it is the worst.
        rows.sort_by_key(|(_, _, felt)| std::cmp::Reverse(felt.silence_ns.unwrap_or(u64::MAX)));
        rows.truncate(LISTED_MAX);
        rows.sort_by_key(|(number, ..)| *number);
    }
    html! {
        div class="wide" { table {
            thead { tr {
                th { "fault" } th { "kind" } th { "targets" } th class="n" { "began (s)" } th class="n" { "lasted" }
                th class="n" { "operations open then" } th class="n" { "the last of them ended after" }
                th class="n" { "the next success came after" } th class="n" { "longest time without success" }
            } }
            tbody {
                @for (number, fault, felt) in &rows {
                    tr {
                        td { "F" (number + 1) }
                        td { (fault.kind) }
                        td { (fault.targets.join(", ")) }
                        td class="n" { (words::seconds(fault.from_ns)) }
                        td class="n" { (faults::lasted(fault)) }
                        td class="n" { (words::thousands(felt.open)) }
                        td class="n" { (open_ended(felt)) }
                        td class="n" { (or_never(felt.success_after_ns)) }
                        td class="n" { (felt.silence_ns.map_or("to the end".to_owned(), words::duration)) }
                    }
                }
            }
        } }
        p class="muted" {
            "All times count from the beginning of the fault, over all clients; the next success is that of an operation "
            "that began after the fault. The longest time without success is between two successes, at least in part during the fault. "
            @if hidden > 0 { (words::thousands(hidden)) " faults that were felt less are not listed." }
        }
    }
}

fn open_ended(felt: &Felt) -> String {
    match (felt.open, felt.never_ended, felt.open_ended_after_ns) {
        (0, _, _) => "none was open".to_owned(),
        (_, 0, after) => or_never(after),
        (_, never, None) => format!("{never} never ended"),
        (_, never, Some(after)) => format!("{}; {never} never ended", words::duration(after)),
    }
}

fn or_never(ns: Option<u64>) -> String {
    ns.map_or("never".to_owned(), words::duration)
}

/// Successes are given as (ended, began), sorted.
fn felt(fault: &Fault, operations: &[Operation], successes: &[(u64, u64)]) -> Felt {
    let from = fault.from_ns;
    let open: Vec<&Operation> = operations
        .iter()
        .take_while(|operation| operation.begin_ns() < from)
        .filter(|operation| operation.end_ns().is_none_or(|to| to >= from))
        .collect();
    let ends = || open.iter().filter_map(|operation| operation.end_ns());
    let first_after = successes.partition_point(|(ended, _)| *ended < from);
    let success = successes[first_after..].iter().find(|(_, began)| *began >= from);
    Felt {
        open: open.len(),
        never_ended: open.len() - ends().count(),
        open_ended_after_ns: ends().max().map(|to| to - from),
        success_after_ns: success.map(|(ended, _)| ended - from),
        silence_ns: silence(fault, successes, first_after),
    }
}

/// The longest time between successes that overlaps a fault; none if no success follows it.
fn silence(fault: &Fault, successes: &[(u64, u64)], first_after: usize) -> Option<u64> {
    let to = fault.to_ns.unwrap_or(u64::MAX);
    // Before the first success, the silence is counted from the fault.
    let mut before = first_after.checked_sub(1).map_or(fault.from_ns, |last| successes[last].0);
    let mut longest = None;
    for (ended, _) in &successes[first_after..] {
        if before > to {
            break;
        }
        longest = longest.max(Some(ended - before));
        before = *ended;
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Event, History, Kind, Process, Value};
    use crate::report::operations::of as pair;

    fn history(lines: &[(u64, u64, Kind)]) -> History {
        let event = |(index, &(time_ns, process, kind)): (usize, &(u64, u64, Kind))| Event {
            index: index as u64,
            time_ns,
            process: Process::Client(process),
            kind,
            f: "txn".into(),
            value: Value::Nil,
            error: None,
            txn: None,
        };
        History { events: lines.iter().enumerate().map(event).collect() }
    }

    fn of(history: &History, from_ns: u64, to_ns: Option<u64>) -> Felt {
        let operations = of(history);
        let mut successes: Vec<(u64, u64)> = operations
            .iter()
            .filter(|operation| operation.outcome == Outcome::Ok)
            .filter_map(|operation| Some((operation.end_ns()?, operation.begin_ns())))
            .collect();
        successes.sort_unstable();
        let fault = Fault { kind: "kill".into(), targets: vec![], from_ns, to_ns, detail: String::new() };
        felt(&fault, &operations, &successes)
    }

    #[test]
    fn an_operation_that_was_open_counts_until_it_ends() {
        let history = history(&[
            (10, 0, Kind::Invoke),
            (20, 0, Kind::Ok),
            (30, 0, Kind::Invoke),
            (45, 1, Kind::Invoke),
            (60, 1, Kind::Ok),
            (90, 0, Kind::Ok),
        ]);
        let felt = of(&history, 40, Some(50));
        assert_eq!(felt.open, 1);
        assert_eq!(felt.open_ended_after_ns, Some(50));
        assert_eq!(felt.success_after_ns, Some(20));
        assert_eq!(felt.silence_ns, Some(40));
    }

    #[test]
    fn nothing_after_a_fault_for_good_is_never() {
        let history = history(&[(10, 0, Kind::Invoke), (20, 0, Kind::Ok), (30, 0, Kind::Invoke)]);
        let felt = of(&history, 40, None);
        assert_eq!(felt.never_ended, 1);
        assert_eq!(felt.success_after_ns, None);
        assert_eq!(felt.silence_ns, None);
    }
}
