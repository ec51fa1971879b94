//! Why a cluster could not be attacked. What the checkers find is no error: it is in the run's verdicts.

use crate::run::folder::FolderError;
use std::{io, path::PathBuf};

/// Why an attack could not be made, or not be finished.
#[derive(Debug, thiserror::Error)]
pub enum AttackError {
    /// An option can't be.
    #[error("{option} can't be {value}: {why}")]
    Option {
        /// Which one.
        option: &'static str,
        /// What it was given.
        value: String,
        /// What is wrong, and what would be right.
        why: String,
    },
    /// Something on this machine is missing.
    #[error("{what} is missing: {why}; {remedy}")]
    Missing {
        /// What.
        what: String,
        /// How that was noticed.
        why: String,
        /// What to do.
        remedy: String,
    },
    /// A file can't be read, written or made.
    #[error("can't {what} {path}: {source}")]
    File {
        /// As `write`.
        what: &'static str,
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What the run leaves behind can't be written.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A program of the system failed.
    #[error("`{command}` failed: {why}")]
    Command {
        /// With its arguments.
        command: String,
        /// Its status and what it wrote to standard error.
        why: String,
    },
    /// The cluster could not be laid out: keys, configuration.
    #[error("the cluster could not be laid out: {0}")]
    Layout(String),
    /// A node did not get ready, or could not be signalled.
    #[error("{node}: {why}; its log is {log}")]
    Node {
        /// Its name.
        node: String,
        /// What is wrong.
        why: String,
        /// Where to look.
        log: PathBuf,
    },
    /// The clients could not be connected.
    #[error("a client could not be connected: {0}")]
    Client(String),
    /// An operation that has to be committed could not be, long after all faults were over.
    #[error("`{f}` was not committed within {waited_s} s, without any fault: {why}")]
    NotCommitted {
        /// Which operation.
        f: String,
        /// How long it was tried, in seconds.
        waited_s: u64,
        /// How the last try ended.
        why: String,
    },
    /// A campaign of other settings is in the folder.
    #[error("{} holds a campaign with other settings, which {} in it tells", folder.display(), settings)]
    OtherCampaign {
        /// The folder.
        folder: PathBuf,
        /// The file that tells them.
        settings: &'static str,
    },
    /// Something went wrong with the network of the lab itself.
    #[error("the lab's own network failed: {0}")]
    Network(String),
    /// Ctrl-C or SIGTERM. Everything has been removed.
    #[error("interrupted")]
    Interrupted,
}

/// For `map_err` on what touches a file.
pub(crate) fn file<'a>(
    what: &'static str,
    path: &'a std::path::Path,
) -> impl FnOnce(io::Error) -> AttackError + 'a {
    move |source| AttackError::File { what, path: path.to_owned(), source }
}
