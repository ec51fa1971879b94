//! What a run has made on this machine, written down before it is made, so that it can be removed whatever happens.
//!
//! A run removes its own when it ends, also by an error, a panic, Ctrl-C or SIGTERM. What a run left that was ended
//! with SIGKILL, the next one removes. Invariant: nothing is ever touched that no ledger names.

use super::{command, process::ProcessId};
use crate::attack::error::{AttackError, file};
use rustix::process::Signal;
use std::{
    fs::{self, File, OpenOptions},
    io::{ErrorKind, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// What names of namespaces and ledgers begin with; the pid of the run's process follows.
pub(crate) const PREFIX: &str = "assent-lab-";
/// How long the kernel may take to end a killed process.
const END_WITHIN: Duration = Duration::from_secs(10);

/// Runs of this process so far.
static RUNS: AtomicU64 = AtomicU64::new(0);

/// One thing that has to be removed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Entry {
    /// A process.
    Process(ProcessId),
    /// A mounted file system.
    Mount(PathBuf),
    /// A network namespace, with everything in it.
    Namespace(String),
}

/// The ledger of one run. Dropping it removes everything that it names.
#[derive(Debug)]
pub(crate) struct Ledger {
    path: PathBuf,
    name: String,
    open: Mutex<(File, Vec<Entry>)>,
}

impl Ledger {
    /// A new one.
    pub(crate) fn open() -> Result<Ledger, AttackError> {
        let own = ProcessId::own();
        let name = format!("{PREFIX}{}-{}", own.pid, RUNS.fetch_add(1, Ordering::Relaxed));
        let path = folder().join(format!("{name}.ledger"));
        let mut made = OpenOptions::new()
            .create_new(true)
            .append(true)
            .open(&path)
            .map_err(file("make the ledger", &path))?;
        writeln!(made, "run {} {}", own.pid, own.started).map_err(file("write", &path))?;
        Ok(Ledger { path, name, open: Mutex::new((made, Vec::new())) })
    }

    /// The name of the run on this machine: the prefix, its pid and a number.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Writes down what is about to be made.
    pub(crate) fn enter(&self, entry: Entry) -> Result<(), AttackError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(open.0, "{}", entry.to_line()).map_err(file("write", &self.path))?;
        // Processes come and go; only the living are kept in mind.
        open.1.retain(|entry| !matches!(entry, Entry::Process(process) if !process.runs()));
        open.1.push(entry);
        Ok(())
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        let open = self.open.get_mut().unwrap_or_else(PoisonError::into_inner);
        match remove_all(&open.1) {
            Ok(()) => {
                let _ = fs::remove_file(&self.path);
            }
            Err(why) => {
                eprintln!("assent-lab: {why}; the next run tries again, as {} says", self.path.display())
            }
        }
    }
}

/// Removes what dead runs have left; says what it could not remove.
pub(crate) fn remove_leftovers() -> Vec<String> {
    let Ok(found) = fs::read_dir(folder()) else { return Vec::new() };
    let paths = found.flatten().map(|entry| entry.path());
    let ledgers = paths.filter(|path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with(PREFIX) && name.ends_with(".ledger")
    });
    ledgers.filter_map(|path| remove_leftover(&path)).collect()
}

fn remove_leftover(path: &Path) -> Option<String> {
    // Anyone may write where ledgers are, and nobody else's word ends processes here.
    if fs::metadata(path).ok()?.uid() != rustix::process::geteuid().as_raw() {
        return None;
    }
    let text = fs::read_to_string(path).ok()?;
    let mut lines = text.lines();
    let owner = lines.next().and_then(|line| parse_process(line.strip_prefix("run ")?))?;
    if owner.runs() {
        return None;
    }
    let entries: Vec<Entry> = lines.filter_map(Entry::parse).collect();
    match remove_all(&entries) {
        Ok(()) => match fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Some(format!("can't remove {}: {error}", path.display()))
            }
            // Another run may have been quicker.
            Ok(()) | Err(_) => None,
        },
        Err(why) => Some(format!("a dead run left something behind: {why}")),
    }
}

