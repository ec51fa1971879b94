//! Single operations on registers are linearizable (Herlihy & Wing 1990): `:f :read`, `:write` or `:cas`, with the value
//! `[key value]`, for a compare-and-set `[key [old new]]`.
//!
//! Registers are judged one by one, which is enough: linearizability is local. A read of nil says nothing, as for
//! Knossos: write "absent" as a value. An operation that failed has not happened. One of unknown outcome stays open for
//! ever: it may happen at any time after it began, or never.
//!
//! On a violation the operation is named at whose end no order is left; up to the line before, there is one.

mod calls;
mod search;

use super::{
    report::{Report, not_judged},
    words,
};
use crate::{
    history::{History, Operation, Outcome, Process, Value},
    verdict::{Finding, Table, Verdict},
};
use calls::{Act, Register};
use search::Search;

const NAME: &str = "linearizability";
/// Values and operations that are named in a sentence, at most.
const NAMED_MAX: usize = 5;

/// What the search is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// What every register holds before it is written.
    pub initial: Value,
    /// Configurations that are tried for one register before the search gives up. Higher needs more memory and time in
    /// histories with many operations open at once, and leaves less unknown.
    pub configurations_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options { initial: Value::Nil, configurations_max: 2_000_000 }
    }
}

/// How the judging of one register ended.
#[derive(Debug)]
enum Found {
    /// There is an order.
    Order,
    /// There is none at the end of this call, when the register could hold only these values.
    NoOrder { call: usize, states: Vec<u32> },
    /// It took too much.
    GivenUp(String),
}

/// Whether every register of a history is linearizable, begun with nil.
pub fn check(history: &History) -> Verdict {
    check_with(history, &Options::default())
}

/// Whether every register of a history is linearizable.
pub fn check_with(history: &History, options: &Options) -> Verdict {
    if let Err(error) = history.check() {
        return not_judged(NAME, format!("not judged: {error}"));
    }
    let operations = history.operations();
    let registers = match calls::registers(&operations, &options.initial) {
        Ok(registers) => registers,
        Err(why) => return not_judged(NAME, why),
    };
    let mut report = Report::default();
    let (mut tried, mut given_up) = (0, Vec::new());
    for register in &registers {
        let mut search = Search::new(register, options.configurations_max);
        match search.run() {
            Found::Order => {}
            Found::NoOrder { call, states } => {
                report.add("not linearizable", || no_order(register, &operations, call, &states, history));
            }
            Found::GivenUp(why) => given_up.push(format!("key {}: {why}", words::short(register.key))),
        }
        tried += search.tried;
    }
    let calls: usize = registers.iter().map(|register| register.calls.len()).sum();
    let informative = registers.iter().flat_map(|register| &register.calls);
    let informative = informative.filter(|call| call.needs().is_some() && call.ended.is_some()).count();
    let mut summary = format!("{calls} operations on {} registers, {tried} configurations", registers.len());
    if !given_up.is_empty() {
        summary.push_str("; given up on ");
        summary.push_str(&given_up[..given_up.len().min(NAMED_MAX)].join("; "));
    }
    let otherwise = if informative == 0 || !given_up.is_empty() { Finding::Unknown } else { Finding::Holds };
    if informative == 0 {
        summary.push_str("; no read or compare-and-set succeeded, so nothing can be said");
    }
    let row = |name: &str, count: usize| vec![name.to_owned(), count.to_string()];
    let figures = Table {
        title: "What was judged".into(),
        columns: vec!["what".into(), "count".into()],
        rows: vec![
            row("operations that may have happened", calls),
            row("registers", registers.len()),
            row("configurations tried", tried),
            row("registers given up on", given_up.len()),
        ],
    };
    report.verdict(NAME, summary, otherwise, vec![figures])
}

fn no_order(
    register: &Register<'_>,
    operations: &[Operation<'_>],
    call: usize,
    states: &[u32],
    history: &History,
) -> (String, Vec<u64>) {
    let call = &register.calls[call];
    let operation = &operations[call.operation];
    let value = |state: u32| words::short(register.values[state as usize]);
    let mut could: Vec<String> = states.iter().take(NAMED_MAX).map(|state| value(*state)).collect();
    if states.len() > NAMED_MAX {
        could.push(format!("{} others", states.len() - NAMED_MAX));
    }
    let needed = call.needs().unwrap_or(0);
    let key = words::short(register.key);
    let place = words::place(operation);
    let did = match call.act {
        Act::Read(_) => format!("read of key {key} {place} ends with {}", value(needed)),
        Act::Write(new) => format!("write of {} to key {key} {place} ends", value(new)),
        Act::Swap(old, new) => {
            format!("compare-and-set of key {key} from {} to {} {place} succeeds", value(old), value(new))
        }
    };
    let end = operation.ended_at.unwrap_or(operation.begun_at);
    let before = history.events[..end].last().map_or(0, |event| event.index);
    let mut lines: Vec<u64> = operation.indexes().collect();
    let wrote: Vec<&Operation<'_>> =
        register.wrote(needed).take(NAMED_MAX).map(|writer| &operations[writer]).collect();
    lines.extend(wrote.iter().flat_map(|operation| operation.indexes()));
    let process = match operation.invocation.process {
        Process::Client(number) => number.to_string(),
        Process::Nemesis => "nemesis".into(),
    };
    let words = format!(
        "No order is left at index {}, where process {process}'s {did}: whatever the order of the operations, the register \
         held {} at no moment since it began, and by its end could only hold {}. {}. Up to index {before} there is an order.",
        operation.completion.map_or(0, |event| event.index),
        value(needed),
        could.join(" or "),
        wrote_words(&value(needed), &wrote),
    );
    (words, lines)
}

/// Who would have written the value.
fn wrote_words(value: &str, wrote: &[&Operation<'_>]) -> String {
    if wrote.is_empty() {
        return format!("Nobody ever wrote {value}");
    }
    let each = |operation: &&Operation<'_>| {
        let how = match (operation.outcome(), operation.completion) {
            (Outcome::Ok, Some(end)) => format!("which ended at index {}", end.index),
            (Outcome::Fail, _) => "which failed".to_owned(),
            (Outcome::Ok | Outcome::Unknown, _) => "whose outcome is unknown".to_owned(),
        };
        let index = operation.invocation.index;
        format!("index {index}, {how}")
    };
    format!("Who wrote {value}: {}", wrote.iter().map(each).collect::<Vec<_>>().join("; "))
}
