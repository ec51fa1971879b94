//! Folders of runs, with errors that say what to do.

use super::{Failure, Status};
use assent_lab::{
    history::{History, HistoryError},
    run::{Run, folder::FolderError},
};
use std::{io::ErrorKind, path::Path};

/// Reads a run and its history.
pub(crate) fn load(folder: &Path) -> Result<(Run, History), Failure> {
    let run = Run::load(folder).map_err(failure)?;
    let history = Run::load_history(folder).map_err(failure)?;
    Ok((run, history))
}

/// Whose fault it is and what to do about it.
pub(crate) fn failure(error: FolderError) -> Failure {
    match error {
        FolderError::File { what: "read", path, source } if source.kind() == ErrorKind::NotFound => {
            Failure::new(Status::Usage, format!("{} is not there", path.display())).cause(source).remedy(
                "name the folder that a run left behind: `assent-lab simulate --out DIR` makes one, and it holds run.json",
            )
        }
        FolderError::File { what, path, source } => {
            let status = if what == "read" { Status::Usage } else { Status::Environment };
            Failure::new(status, format!("can't {what} {}", path.display()))
                .cause(source)
                .remedy("look at the rights of the folder, and at the room on its disk")
        }
        FolderError::Account { path, source } => {
            Failure::new(Status::Usage, format!("{} is no account of a run", path.display()))
                .cause(source)
                .remedy("it is written whole at the end of a run: one that was killed has none, so run it again")
        }
        FolderError::History { path, source } => history(&path, source),
    }
}

/// A history that can't be read, or written.
pub(crate) fn history(path: &Path, error: HistoryError) -> Failure {
    let what = format!("{} can't be used as a history", path.display());
    let remedy = match &error {
        HistoryError::Io(_) => "name a file of a history: history.ndjson or history.edn of a run",
        HistoryError::Name(_) => {
            "name the file .ndjson (one JSON object per line) or .edn (one EDN map per line)"
        }
        HistoryError::Syntax { .. } => "each line is one event; docs/lab.md shows both forms",
        HistoryError::Broken { .. } => "a checker can't judge it: the rules of histories are in docs/lab.md",
        HistoryError::Keyword { .. } => "let the workload use words that EDN can write",
    };
    Failure::new(Status::Usage, what).cause(error).remedy(remedy)
}
