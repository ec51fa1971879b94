//! The numbers of a consumer in the history, each with one operation at a time. An operation whose task is gone is unknown.

use super::super::clients::Shared;
use crate::{
    attack::recording::End,
    history::Value,
    workload::{Completion, Invocation},
};
use std::{
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Those that are free.
pub(super) struct Hands(Mutex<Vec<u64>>);

/// An operation that has begun. Dropped, nobody knows what became of it.
pub(super) struct Open {
    shared: Arc<Shared>,
    hands: Arc<Hands>,
    process: u64,
    begun: u64,
    invocation: Invocation,
    has_ended: bool,
}

impl Hands {
    pub(super) fn new(processes: Range<u64>) -> Arc<Hands> {
        Arc::new(Hands(Mutex::new(processes.rev().collect())))
    }

    fn free(&self) -> MutexGuard<'_, Vec<u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins an operation.
    ///
    /// # Panics
    /// If none is free: the caller's bug, which does not more at a time than it has numbers for.
    pub(super) fn begin(self: &Arc<Self>, shared: &Arc<Shared>, invocation: Invocation) -> Open {
        let process = self.free().pop().expect("a number for each thing that is done at a time");
        let begun = shared.recording.invoke(process, &invocation);
        let (shared, hands) = (Arc::clone(shared), Arc::clone(self));
        Open { shared, hands, process, begun, invocation, has_ended: false }
    }
}

impl Open {
    pub(super) fn invocation(&self) -> &Invocation {
        &self.invocation
    }

    /// Ends it; `value` is what came out, where the workload is not to say so.
    pub(super) fn end(self, end: End, completion: &Completion, value: Option<Value>) {
        self.end_as(end, completion, value, None);
    }

    /// The same, for a transaction that has an id.
    pub(super) fn end_as(
        mut self,
        end: End,
        completion: &Completion,
        value: Option<Value>,
        id: Option<String>,
    ) {
        self.ended(end, completion, value, id);
    }

    fn ended(&mut self, end: End, completion: &Completion, value: Option<Value>, id: Option<String>) {
        self.has_ended = true;
        // One after the other: what the workload learns and what the history says have the same order.
        let mut workload = self.shared.workload();
        let value = value.unwrap_or_else(|| workload.ended(self.process, &self.invocation, completion));
        let process = self.shared.recording.end(self.process, self.begun, end, value, id);
        drop(workload);
        self.hands.free().push(process);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if !self.has_ended {
            self.ended(End::Info("the consumer died".to_owned()), &Completion::Unknown, None, None);
        }
    }
}
