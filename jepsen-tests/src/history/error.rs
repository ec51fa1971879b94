//! What can be wrong with a history: where, and which rule it breaks.

use std::{io, path::PathBuf};

/// Why a history cannot be read, written or judged.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The file, not its content.
    #[error("the history's file: {0}")]
    Io(#[from] io::Error),
    /// The name tells no form.
    #[error("{}: a history's name ends in .ndjson or .edn", .0.display())]
    Name(PathBuf),
    /// A line is not an event.
    #[error("line {line}, column {column}: {what}")]
    Syntax {
        /// From 1.
        line: u64,
        /// In bytes, from 1.
        column: u64,
        /// What was found, and what belongs there.
        what: String,
    },
    /// A line is an event, but not one that can follow those before it.
    #[error("line {line} (index {index}): {broken}")]
    Broken {
        /// From 1.
        line: u64,
        /// The event's own.
        index: u64,
        /// What is wrong.
        broken: Broken,
    },
    /// A word that is a keyword in EDN has characters that no keyword has.
    #[error(
        "index {index}: {word:?} is no EDN keyword: only letters, digits and . * + ! - _ ? $ % & = < > / # belong there"
    )]
    Keyword {
        /// The event's.
        index: u64,
        /// The word.
        word: String,
    },
}

/// A rule of histories that an event breaks.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Broken {
    /// Indexes rise.
    #[error("the index must be above {before}, the one of the line before")]
    Index {
        /// The index of the line before.
        before: u64,
    },
    /// Times never fall.
    #[error("the time must not be below {before} ns, the one of the line before")]
    Time {
        /// The time of the line before, in nanoseconds.
        before: u64,
    },
    /// A process does one thing at a time.
    #[error("process {process} begins an operation, but its operation of index {open} has not ended")]
    Busy {
        /// Which.
        process: u64,
        /// The index at which the other began.
        open: u64,
    },
    /// Only what began can end.
    #[error("process {process} ends an operation, but has none open")]
    Idle {
        /// Which.
        process: u64,
    },
    /// Nobody knows when an `info` operation ends, so its process cannot go on.
    #[error(
        "process {process} had an operation of unknown outcome at index {since}, and must not be used again"
    )]
    Retired {
        /// Which.
        process: u64,
        /// The index of that line.
        since: u64,
    },
    /// An end tells of the operation that began.
    #[error("process {process} ends :{found}, but began :{begun}")]
    Mixed {
        /// Which.
        process: u64,
        /// What ended.
        found: String,
        /// What began.
        begun: String,
    },
    /// The nemesis only tells.
    #[error("a line of the nemesis has the type info")]
    Nemesis,
}
