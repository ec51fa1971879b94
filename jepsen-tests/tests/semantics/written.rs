//! Histories written by hand, line by line.

use assent_lab::{
    history::{Event, History, Kind, Process, Value},
    verdict::{Finding, Verdict},
};

#[derive(Default)]
pub(crate) struct Written {
    pub(crate) history: History,
    /// When the next line comes, in milliseconds; each line comes a millisecond after the last.
    pub(crate) now_ms: u64,
}

impl Written {
    pub(crate) fn line(
        &mut self,
        process: u64,
        kind: Kind,
        f: &str,
        value: Value,
        error: Option<&str>,
    ) -> u64 {
        let index = self.history.events.len() as u64;
        self.now_ms += 1;
        self.history.events.push(Event {
            index,
            time_ns: self.now_ms * 1_000_000,
            process: Process::Client(process),
            kind,
            f: f.to_owned(),
            value,
            error: error.map(str::to_owned),
            txn: None,
        });
        index
    }

    pub(crate) fn invoke(&mut self, process: u64, f: &str, value: Value) -> u64 {
        self.line(process, Kind::Invoke, f, value, None)
    }

    /// Begins, and is acknowledged before anything else begins. Gives the line of the answer.
    pub(crate) fn ok(&mut self, f: &str, value: Value) -> u64 {
        self.invoke(0, f, value.clone());
        self.line(0, Kind::Ok, f, value, None)
    }

    pub(crate) fn fail(&mut self, f: &str, value: Value, error: &str) -> u64 {
        self.invoke(0, f, value.clone());
        self.line(0, Kind::Fail, f, value, Some(error))
    }

    /// Nobody ever learns what became of it. A process is not used again after that, so each needs its own.
    pub(crate) fn unknown(&mut self, process: u64, f: &str, value: Value) {
        self.invoke(process, f, value.clone());
        self.line(process, Kind::Info, f, value, None);
    }
}

pub(crate) fn int(value: i64) -> Value {
    Value::Int(value)
}

pub(crate) fn ints(values: &[i64]) -> Value {
    Value::Vector(values.iter().copied().map(Value::Int).collect())
}

pub(crate) fn map(entries: &[(&str, Value)]) -> Value {
    Value::Map(
        entries.iter().map(|(key, value)| (Value::Keyword((*key).to_owned()), value.clone())).collect(),
    )
}

pub(crate) fn int_map(entries: &[(i64, i64)]) -> Value {
    Value::Map(entries.iter().map(|(key, value)| (int(*key), int(*value))).collect())
}

/// Classes of what was found, each once.
pub(crate) fn classes(verdict: &Verdict) -> Vec<&str> {
    let found = !verdict.anomalies.is_empty();
    assert_eq!(verdict.finding == Finding::Violated, found, "finding and anomalies differ: {verdict:?}");
    assert!(verdict.anomalies.iter().all(|anomaly| !anomaly.events.is_empty()), "no lines: {verdict:?}");
    let mut classes: Vec<&str> = verdict.anomalies.iter().map(|anomaly| anomaly.class.as_str()).collect();
    classes.sort_unstable();
    classes.dedup();
    classes
}

pub(crate) fn assert_holds(verdict: &Verdict) {
    assert_eq!(verdict.finding, Finding::Holds, "{verdict:#?}");
}
