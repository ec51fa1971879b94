//! Writes the history of a simulated run: in the order of events, on the true clock.

use crate::history::{Event, History, Kind, Process, Value};
use assent_protocol::ids::TxnId;

/// The history so far.
#[derive(Default)]
pub(super) struct Recorder {
    history: History,
}

impl Recorder {
    #[allow(clippy::too_many_arguments)] // The fields of one line.
    pub(super) fn note(
        &mut self,
        now_us: u64,
        process: u64,
        kind: Kind,
        f: &str,
        value: Value,
        error: Option<String>,
        txn: &TxnId,
    ) {
        self.history.events.push(Event {
            index: self.history.events.len() as u64,
            time_ns: now_us * 1000,
            process: Process::Client(process),
            kind,
            f: f.to_string(),
            value,
            error,
            txn: Some(txn.to_string()),
        });
    }

    /// How many lines there are.
    pub(super) fn len(&self) -> usize {
        self.history.events.len()
    }

    /// The lines from one on.
    pub(super) fn from(&self, line: usize) -> &[Event] {
        &self.history.events[line..]
    }

    pub(super) fn into_history(self) -> History {
        self.history
    }
}
