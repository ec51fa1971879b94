//! TEMPORARY seam.
use crate::history::{Event, History, Kind, Process, Value};
#[derive(Clone, Debug)]
pub(crate) struct Recorder {
    events: Vec<Event>,
    fresh: u64,
    open: std::collections::BTreeMap<u64, String>,
}
impl Recorder {
    pub(crate) fn new(processes: u64) -> Self {
        Recorder { events: Vec::new(), fresh: processes, open: Default::default() }
    }
    fn push(
        &mut self,
        time_ns: u64,
        process: Process,
        kind: Kind,
        f: String,
        value: Value,
        error: Option<String>,
    ) -> u64 {
        let index = self.events.len() as u64;
        let time_ns = self.events.last().map_or(time_ns, |e| e.time_ns.max(time_ns));
        self.events.push(Event { index, time_ns, process, kind, f, value, error, txn: None });
        index
    }
    pub(crate) fn invoke(&mut self, t: u64, p: u64, f: String, v: Value, _: Option<String>) -> u64 {
        self.open.insert(p, f.clone());
        self.push(t, Process::Client(p), Kind::Invoke, f, v, None)
    }
    pub(crate) fn ok(&mut self, t: u64, p: u64, v: Value) {
        let f = self.open.remove(&p).expect("open");
        self.push(t, Process::Client(p), Kind::Ok, f, v, None);
    }
    pub(crate) fn fail(&mut self, t: u64, p: u64, v: Value, e: Option<String>) {
        let f = self.open.remove(&p).expect("open");
        self.push(t, Process::Client(p), Kind::Fail, f, v, e);
    }
    pub(crate) fn info(&mut self, t: u64, p: u64, v: Value, e: Option<String>) -> u64 {
        let f = self.open.remove(&p).expect("open");
        self.push(t, Process::Client(p), Kind::Info, f, v, e);
        self.fresh += 1;
        self.fresh - 1
    }
    pub(crate) fn nemesis(&mut self, t: u64, f: &str, v: Value) {
        self.push(t, Process::Nemesis, Kind::Info, f.to_owned(), v, None);
    }
    pub(crate) fn finish(self) -> History {
        History { events: self.events }
    }
}