impl Entry {
    fn to_line(&self) -> String {
        match self {
            Entry::Process(process) => format!("process {} {}", process.pid, process.started),
            Entry::Mount(path) => format!("mount {}", path.display()),
            Entry::Namespace(name) => format!("namespace {name}"),
        }
    }

    fn parse(line: &str) -> Option<Entry> {
        let (kind, rest) = line.split_once(' ')?;
        match kind {
            "process" => parse_process(rest).map(Entry::Process),
            "mount" => Some(Entry::Mount(rest.into())),
            "namespace" if rest.starts_with(PREFIX) => Some(Entry::Namespace(rest.to_owned())),
            _ => None,
        }
    }
}

fn parse_process(text: &str) -> Option<ProcessId> {
    let (pid, started) = text.split_once(' ')?;
    Some(ProcessId { pid: pid.parse().ok()?, started: started.parse().ok()? })
}

/// Processes first: they hold mounts and namespaces.
fn remove_all(entries: &[Entry]) -> Result<(), String> {
    let mut wrong = Vec::new();
    let processes = || {
        entries
            .iter()
            .filter_map(|entry| if let Entry::Process(process) = entry { Some(*process) } else { None })
    };
    processes().for_each(|process| {
        process.signal(Signal::KILL);
    });
    wrong.extend(processes().filter_map(|process| await_end(process).err()));
    for entry in entries.iter().rev() {
        let removed = match entry {
            Entry::Process(_) => Ok(()),
            Entry::Mount(path) => unmount(path),
            Entry::Namespace(name) => delete_namespace(name),
        };
        wrong.extend(removed.err());
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
}

fn await_end(process: ProcessId) -> Result<(), String> {
    let started = Instant::now();
    while process.runs() {
        if started.elapsed() > END_WITHIN {
            return Err(format!(
                "process {} is still there {} s after SIGKILL",
                process.pid,
                END_WITHIN.as_secs()
            ));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

fn unmount(path: &Path) -> Result<(), String> {
    let mounted = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let shown = path.display().to_string();
    if !mounted.lines().any(|line| line.split(' ').nth(1) == Some(shown.as_str())) {
        return Ok(());
    }
    command::run("umount", &["-l", &shown]).map(|_| ()).map_err(|error| error.to_string())
}

fn delete_namespace(name: &str) -> Result<(), String> {
    let there = || Path::new("/run/netns").join(name).exists();
    if !there() {
        return Ok(());
    }
    match command::run("ip", &["netns", "delete", name]) {
        // Another run that removes the same leftovers may have been quicker.
        Err(error) if there() => Err(error.to_string()),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Where ledgers are: one place for all users of this machine's network.
fn folder() -> PathBuf {
    std::env::temp_dir()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_back_from_their_lines() {
        for entry in [
            Entry::Process(ProcessId { pid: 17, started: 99 }),
            Entry::Mount("/tmp/a b".into()),
            Entry::Namespace(format!("{PREFIX}17-0-switch")),
        ] {
            assert_eq!(Entry::parse(&entry.to_line()), Some(entry));
        }
    }

    #[test]
    fn a_namespace_of_somebody_else_is_never_an_entry() {
        assert_eq!(Entry::parse("namespace production"), None);
    }

    #[test]
    fn what_a_dead_run_left_is_removed_and_what_a_living_one_has_is_not() {
        let mut child = std::process::Command::new("sleep").arg("600").spawn().expect("sleep is there");
        let process = ProcessId::of(i32::try_from(child.id()).expect("a pid")).expect("it runs");
        let own = ProcessId::own();
        let lines =
            |started: u64| format!("run {} {started}\n{}\n", own.pid, Entry::Process(process).to_line());
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.ledger");
        fs::write(&path, lines(own.started)).expect("it is writable");
        assert_eq!(remove_leftover(&path), None);
        assert!(process.runs() && path.exists());
        // The same pid, started at another moment: that run is dead.
        fs::write(&path, lines(own.started + 1)).expect("it is writable");
        assert_eq!(remove_leftover(&path), None);
        assert!(!process.runs() && !path.exists());
        child.wait().expect("it was killed");
    }
}
