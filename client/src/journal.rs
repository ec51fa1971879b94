//! The journal: unfinished requests on disk, so that a crash of this process leaves no request behind unknown.
//!
//! A request is written and synced before it is first sent, and stays until the application has confirmed its
//! answer. One thread writes: it takes all that waits, writes one frame, syncs once. Not here: replaying (see
//! `recovery`), and the bytes (see [`frames`]).
//!
//! Invariant: whoever was told that a request is written finds it after any crash, until it was told finished.

pub(crate) mod frames;
mod writer;

use crate::session::Session;
use assent_protocol::{
    ids::{ClientName, Sequence, SessionId},
    message::{Begin, SESSION_WINDOW_MAX},
};
use frames::{Entry, JOURNAL_VERSION};
use rustix::fs::{FlockOperation, flock};
use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread::JoinHandle,
};
use tokio::sync::oneshot;
use writer::{Command, Writer};

/// Why a journal can't be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file can't be opened, read, written or synced.
    #[error("can't use the journal {path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process has it.
    #[error("the journal {path} is in use by another process; give each process a journal of its own")]
    InUse {
        /// Which file.
        path: PathBuf,
    },
    /// It was damaged after it had been synced.
    #[error(
        "the journal {path} is damaged at byte {offset}: requests that may have been sent can't be read. Restore the \
         file; or move it away, and accept that their outcomes stay unknown"
    )]
    Corrupt {
        /// Which file.
        path: PathBuf,
        /// Where the damage begins.
        offset: usize,
    },
    /// It is not a journal, or it breaks the rules of one.
    #[error("{path} is no journal: {why}; was another file meant?")]
    NotAJournal {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        why: &'static str,
    },
    /// It is another client's.
    #[error(
        "the journal {path} is that of the client {owner}, and this is {client}; give each client its own"
    )]
    Owner {
        /// Which file.
        path: PathBuf,
        /// Whose it is.
        owner: ClientName,
        /// Who wanted to use it.
        client: ClientName,
    },
    /// Another version of this library wrote it.
    #[error(
        "the journal {path} has version {found}, and this library knows version {JOURNAL_VERSION}; finish it with the version that wrote it"
    )]
    Version {
        /// Which file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
}

/// A request that an earlier process left unfinished.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Unfinished {
    pub(crate) begin: Box<Begin>,
    pub(crate) note: String,
}

/// A write that failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct WriteFailed {
    pub(crate) why: String,
    /// Nothing of it is in the file. Otherwise it may be, and may be replayed.
    pub(crate) undone: bool,
}

