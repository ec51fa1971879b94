//! A history: what clients saw, in real-time order. Checkers read nothing else.
//!
//! Invariants, kept by [`Recorder`]: indexes rise by one, times never fall, a process has one operation open at a time
//! and is never used again after an [`Kind::Info`].

use serde::{Deserialize, Serialize};

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
