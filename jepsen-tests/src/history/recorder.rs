//! Writes a history down while it happens, and keeps its rules.
//!
//! Time comes from the caller, so that a simulation and a real run record alike. Where the caller's clock falls back the
//! time before is used again; an operation that begins at the very time at which another ended gets the next nanosecond,
//! so that a reader who sorts by time finds the same order.

use super::{Event, History, Kind, Process, Value};
use std::collections::{BTreeMap, BTreeSet};

/// A history that is being written.
#[derive(Clone, Debug)]
pub struct Recorder {
    events: Vec<Event>,
    open: BTreeMap<u64, Open>,
    fresh: u64,
    idle: BTreeSet<u64>,
}

/// What an end repeats of the beginning.
#[derive(Clone, Debug)]
struct Open {
    f: String,
    txn: Option<String>,
}

impl Recorder {
    /// For processes `0..processes`, all idle.
    pub fn new(processes: u64) -> Self {
        Recorder {
            events: Vec::new(),
            open: BTreeMap::new(),
            fresh: processes,
            idle: (0..processes).collect(),
        }
    }

    /// A process begins an operation. Gives the index of the line.
    ///
    /// # Panics
    /// If the process has an operation open, or is none of [`Recorder::new`] or [`Recorder::info`]: the caller's bug.
    pub fn invoke(
        &mut self,
        time_ns: u64,
        process: u64,
        f: impl Into<String>,
        value: Value,
        txn: Option<String>,
    ) -> u64 {
        assert!(self.idle.remove(&process), "process {process} is busy, retired, or was never given out");
        let f = f.into();
        self.open.insert(process, Open { f: f.clone(), txn: txn.clone() });
        let time_ns = self.time_of_invocation(time_ns);
        self.push(Event {
            index: 0,
            time_ns,
            process: Process::Client(process),
            kind: Kind::Invoke,
            f,
            value,
            error: None,
            txn,
        })
    }

    /// The process's operation has happened; `value` is what came out.
    ///
    /// # Panics
    /// If the process has none open.
    pub fn ok(&mut self, time_ns: u64, process: u64, value: Value) {
        self.end(time_ns, process, Kind::Ok, value, None);
        self.idle.insert(process);
    }

    /// The process's operation has not happened and never will.
    ///
    /// # Panics
    /// If the process has none open.
    pub fn fail(&mut self, time_ns: u64, process: u64, value: Value, error: Option<String>) {
        self.end(time_ns, process, Kind::Fail, value, error);
        self.idle.insert(process);
    }

    /// Nobody knows what became of the process's operation. The process is retired: its client goes on as the one that
    /// is given back.
    ///
    /// # Panics
    /// If the process has none open.
    #[must_use = "the client goes on under this number"]
    pub fn info(&mut self, time_ns: u64, process: u64, value: Value, error: Option<String>) -> u64 {
        self.end(time_ns, process, Kind::Info, value, error);
        let fresh = self.fresh;
        self.fresh += 1;
        self.idle.insert(fresh);
        fresh
    }

    /// The nemesis did something.
    pub fn nemesis(&mut self, time_ns: u64, f: impl Into<String>, value: Value) {
        let time_ns = self.time_after(time_ns);
        self.push(Event {
            index: 0,
            time_ns,
            process: Process::Nemesis,
            kind: Kind::Info,
            f: f.into(),
            value,
            error: None,
            txn: None,
        });
    }

    /// What has been written so far.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// The history. Operations that are still open stay without an end, which says that their outcome is unknown.
    pub fn finish(self) -> History {
        let history = History { events: self.events };
        debug_assert!(history.check().is_ok(), "what was recorded keeps the rules");
        history
    }

    fn end(&mut self, time_ns: u64, process: u64, kind: Kind, value: Value, error: Option<String>) {
        let Some(Open { f, txn }) = self.open.remove(&process) else {
            panic!("process {process} ends an operation, but has none open");
        };
        let time_ns = self.time_after(time_ns);
        self.push(Event { index: 0, time_ns, process: Process::Client(process), kind, f, value, error, txn });
    }

    fn push(&mut self, event: Event) -> u64 {
        let index = self.events.len() as u64;
        self.events.push(Event { index, ..event });
        index
    }

    fn time_after(&self, time_ns: u64) -> u64 {
        self.events.last().map_or(time_ns, |last| last.time_ns.max(time_ns))
    }

    fn time_of_invocation(&self, time_ns: u64) -> u64 {
        match self.events.last() {
            Some(last) if last.kind != Kind::Invoke && last.time_ns >= time_ns => last.time_ns + 1,
            Some(_) | None => self.time_after(time_ns),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn busy() -> Recorder {
        let mut recorder = Recorder::new(2);
        recorder.invoke(5, 1, "txn", Value::Nil, Some("lab:1:1".into()));
        recorder
    }

    #[test]
    fn an_end_repeats_what_began() {
        let mut recorder = busy();
        recorder.ok(9, 1, Value::Int(3));
        let history = recorder.finish();
        let operations = history.operations();
        assert_eq!(operations.len(), 1);
        let end = operations[0].completion.expect("it ended");
        assert_eq!((end.index, end.time_ns, end.f.as_str()), (1, 9, "txn"));
        assert_eq!(end.txn.as_deref(), Some("lab:1:1"));
        assert_eq!(operations[0].value(), &Value::Int(3));
    }

    #[test]
    fn a_process_of_unknown_outcome_is_retired_for_a_fresh_one() {
        let mut recorder = busy();
        assert_eq!(recorder.info(6, 1, Value::Nil, None), 2);
        recorder.invoke(7, 2, "txn", Value::Nil, None);
        let retired = std::panic::catch_unwind(move || recorder.invoke(8, 1, "txn", Value::Nil, None));
        assert!(retired.is_err());
    }

    #[test]
    fn a_clock_that_falls_back_does_not() {
        let mut recorder = busy();
        recorder.ok(2, 1, Value::Nil);
        recorder.invoke(2, 0, "txn", Value::Nil, None);
        recorder.nemesis(1, "kill", Value::Text("students".into()));
        let history = recorder.finish();
        let times: Vec<u64> = history.events.iter().map(|event| event.time_ns).collect();
        assert_eq!(times, [5, 5, 6, 6]);
        history.check().expect("the rules hold");
    }

    #[test]
    fn an_operation_without_an_end_is_unknown() {
        let history = busy().finish();
        assert_eq!(history.operations()[0].outcome(), crate::history::Outcome::Unknown);
    }
}
