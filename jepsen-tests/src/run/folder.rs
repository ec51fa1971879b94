//! A run on disk: written whole by who ran it, read again by who judges it or draws it anew.

use super::Run;
use crate::{
    history::{History, HistoryError},
    report,
};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The account, in a run's folder.
pub const ACCOUNT: &str = "run.json";
/// What clients saw, in a run's folder.
pub const HISTORY: &str = "history.ndjson";
/// The same for Jepsen's checkers.
pub const HISTORY_EDN: &str = "history.edn";
/// The same for people.
pub const REPORT: &str = "report.html";

/// Why a run's folder can't be written or read.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// A file, or the folder itself.
    #[error("can't {what} {}: {source}", path.display())]
    File {
        /// As `write`.
        what: &'static str,
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The account is not what a run leaves behind.
    #[error("{} is no account of a run: {source}", path.display())]
    Account {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The history can't be read or written.
    #[error("{}: {source}", path.display())]
    History {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: HistoryError,
    },
}

impl Run {
    /// Writes history, report and account into a folder, which is made if it is not there. The account comes last: where
    /// it is, the run is whole.
    ///
    /// # Errors
    /// If a file can't be written, or the history has what its forms can't express.
    pub fn save(&self, folder: &Path, history: &History) -> Result<(), FolderError> {
        save_history(folder, history)?;
        self.save_report(folder, history)?;
        let account = folder.join(ACCOUNT);
        let text = serde_json::to_string_pretty(self)
            .map_err(|source| FolderError::Account { path: account.clone(), source })?;
        fs::write(&account, text + "\n").map_err(file("write", &account))
    }

    /// Draws the report anew; gives its path.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn save_report(&self, folder: &Path, history: &History) -> Result<PathBuf, FolderError> {
        let path = folder.join(REPORT);
        fs::write(&path, report::render(self, history)).map_err(file("write", &path))?;
        Ok(path)
    }

    /// Reads the account of a run.
    ///
    /// # Errors
    /// If it is not there, or is not one.
    pub fn load(folder: &Path) -> Result<Run, FolderError> {
        let path = folder.join(ACCOUNT);
        let text = fs::read(&path).map_err(file("read", &path))?;
        serde_json::from_slice(&text).map_err(|source| FolderError::Account { path, source })
    }

    /// Reads the history of a run.
    ///
    /// # Errors
    /// If it is not there, or is not one.
    pub fn load_history(folder: &Path) -> Result<History, FolderError> {
        let path = folder.join(HISTORY);
        History::load(&path).map_err(|source| FolderError::History { path, source })
    }
}

/// Writes what clients saw into a folder, which is made if it is not there: all that there is of a run that has failed.
///
/// # Errors
/// If a file can't be written, or the history has what its forms can't express.
pub fn save_history(folder: &Path, history: &History) -> Result<(), FolderError> {
    fs::create_dir_all(folder).map_err(file("make", folder))?;
    for name in [HISTORY, HISTORY_EDN] {
        let path = folder.join(name);
        history.save(&path).map_err(|source| FolderError::History { path, source })?;
    }
    Ok(())
}

/// For `map_err` on what touches a file.
fn file<'a>(what: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> FolderError + 'a {
    move |source| FolderError::File { what, path: path.to_owned(), source }
}
