//! The rules of a history, event by event; memory grows with the processes, not with the events.

use super::{Broken, Event, Kind, Process};
use std::collections::HashMap;

/// What came before.
#[derive(Default)]
pub(super) struct Rules {
    last: Option<(u64, u64)>,
    processes: HashMap<u64, State>,
}

/// A process that is not idle.
enum State {
    Open { since: u64, f: String },
    Retired { since: u64 },
}

impl Rules {
    /// Whether this event can come next.
    pub(super) fn accept(&mut self, event: &Event) -> Result<(), Broken> {
        if let Some((index, time_ns)) = self.last {
            if event.index <= index {
                return Err(Broken::Index { before: index });
            }
            if event.time_ns < time_ns {
                return Err(Broken::Time { before: time_ns });
            }
        }
        self.last = Some((event.index, event.time_ns));
        match (event.process, event.kind) {
            (Process::Nemesis, Kind::Info) => Ok(()),
            (Process::Nemesis, Kind::Invoke | Kind::Ok | Kind::Fail) => Err(Broken::Nemesis),
            (Process::Client(process), Kind::Invoke) => self.begin(process, event),
            (Process::Client(process), Kind::Ok | Kind::Fail | Kind::Info) => self.end(process, event),
        }
    }

    fn begin(&mut self, process: u64, event: &Event) -> Result<(), Broken> {
        match self.processes.get(&process) {
            Some(State::Open { since, .. }) => Err(Broken::Busy { process, open: *since }),
            Some(State::Retired { since }) => Err(Broken::Retired { process, since: *since }),
            None => {
                self.processes.insert(process, State::Open { since: event.index, f: event.f.clone() });
                Ok(())
            }
        }
    }

    fn end(&mut self, process: u64, event: &Event) -> Result<(), Broken> {
        match self.processes.remove(&process) {
            None => Err(Broken::Idle { process }),
            Some(State::Retired { since }) => Err(Broken::Retired { process, since }),
            Some(State::Open { f, .. }) if f != event.f => {
                Err(Broken::Mixed { process, found: event.f.clone(), begun: f })
            }
            Some(State::Open { .. }) => {
                if event.kind == Kind::Info {
                    self.processes.insert(process, State::Retired { since: event.index });
                }
                Ok(())
            }
        }
    }
}
