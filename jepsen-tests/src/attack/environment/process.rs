//! Processes by pid, told apart from later ones with the same pid by the moment of their start.

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::fs;

/// A process that was seen running.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ProcessId {
    pub(crate) pid: i32,
    /// Clock ticks from the machine's boot to its start.
    pub(crate) started: u64,
}

impl ProcessId {
    /// The running process with this pid.
    pub(crate) fn of(pid: i32) -> Option<ProcessId> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name stands in brackets and may hold anything. After it come the state (field 3) and, as field 22, the start.
        let (_, fields) = stat.rsplit_once(')')?;
        let mut fields = fields.split_whitespace();
        let ended = matches!(fields.next()?, "Z" | "X" | "x");
        let started = fields.nth(18)?.parse().ok()?;
        (!ended).then_some(ProcessId { pid, started })
    }

    /// This program.
    pub(crate) fn own() -> ProcessId {
        let pid = i32::try_from(std::process::id()).unwrap_or(i32::MAX);
        ProcessId::of(pid).unwrap_or(ProcessId { pid, started: 0 })
    }

    /// Whether it still runs.
    pub(crate) fn runs(self) -> bool {
        ProcessId::of(self.pid) == Some(self)
    }

    /// Sends a signal to this very process; says whether it was there.
    pub(crate) fn signal(self, signal: Signal) -> bool {
        let Some(pid) = Pid::from_raw(self.pid) else { return false };
        let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else { return false };
        // Looked at after the handle was taken: if it is the right process now, the handle is of the right one.
        self.runs() && pidfd_send_signal(&handle, signal).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::ProcessId;

    #[test]
    fn a_reused_pid_is_not_taken_for_the_process() {
        let own = ProcessId::own();
        assert!(own.runs());
        assert!(!ProcessId { started: own.started + 1, ..own }.runs());
    }
}
