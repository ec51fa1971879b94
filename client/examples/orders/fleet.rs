//! All processes of a run: the nodes, through the `assent` program, and this program's own. Started, killed, and none left
//! behind.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
};

/// A process by its name, and what it is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Process {
    Coordinator(String),
    Participant(String),
    Worker(String),
    Card,
    Customer(String),
}

impl Process {
    /// Its name.
    pub(crate) fn name(&self) -> &str {
        match self {
            Process::Coordinator(name)
            | Process::Participant(name)
            | Process::Worker(name)
            | Process::Customer(name) => name,
            Process::Card => "card",
        }
    }

    /// What it is, for counting.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Process::Coordinator(_) => "coordinators",
            Process::Participant(_) => "participants",
            Process::Worker(_) => "workers",
            Process::Card => "card service",
            Process::Customer(_) => "customers",
        }
    }
}

/// The processes of a run.
pub(crate) struct Fleet {
    dir: PathBuf,
    assent: PathBuf,
    arguments: BTreeMap<String, Vec<OsString>>,
    children: BTreeMap<String, Child>,
    /// What ended without being killed by us.
    surprises: Vec<String>,
    /// How often the card service crashed by itself.
    pub(crate) crashes: u64,
    /// It has crashed, and wants to be started.
    crashed: bool,
}

impl Fleet {
    /// None yet.
    pub(crate) fn new(dir: &Path, assent: &Path) -> Fleet {
        Fleet {
            dir: dir.to_owned(),
            assent: assent.to_owned(),
            arguments: BTreeMap::new(),
            children: BTreeMap::new(),
            surprises: Vec::new(),
            crashes: 0,
            crashed: false,
        }
    }

    /// Runs `assent cluster …`.
    pub(crate) fn cluster<S: Into<OsString>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
    ) -> Result<(), crate::Failure> {
        let mut command = Command::new(&self.assent);
        command.arg("cluster").args(arguments.into_iter().map(Into::into));
        let done = command
            .arg("--dir")
            .arg(crate::cluster_dir(&self.dir))
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("could not run {}: {error}", self.assent.display()))?;
        if done.status.success() {
            return Ok(());
        }
        Err(format!("{command:?} failed: {}", String::from_utf8_lossy(&done.stderr).trim()).into())
    }

    /// Starts one of this program's own for the first time.
    pub(crate) fn launch<S: Into<OsString>>(
        &mut self,
        process: &Process,
        arguments: impl IntoIterator<Item = S>,
    ) -> Result<(), crate::Failure> {
        let arguments = arguments.into_iter().map(Into::into).collect();
        self.arguments.insert(process.name().to_owned(), arguments);
        self.start(process)
    }

    /// Starts what does not run.
    pub(crate) fn start(&mut self, process: &Process) -> Result<(), crate::Failure> {
        let name = process.name();
        if matches!(process, Process::Coordinator(_) | Process::Participant(_)) {
            return self.cluster(["start", name]);
        }
        if self.children.contains_key(name) {
            return Ok(());
        }
        let arguments = self.arguments.get(name).ok_or_else(|| format!("{name} was never launched"))?;
        let log = File::options().create(true).append(true).open(self.dir.join(format!("{name}.log")))?;
        let child = Command::new(std::env::current_exe()?)
            .args(arguments)
            .arg("--dir")
            .arg(&self.dir)
            // Its other end closes with this process, however that ends.
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        self.children.insert(name.to_owned(), child);
        Ok(())
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self, process: &Process) -> Result<(), crate::Failure> {
        let name = process.name();
        if matches!(process, Process::Coordinator(_) | Process::Participant(_)) {
            return self.cluster(["kill", name]);
        }
        // Whoever had ended before is no surprise of ours to be lost.
        self.look();
        if let Some(mut child) = self.children.remove(name) {
            child.kill()?;
            child.wait()?;
        }
        // It stays dead until it is started, also if it has crashed a moment ago.
        self.crashed &= *process != Process::Card;
        Ok(())
    }

    /// Takes note of what has ended by itself; a card service that crashes is there for that.
    pub(crate) fn look(&mut self) {
        let ended = |(name, child): (&String, &mut Child)| match child.try_wait() {
            Ok(Some(status)) => Some((name.clone(), status)),
            Ok(None) | Err(_) => None,
        };
        let ended: Vec<(String, ExitStatus)> = self.children.iter_mut().filter_map(ended).collect();
        for (name, status) in ended {
            self.children.remove(&name);
            if name == Process::Card.name() && status.code() == Some(crate::CRASH) {
                self.crashes += 1;
                self.crashed = true;
            } else {
                self.surprises.push(format!("{name} ended by itself ({status}); see {name}.log"));
            }
        }
    }

    /// Starts the card service if it has crashed.
    pub(crate) fn restart_crashed(&mut self) -> Result<(), crate::Failure> {
        self.look();
        match std::mem::take(&mut self.crashed) {
            true => self.start(&Process::Card),
            false => Ok(()),
        }
    }

    /// What ended by itself and should not have.
    pub(crate) fn surprises(&mut self) -> Vec<String> {
        self.look();
        self.surprises.clone()
    }

    /// Ends this program's own processes.
    pub(crate) fn end_own(&mut self) {
        self.look();
        for child in self.children.values_mut() {
            let _ = child.kill();
        }
        for (_, mut child) in std::mem::take(&mut self.children) {
            let _ = child.wait();
        }
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.end_own();
        // Also if it is half there.
        if crate::cluster_dir(&self.dir).join("cluster.toml").exists()
            && let Err(error) = self.cluster(["down"])
        {
            eprintln!("nodes may still run: {error}");
        }
    }
}
