//! One node: its process, and everything that is done to it.

use super::{
    disk::Disk,
    ledger::{Entry, Ledger},
    probe,
    process::ProcessId,
    shim::{self, Shim},
};
use crate::attack::error::{AttackError, file};
use assent_transport::{Node, Role};
use rustix::process::Signal;
use std::{
    fs::File,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Between two looks at a process that is about to end.
const POLL_EVERY: Duration = Duration::from_millis(5);
/// The exit status of a node whose disk failed it.
const STOPPED_BY_DISK: i32 = 11;

/// How a node is started.
#[derive(Debug)]
pub(crate) struct Start {
    /// The `assent` program.
    pub(crate) binary: PathBuf,
    /// The namespace to start it in.
    pub(crate) namespace: Option<String>,
    /// The preloaded library.
    pub(crate) library: Option<PathBuf>,
    /// The folder with its configuration, `node.toml`.
    pub(crate) folder: PathBuf,
    /// What it writes to standard error goes here.
    pub(crate) log: PathBuf,
}

/// One node.
#[derive(Debug)]
pub(crate) struct NodeHandle {
    pub(crate) node: Node,
    pub(crate) shim: Option<Shim>,
    pub(crate) disk: Option<Disk>,
    start: Start,
    ledger: Arc<Ledger>,
    life: Mutex<Life>,
}

#[derive(Debug, Default)]
struct Life {
    child: Option<(Child, ProcessId)>,
    /// Its disk was made to fail once, so that it may have stopped by itself with the status that says so.
    disk_failed: bool,
    /// It stays down.
    gone: bool,
    starts: u32,
    /// How often it had to be killed because it did not end in time when it was asked to.
    slow_ends: u32,
    /// It ended by itself, and nobody had made it.
    unexplained: Vec<ExitStatus>,
}

impl NodeHandle {
    pub(crate) fn new(
        node: Node,
        start: Start,
        shim: Option<Shim>,
        disk: Option<Disk>,
        ledger: Arc<Ledger>,
    ) -> NodeHandle {
        NodeHandle { node, shim, disk, start, ledger, life: Mutex::default() }
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.node.name
    }

    /// Where its log is.
    pub(crate) fn log(&self) -> &PathBuf {
        &self.start.log
    }

    /// Starts it, unless it runs or has been killed for good.
    pub(crate) fn start(&self) -> Result<(), AttackError> {
        let mut life = self.life();
        life.reap();
        if life.child.is_some() || life.gone {
            return Ok(());
        }
        let child =
            self.command()?.spawn().map_err(|error| self.wrong(&format!("it can't be started: {error}")))?;
        let pid = i32::try_from(child.id()).unwrap_or(i32::MAX);
        // An unreaped child keeps its entry, even if it has ended already: then there is nothing to remove.
        let process = ProcessId::of(pid).unwrap_or(ProcessId { pid, started: 0 });
        life.child = Some((child, process));
        life.starts += 1;
        self.ledger.enter(Entry::Process(process))
    }

    /// Ends it as a crash would.
    pub(crate) fn kill(&self) {
        self.life().kill();
    }

    /// Ends it for good.
    pub(crate) fn kill_forever(&self) {
        let mut life = self.life();
        life.kill();
        life.gone = true;
    }

    /// Whether it was killed for good.
    pub(crate) fn is_gone(&self) -> bool {
        self.life().gone
    }

    /// Asks it to end; kills it if it has not after `grace`, and says whether it ended by itself.
    pub(crate) fn terminate(&self, grace: Duration) -> bool {
        let mut life = self.life();
        life.reap();
        let Some((child, process)) = &mut life.child else { return true };
        process.signal(Signal::TERM);
        let asked = Instant::now();
        while asked.elapsed() < grace {
            if let Ok(Some(status)) = child.try_wait() {
                life.child = None;
                // Asked to end, a node says that all is well.
                life.unexplained.extend((!status.success()).then_some(status));
                return true;
            }
            std::thread::sleep(POLL_EVERY);
        }
        life.kill();
        life.slow_ends += 1;
        false
    }

    /// Stops it where it stands (SIGSTOP), or lets it go on.
    pub(crate) fn pause(&self, paused: bool) {
        let mut life = self.life();
        life.reap();
        if let Some((_, process)) = &life.child {
            process.signal(if paused { Signal::STOP } else { Signal::CONT });
        }
    }

    /// From now on it may stop by itself, with the status that blames the disk.
    pub(crate) fn disk_may_fail(&self) {
        self.life().disk_failed = true;
    }

    /// Whether its process is there.
    pub(crate) fn runs(&self) -> bool {
        let mut life = self.life();
        life.reap();
        life.child.is_some()
    }

    /// How often it was started.
    pub(crate) fn starts(&self) -> u32 {
        self.life().starts
    }

    /// How often it did not end in time when it was asked to.
    pub(crate) fn slow_ends(&self) -> u32 {
        self.life().slow_ends
    }

    /// How it ended by itself, each time that nobody had made it.
    pub(crate) fn unexplained_ends(&self) -> Vec<ExitStatus> {
        let mut life = self.life();
        life.reap();
        life.unexplained.clone()
    }

    /// Whether it says that it serves.
    pub(crate) fn readiness(&self) -> Result<(), String> {
        if !self.runs() {
            return Err("its process has ended".to_owned());
        }
        self.get("/readyz").map(|_| ())
    }

    /// What it answers over HTTP.
    pub(crate) fn get(&self, path: &str) -> Result<String, String> {
        let http = self.node.http.ok_or("it has no HTTP address")?;
        probe::get(http, path).map_err(|error| error.to_string())
    }

    /// An error about it.
    pub(crate) fn wrong(&self, why: &str) -> AttackError {
        AttackError::Node { node: self.node.name.clone(), why: why.to_owned(), log: self.start.log.clone() }
    }

    fn command(&self) -> Result<Command, AttackError> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(&self.start.log)
            .map_err(file("open the log", &self.start.log))?;
        let again = log.try_clone().map_err(file("open the log", &self.start.log))?;
        let mut command = match &self.start.namespace {
            Some(namespace) => {
                let mut command = Command::new("ip");
                // It becomes the node (`exec`), so that the child's pid is the node's.
                command.args(["netns", "exec", namespace]).arg(&self.start.binary);
                command
            }
            None => Command::new(&self.start.binary),
        };
        command.arg(match self.node.role {
            Role::Coordinator => "coordinator",
            Role::Participant | Role::Client => "participant",
        });
        command.arg("--config").arg(self.start.folder.join("node.toml"));
        if let (Some(library), Some(shim)) = (&self.start.library, &self.shim) {
            command.env("LD_PRELOAD", library).env(shim::VARIABLE, shim.path());
        }
        command.stdin(Stdio::null()).stdout(again).stderr(log).current_dir(&self.start.folder);
        // Ctrl-C at a terminal reaches the whole group; what becomes of the nodes is for the lab to say.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        Ok(command)
    }

    fn life(&self) -> MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for NodeHandle {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Life {
    /// Notices that it has ended by itself.
    fn reap(&mut self) {
        let Some((child, _)) = &mut self.child else { return };
        if let Ok(Some(status)) = child.try_wait() {
            self.child = None;
            if !(self.disk_failed && status.code() == Some(STOPPED_BY_DISK)) {
                self.unexplained.push(status);
            }
        }
    }

    fn kill(&mut self) {
        self.reap();
        if let Some((mut child, _)) = self.child.take() {
            // A stopped process is ended by this too. It can only fail where the process has ended.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