/// An open journal. The last one to drop it waits until everything is synced.
pub(crate) struct Journal {
    commands: Option<mpsc::Sender<Command>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Journal {
    /// Opens or creates the file, takes its lock, and reads what is unfinished.
    pub(crate) fn open(path: &Path, client: &ClientName) -> Result<(Journal, Vec<Unfinished>), JournalError> {
        let broken = |source| JournalError::Io { path: path.to_owned(), source };
        let lock = lock(path)?;
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(broken)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(broken)?;
        let (entries, good) = frames::read(&bytes)
            .map_err(|corrupt| JournalError::Corrupt { path: path.to_owned(), offset: corrupt.offset })?;
        if good == 0 && !frames::may_be_torn_start(&bytes) {
            return Err(JournalError::NotAJournal {
                path: path.to_owned(),
                why: "it does not begin like one",
            });
        }
        let unfinished = replay(path, client, entries)?;
        if good < bytes.len() {
            tracing::warn!(path = %path.display(), bytes = bytes.len() - good, "cut off a torn last write of the journal");
            file.set_len(good as u64).and_then(|()| file.sync_all()).map_err(broken)?;
        }
        let writer = Writer::new(path.to_owned(), file, good as u64, client.clone(), &unfinished);
        let mut writer = writer.map_err(broken)?;
        let (commands, waiting) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("assent-journal".to_owned())
            .spawn(move || {
                let _lock = lock;
                writer.run(&waiting);
            })
            .map_err(broken)?;
        let journal = Journal { commands: Some(commands), thread: Mutex::new(Some(thread)) };
        Ok((journal, unfinished))
    }

    /// Writes and syncs a request.
    pub(crate) async fn begin(&self, begin: &Begin, note: &str) -> Result<(), WriteFailed> {
        let (tell, hear) = oneshot::channel();
        let slot = (begin.subject.txn.session, begin.subject.txn.sequence);
        let entry = frames::encode(&Entry::Begun { begin: Box::new(begin.clone()), note: note.to_owned() });
        self.command(Command::Begin { slot, entry, tell });
        hear.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// Writes and syncs that a request needs no replay; settles it in its session then, and not before: else the
    /// cluster might forget an answer that the replay after a crash would ask for.
    pub(crate) fn finish(&self, slot: (SessionId, Sequence), session: Option<Arc<Session>>) -> Finishing {
        let (tell, hear) = oneshot::channel();
        self.command(Command::Finish { slot, session, tell });
        Finishing(hear)
    }

    fn command(&self, command: Command) {
        if let Some(commands) = &self.commands {
            // The thread is there until the journal is dropped; if it died, whoever waits learns it from the channel.
            let _ = commands.send(command);
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.commands = None;
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

/// The end of a [`Journal::finish`], for those who care.
pub(crate) struct Finishing(oneshot::Receiver<Result<(), WriteFailed>>);

impl Finishing {
    /// Waits for the sync.
    pub(crate) async fn done(self) -> Result<(), WriteFailed> {
        self.0.await.unwrap_or_else(|_| Err(stopped()))
    }
}

fn stopped() -> WriteFailed {
    WriteFailed { why: "its thread has stopped".to_owned(), undone: false }
}

fn lock(path: &Path) -> Result<File, JournalError> {
    let name = beside(path, ".lock");
    let broken = |source| JournalError::Io { path: name.clone(), source };
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(&name).map_err(broken)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(JournalError::InUse { path: path.to_owned() }),
        Err(error) => Err(broken(error.into())),
    }
}

/// A file of this journal beside its own.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn replay(path: &Path, client: &ClientName, entries: Vec<Entry>) -> Result<Vec<Unfinished>, JournalError> {
    let wrong = |why| JournalError::NotAJournal { path: path.to_owned(), why };
    let mut unfinished = BTreeMap::new();
    for (index, entry) in entries.into_iter().enumerate() {
        match entry {
            Entry::Owner { version, .. } if version != JOURNAL_VERSION => {
                return Err(JournalError::Version { path: path.to_owned(), found: version });
            }
            Entry::Owner { client: owner, .. } if owner != *client => {
                return Err(JournalError::Owner { path: path.to_owned(), owner, client: client.clone() });
            }
            Entry::Owner { .. } => {}
            Entry::Begun { .. } | Entry::Finished { .. } if index == 0 => {
                return Err(wrong("it does not say whose it is"));
            }
            Entry::Begun { begin, note } => {
                if begin.subject.txn.client != *client {
                    return Err(wrong("it holds a request of another client"));
                }
                let slot = (begin.subject.txn.session, begin.subject.txn.sequence);
                unfinished.insert(slot, Unfinished { begin, note });
            }
            Entry::Finished { session, sequence } => {
                unfinished.remove(&(session, sequence));
            }
        }
    }
    let mut oldest: BTreeMap<SessionId, u64> = BTreeMap::new();
    for (session, sequence) in unfinished.keys() {
        let first = *oldest.entry(*session).or_insert(sequence.0);
        if sequence.0 - first >= SESSION_WINDOW_MAX {
            return Err(wrong("requests of one session are further apart than a session's window"));
        }
    }
    Ok(unfinished.into_values().collect())
}

#[cfg(test)]
mod tests;
