//! Operations: what a client began, paired with how it ended.

use super::{Event, Kind, Process, Value};
use std::collections::HashMap;

/// An operation of a client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Operation<'a> {
    /// The line with which it begins.
    pub invocation: &'a Event,
    /// The line with which it ends; none if the history ends first.
    pub completion: Option<&'a Event>,
    /// The place of the first line among all events, from 0: places are what order in time is read from.
    pub begun_at: usize,
    /// The place of the last line.
    pub ended_at: Option<usize>,
}

/// How an operation ended, as far as its client knows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Outcome {
    /// It has happened, between its two lines.
    Ok,
    /// It has not happened and never will.
    Fail,
    /// It may have happened, or still may, at any time after its first line.
    Unknown,
}

impl<'a> Operation<'a> {
    /// How it ended. An operation without an end is as unknown as one whose end says so.
    pub fn outcome(&self) -> Outcome {
        match self.completion.map(|event| event.kind) {
            Some(Kind::Ok) => Outcome::Ok,
            Some(Kind::Fail) => Outcome::Fail,
            Some(Kind::Info | Kind::Invoke) | None => Outcome::Unknown,
        }
    }

    /// What is known of it: what came out if it has happened, otherwise what was asked for.
    pub fn value(&self) -> &'a Value {
        match (self.outcome(), self.completion) {
            (Outcome::Ok, Some(completion)) => &completion.value,
            (Outcome::Ok | Outcome::Fail | Outcome::Unknown, _) => &self.invocation.value,
        }
    }

    /// The indexes of its lines.
    pub fn indexes(&self) -> impl Iterator<Item = u64> + use<'a> {
        [Some(self.invocation), self.completion].into_iter().flatten().map(|event| event.index)
    }
}

/// All operations, in the order in which they began. What breaks the rules of a history is passed over.
pub(super) fn pair(events: &[Event]) -> Vec<Operation<'_>> {
    let mut operations: Vec<Operation<'_>> = Vec::with_capacity(events.len() / 2);
    let mut open = HashMap::new();
    for (at, event) in events.iter().enumerate() {
        let Process::Client(process) = event.process else { continue };
        if event.kind == Kind::Invoke {
            open.insert(process, operations.len());
            operations.push(Operation { invocation: event, completion: None, begun_at: at, ended_at: None });
        } else if let Some(place) = open.remove(&process) {
            operations[place].completion = Some(event);
            operations[place].ended_at = Some(at);
        }
    }
    operations
}
