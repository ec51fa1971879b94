//! The processes of a local cluster: started, recognised and ended.
//!
//! A pid alone does not name a process for long: the kernel gives it to another one some day. So the moment of
//! the process's start and the boot of the machine are recorded beside it, and a signal goes only to a
//! process of which all three are the same.

use super::layout::Layout;
use crate::{failure::Failure, status::Status};
use assent_transport::Role;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File},
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// Between two looks at a process that is about to end.
const POLL_EVERY: Duration = Duration::from_millis(5);

/// A process that this program has started.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Process {
    pid: i32,
    /// Clock ticks from the machine's boot to the start of the process.
    start_ticks: u64,
    /// The kernel's random id of this boot.
    boot: String,
}

impl Process {
    /// The running process of a node; none if it does not run.
    pub(crate) fn of_node(layout: &Layout, name: &str) -> Option<Process> {
        let text = fs::read_to_string(layout.pid_file(name)).ok()?;
        let process: Process = toml::from_str(&text).ok()?;
        process.runs().then_some(process)
    }

    /// Starts a node. It outlives this program and is out of reach of the terminal's Ctrl-C.
    pub(crate) fn start(layout: &Layout, role: Role, name: &str) -> Result<Process, Failure> {
        // Two commands that start the same node must not overwrite each other's pid file.
        let _guard = lock(&layout.node(name))?;
        if let Some(process) = Process::of_node(layout, name) {
            return Err(Failure::new(
                Status::Usage,
                format!("{name} runs already, as process {}", process.pid),
            ));
        }
        let unable = |error: std::io::Error| {
            Failure::new(Status::Failed, format!("could not start {name}")).cause(error)
        };
        let log =
            File::options().create(true).append(true).open(layout.log(name)).map_err(|error| {
                unable(error).remedy(format!("make {} writable", layout.log(name).display()))
            })?;
        let program = std::env::current_exe().map_err(unable)?;
        let mut child = Command::new(&program)
            .arg(role.to_string())
            .arg("--config")
            .arg(layout.node_file(name))
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(unable)?)
            .stderr(log)
            .current_dir(layout.node(name))
            .process_group(0)
            .spawn()
            .map_err(|error| unable(error).remedy(format!("look whether {} is there", program.display())))?;
        let pid = i32::try_from(child.id()).unwrap_or(i32::MAX);
        // Not dead already: an unreaped child keeps its entry in /proc.
        let start_ticks = stat(pid).map_or(0, |stat| stat.start_ticks);
        let process = Process { pid, start_ticks, boot: boot() };
        let text = toml::to_string(&process)
            .map_err(|error| Failure::new(Status::Failed, "could not write a pid file").cause(error))?;
        fs::write(layout.pid_file(name), text).map_err(unable)?;
        // Reaps it if it ends before this program does.
        std::thread::spawn(move || child.wait());
        Ok(process)
    }

    /// Its number.
    pub(crate) fn pid(&self) -> i32 {
        self.pid
    }

    /// Whether it still runs.
    pub(crate) fn runs(&self) -> bool {
        self.boot == boot()
            && stat(self.pid).is_some_and(|stat| !stat.ended && stat.start_ticks == self.start_ticks)
    }

    /// Ends it at once, as a crash would.
    pub(crate) fn kill(&self) -> Result<(), Failure> {
        self.signal(Signal::KILL)?;
        if self.ends_within(Duration::from_secs(10)) {
            return Ok(());
        }
        Err(Failure::new(Status::Failed, format!("process {} is still there 10 s after SIGKILL", self.pid))
            .cause("the kernel keeps it, as while it waits for a disk that does not answer"))
    }

    /// Asks it to end by itself.
    pub(crate) fn ask_to_end(&self) -> Result<(), Failure> {
        self.signal(Signal::TERM)
    }

    /// Waits until it has ended, and ends it if it has not after `grace`. Says whether it ended by itself.
    pub(crate) fn await_end(&self, grace: Duration) -> Result<bool, Failure> {
        if self.ends_within(grace) {
            return Ok(true);
        }
        self.kill()?;
        Ok(false)
    }

    fn ends_within(&self, limit: Duration) -> bool {
        let started = Instant::now();
        while self.runs() {
            if started.elapsed() >= limit {
                return false;
            }
            std::thread::sleep(POLL_EVERY);
        }
        true
    }

    /// Sends a signal to this very process; one that has ended needs none.
    fn signal(&self, signal: Signal) -> Result<(), Failure> {
        let unable = |error: rustix::io::Errno| {
            Failure::new(Status::Failed, format!("could not signal process {}", self.pid)).cause(error)
        };
        let Some(pid) = Pid::from_raw(self.pid) else { return Ok(()) };
        let handle = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(handle) => handle,
            Err(rustix::io::Errno::SRCH) => return Ok(()),
            Err(error) => return Err(unable(error)),
        };
        // Looked at after the handle was taken: if it is the right process now, the handle is of the right one.
        if !self.runs() {
            return Ok(());
        }
        match pidfd_send_signal(&handle, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(unable(error)),
        }
    }
}

/// Held while a node is being started; released when dropped, also by a crash.
fn lock(node: &Path) -> Result<File, Failure> {
    let path = node.join("lock");
    let unable = |error: std::io::Error| {
        Failure::new(Status::Failed, format!("could not lock {}", path.display()))
            .cause(error)
            .remedy("make the directory writable, or make the cluster anew: assent cluster up --dir DIR")
    };
    let file = File::options().create(true).append(true).open(&path).map_err(unable)?;
    rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive)
        .map_err(|error| unable(error.into()))?;
    Ok(file)
}

/// What the kernel says about a process.
struct Stat {
    ended: bool,
    start_ticks: u64,
}

fn stat(pid: i32) -> Option<Stat> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Reads `/proc/PID/stat`. The program's name stands in brackets and may hold anything, brackets too.
fn parse_stat(text: &str) -> Option<Stat> {
    let (_, after_name) = text.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace();
    let state = fields.next()?;
    // The state is field 3 of the manual's list, the start time field 22.
    let start_ticks = fields.nth(18)?.parse().ok()?;
    Some(Stat { ended: matches!(state, "Z" | "X" | "x"), start_ticks })
}

fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_does_not_confuse() {
        let text = "17 (a) R (b) S 1 17 17 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 123456 1 2 3";
        let stat = parse_stat(text).expect("it is a stat line");
        assert!(!stat.ended);
        assert_eq!(stat.start_ticks, 123456);
    }

    #[test]
    fn a_reused_pid_is_not_taken_for_the_process() {
        let pid = i32::try_from(std::process::id()).expect("a pid fits");
        let own = Process { pid, start_ticks: stat(pid).expect("it runs").start_ticks, boot: boot() };
        assert!(own.runs());
        assert!(!Process { start_ticks: own.start_ticks + 1, ..own.clone() }.runs());
        assert!(!Process { boot: "another".into(), ..own }.runs());
    }
}
