//! The operations of a history: each invocation with what became of it, and the rows in which they are drawn.

use super::words;
use crate::history::{Event, History, Kind, Process};
use std::collections::BTreeMap;

/// How an operation ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Outcome {
    /// It has happened.
    Ok,
    /// It has not happened and never will.
    Fail,
    /// Nobody knows; also one that the history never ends.
    Info,
}

impl Outcome {
    /// All of them, as they are listed.
    pub(super) const ALL: [Outcome; 3] = [Outcome::Ok, Outcome::Fail, Outcome::Info];

    /// As the history writes it, and as the style sheet names its colour.
    pub(super) fn name(self) -> &'static str {
        match self {
            Outcome::Ok => "ok",
            Outcome::Fail => "fail",
            Outcome::Info => "info",
        }
    }

    /// For readers who are new to histories.
    pub(super) fn words(self) -> &'static str {
        match self {
            Outcome::Ok => "ok: it has happened",
            Outcome::Fail => "fail: it has not happened and never will",
            Outcome::Info => "info: nobody knows",
        }
    }
}

/// One operation of a client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operation<'a> {
    pub(super) process: u64,
    pub(super) invoke: &'a Event,
    pub(super) completion: Option<&'a Event>,
}

impl Operation<'_> {
    pub(super) fn outcome(&self) -> Outcome {
        match self.completion.map(|event| event.kind) {
            Some(Kind::Ok) => Outcome::Ok,
            Some(Kind::Fail) => Outcome::Fail,
            Some(Kind::Info | Kind::Invoke) | None => Outcome::Info,
        }
    }

    pub(super) fn begin_ns(&self) -> u64 {
        self.invoke.time_ns
    }

    /// When its completion was seen, if it was.
    pub(super) fn end_ns(&self) -> Option<u64> {
        self.completion.map(|event| event.time_ns)
    }

    /// The whole operation in one line.
    pub(super) fn words(&self) -> String {
        let value = &self.completion.unwrap_or(self.invoke).value;
        let end = match self.latency_ns() {
            Some(latency) => format!("{} after {}", self.outcome().name(), words::duration(latency)),
            None => "never ended".to_owned(),
        };
        format!(
            "process {}, {} s: {} {}, {end}",
            self.process,
            words::seconds(self.begin_ns()),
            self.invoke.f,
            words::value(value, 200),
        )
    }

    /// How long its client waited, in nanoseconds, if it saw an end.
    pub(super) fn latency_ns(&self) -> Option<u64> {
        self.end_ns().map(|to| to.saturating_sub(self.begin_ns()))
    }
}

/// Pairs invocations with their completions, in the order of the invocations.
///
/// A completion without an invocation is left out: a checker of the history says so, a report need not fail on it.
pub(super) fn pair(history: &History) -> Vec<Operation<'_>> {
    let mut operations: Vec<Operation> = Vec::with_capacity(history.events.len() / 2);
    let mut open: BTreeMap<u64, usize> = BTreeMap::new();
    for event in &history.events {
        let Process::Client(process) = event.process else { continue };
        match event.kind {
            Kind::Invoke => {
                open.insert(process, operations.len());
                operations.push(Operation { process, invoke: event, completion: None });
            }
            Kind::Ok | Kind::Fail | Kind::Info => {
                if let Some(at) = open.remove(&process) {
                    operations[at].completion = Some(event);
                }
            }
        }
    }
    operations
}

/// The rows of a timeline. A process that ended with an unknown outcome is followed by another in the same row, so
/// that a row is about one client.
pub(super) struct Rows {
    of_process: BTreeMap<u64, usize>,
    processes: Vec<Vec<u64>>,
}

impl Rows {
    /// Puts each process into the first row that is free when it begins.
    pub(super) fn new(operations: &[Operation]) -> Rows {
        let mut spans: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
        for operation in operations {
            // Only a known end gives the row to another process.
            let to = operation.end_ns().unwrap_or(u64::MAX);
            let span = spans.entry(operation.process).or_insert((operation.begin_ns(), to));
            span.1 = to;
        }
        let mut in_order: Vec<(u64, u64, u64)> =
            spans.iter().map(|(&process, &(from, to))| (from, process, to)).collect();
        in_order.sort_unstable();
        let mut rows = Rows { of_process: BTreeMap::new(), processes: Vec::new() };
        let mut busy_until: Vec<u64> = Vec::new();
        for (from, process, to) in in_order {
            let row = busy_until.iter().position(|&until| until <= from).unwrap_or(busy_until.len());
            if row == busy_until.len() {
                busy_until.push(to);
                rows.processes.push(Vec::new());
            }
            busy_until[row] = to;
            rows.processes[row].push(process);
            rows.of_process.insert(process, row);
        }
        rows
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.processes.len()
    }

    /// The row of a process.
    pub(super) fn of(&self, process: u64) -> usize {
        self.of_process.get(&process).copied().unwrap_or(0)
    }

    /// The processes of a row, in order.
    pub(super) fn processes(&self, row: usize) -> &[u64] {
        &self.processes[row]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Value;

    fn event(index: u64, time_ns: u64, process: u64, kind: Kind) -> Event {
        let process = Process::Client(process);
        Event { index, time_ns, process, kind, f: "txn".into(), value: Value::Nil, error: None, txn: None }
    }

    #[test]
    fn an_invocation_without_completion_is_unknown() {
        let history = History { events: vec![event(0, 5, 3, Kind::Invoke)] };
        let operations = pair(&history);
        assert_eq!(operations.len(), 1);
        assert_eq!(operations[0].outcome(), Outcome::Info);
        assert_eq!(operations[0].latency_ns(), None);
    }

    #[test]
    fn a_process_follows_the_lost_one_of_its_client_in_its_row() {
        let events = vec![
            event(0, 0, 0, Kind::Invoke),
            event(1, 0, 1, Kind::Invoke),
            event(2, 50, 0, Kind::Info),
            event(3, 50, 2, Kind::Invoke),
            event(4, 60, 1, Kind::Ok),
            event(5, 70, 2, Kind::Ok),
        ];
        let history = History { events };
        let rows = Rows::new(&pair(&history));
        assert_eq!(rows.len(), 2);
        assert_eq!(rows.processes(0), [0, 2]);
        assert_eq!(rows.of(1), 1);
    }
}
