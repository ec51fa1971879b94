//! The history of a real run while it happens: one clock for clients and nemesis, and the ids of transactions, which are
//! known only when a call has ended.

use crate::{
    history::{History, Kind, Process, Recorder, Value},
    workload::Invocation,
};
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

/// A history that is being written, by several at once.
#[derive(Debug)]
pub(crate) struct Recording {
    began: Instant,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    recorder: Recorder,
    /// The id of each operation, by the index of the line with which it began.
    ids: BTreeMap<u64, String>,
}

/// How a line ends an operation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum End {
    Ok,
    Fail(String),
    Info(String),
}

impl Recording {
    /// For so many logical clients. The clock begins now.
    pub(crate) fn begin(processes: u64) -> Recording {
        let state = State { recorder: Recorder::new(processes), ids: BTreeMap::new() };
        Recording { began: Instant::now(), state: Mutex::new(state) }
    }

    /// The moment, on the history's clock, in nanoseconds.
    pub(crate) fn now_ns(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// An operation begins. Gives the index of its line.
    pub(crate) fn invoke(&self, process: u64, invocation: &Invocation) -> u64 {
        let mut state = self.state();
        let now_ns = self.now_ns();
        state.recorder.invoke(now_ns, process, invocation.f.clone(), invocation.value.clone(), None)
    }

    /// It ends. Gives the number under which its client goes on.
    pub(crate) fn end(&self, process: u64, begun: u64, end: End, value: Value, id: Option<String>) -> u64 {
        let mut state = self.state();
        state.ids.extend(id.map(|id| (begun, id)));
        let now_ns = self.now_ns();
        match end {
            End::Ok => state.recorder.ok(now_ns, process, value),
            End::Fail(why) => state.recorder.fail(now_ns, process, value, Some(why)),
            End::Info(why) => return state.recorder.info(now_ns, process, value, Some(why)),
        }
        process
    }

    /// The nemesis did something. Gives the moment.
    pub(crate) fn nemesis(&self, f: &str, value: Value) -> u64 {
        let mut state = self.state();
        let now_ns = self.now_ns();
        state.recorder.nemesis(now_ns, f, value);
        now_ns
    }

    /// The history so far, with ids on both lines of each operation.
    pub(crate) fn history(&self) -> History {
        let state = self.state();
        let mut history = state.recorder.clone().finish();
        let mut open: BTreeMap<u64, Option<String>> = BTreeMap::new();
        for event in &mut history.events {
            let Process::Client(process) = event.process else { continue };
            if event.kind == Kind::Invoke {
                open.insert(process, state.ids.get(&event.index).cloned());
            }
            event.txn = open.get(&process).cloned().flatten();
        }
        history
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
