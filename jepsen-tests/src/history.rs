//! A history: what clients saw, in real-time order. Checkers read nothing else.
//!
//! Invariants, kept by [`Recorder`]: indexes rise by one, times never fall, a process has one operation open at a time
//! and is never used again after an [`Kind::Info`].
//!
//! On disk a history has one event per line: [`ndjson`] is the lab's own form, [`edn`] the one that Jepsen's checkers
//! read. The order of the lines is the order in time; the times themselves are for people and plots.

pub mod edn;
mod edn_text;
mod error;
mod lines;
pub mod ndjson;
mod operations;
mod recorder;
mod rules;

pub use error::{Broken, HistoryError};
pub use operations::{Operation, Outcome};
pub use recorder::Recorder;

use serde::{Deserialize, Serialize};
use std::{fs::File, io::BufReader, path::Path};

/// Values inside values, at most this deep, when they are read.
pub const VALUE_DEPTH_MAX: usize = 100;

/// A piece of data as in EDN, the notation of Jepsen's histories.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Value {
    /// Nothing: not known yet, or never written.
    Nil,
    /// True or false.
    Bool(bool),
    /// A number.
    Int(i64),
    /// A text.
    Text(String),
    /// A word with a meaning, as `:append`; without the colon here.
    Keyword(String),
    /// Values in order.
    Vector(Vec<Value>),
    /// Keys with values, in the order in which they are written.
    Map(Vec<(Value, Value)>),
}

/// What happened to an operation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// It was begun.
    Invoke,
    /// It has happened.
    Ok,
    /// It has not happened, and never will.
    Fail,
    /// Nobody knows; or a line of the nemesis.
    Info,
}

/// Whose line it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Process {
    /// A client with one operation open at a time.
    Client(u64),
    /// What makes the faults.
    Nemesis,
}

/// One line of a history.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    /// Its place in the history, from 0.
    pub index: u64,
    /// When, in nanoseconds of one monotonic clock.
    pub time_ns: u64,
    /// Whose.
    pub process: Process,
    /// What happened.
    pub kind: Kind,
    /// What was asked for, as `txn`; without a colon.
    pub f: String,
    /// With what, or what came out.
    pub value: Value,
    /// Why it failed, or is not known.
    pub error: Option<String>,
    /// The transaction id, where one was given: `client:session:sequence`.
    pub txn: Option<String>,
}

/// What clients saw.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct History {
    /// All lines, in order.
    pub events: Vec<Event>,
}

impl History {
    /// Whether the invariants hold that checkers rely on. For a history that was built in memory or edited: what is
    /// read from a file has been checked. A line's number is its place among the events, from 1.
    pub fn check(&self) -> Result<(), HistoryError> {
        let mut rules = rules::Rules::default();
        for (event, line) in self.events.iter().zip(1..) {
            rules.accept(event).map_err(|broken| HistoryError::Broken {
                line,
                index: event.index,
                broken,
            })?;
        }
        Ok(())
    }

    /// Every client's operations, in the order in which they began.
    pub fn operations(&self) -> Vec<Operation<'_>> {
        operations::pair(&self.events)
    }

    /// Reads a file in the form that its name tells: `.ndjson` or `.edn`.
    pub fn load(path: &Path) -> Result<History, HistoryError> {
        let form = Form::of(path)?;
        let file = BufReader::new(File::open(path)?);
        match form {
            Form::Ndjson => ndjson::read(file),
            Form::Edn => edn::read(file),
        }
    }

    /// Writes a file in the form that its name tells: `.ndjson` or `.edn`.
    pub fn save(&self, path: &Path) -> Result<(), HistoryError> {
        let form = Form::of(path)?;
        let file = File::create(path)?;
        match form {
            Form::Ndjson => ndjson::write(self, file),
            Form::Edn => edn::write(self, file),
        }
    }
}

/// How a history lies on disk.
enum Form {
    Ndjson,
    Edn,
}

impl Form {
    fn of(path: &Path) -> Result<Form, HistoryError> {
        match path.extension().and_then(|name| name.to_str()) {
            Some("ndjson") => Ok(Form::Ndjson),
            Some("edn") => Ok(Form::Edn),
            Some(_) | None => Err(HistoryError::Name(path.to_owned())),
        }
    }
}
