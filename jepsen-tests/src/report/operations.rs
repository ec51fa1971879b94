//! The operations of a history: each invocation with what became of it, and the rows in which they are drawn.

use super::words;
use crate::history::{self, Event, History, Outcome, Process};
use std::collections::BTreeMap;

/// All outcomes, as they are listed.
pub(super) const OUTCOMES: [Outcome; 3] = [Outcome::Ok, Outcome::Fail, Outcome::Unknown];

/// As the history writes it, and as the style sheet names its colour.
pub(super) fn name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Ok => "ok",
        Outcome::Fail => "fail",
        Outcome::Unknown => "info",
    }
}

/// For readers who are new to histories.
pub(super) fn meaning(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Ok => "ok: it has happened",
        Outcome::Fail => "fail: it has not happened and never will",
        Outcome::Unknown => "info: nobody knows",
    }
}

/// One operation of a client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operation<'a> {
    pub(super) process: u64,
    pub(super) outcome: Outcome,
    pub(super) invocation: &'a Event,
    pub(super) completion: Option<&'a Event>,
}

impl<'a> Operation<'a> {
    fn new(operation: history::Operation<'a>) -> Option<Operation<'a>> {
        let Process::Client(process) = operation.invocation.process else { return None };
        let history::Operation { invocation, completion, .. } = operation;
        Some(Operation { process, outcome: operation.outcome(), invocation, completion })
    }

    /// When it began.
    pub(super) fn begin_ns(&self) -> u64 {
        self.invocation.time_ns
    }

    /// When its completion was seen, if it was.
    pub(super) fn end_ns(&self) -> Option<u64> {
        self.completion.map(|event| event.time_ns)
    }

    /// How long its client waited, in nanoseconds, if it saw an end.
    pub(super) fn latency_ns(&self) -> Option<u64> {
        self.end_ns().map(|end| end.saturating_sub(self.begin_ns()))
    }

    /// The whole operation in one line.
    pub(super) fn words(&self) -> String {
        let value = &self.completion.unwrap_or(self.invocation).value;
        let end = match self.latency_ns() {
            Some(latency) => format!("{} after {}", name(self.outcome), words::duration(latency)),
            None => "never ended".to_owned(),
        };
        format!(
            "process {}, {} s: {} {}, {end}",
            self.process,
            words::seconds(self.begin_ns()),
            self.invocation.f,
            words::value(value, 200),
        )
    }
}

/// The operations of all clients, in the order in which they began.
pub(super) fn of(history: &History) -> Vec<Operation<'_>> {
    history.operations().into_iter().filter_map(Operation::new).collect()
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
    use crate::history::{Kind, Value};

    fn event(index: u64, time_ns: u64, process: u64, kind: Kind) -> Event {
        let process = Process::Client(process);
        Event { index, time_ns, process, kind, f: "txn".into(), value: Value::Nil, error: None, txn: None }
    }

    #[test]
    fn an_invocation_without_completion_is_unknown() {
        let history = History { events: vec![event(0, 5, 3, Kind::Invoke)] };
        let operations = of(&history);
        assert_eq!(operations.len(), 1);
        assert_eq!(operations[0].outcome, Outcome::Unknown);
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
        let rows = Rows::new(&of(&history));
        assert_eq!(rows.len(), 2);
        assert_eq!(rows.processes(0), [0, 2]);
        assert_eq!(rows.of(1), 1);
    }
}
