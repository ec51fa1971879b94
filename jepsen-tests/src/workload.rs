//! A workload: what clients ask for, and what must be true of what they see. One file each.
//!
//! The simulator and real clusters run the same workloads: a workload makes transactions and reads histories, and knows
//! nothing of either. One's own workload is an `impl Workload`.

use crate::{
    history::{History, Value},
    random::Random,
    verdict::Verdict,
};
use assent_protocol::operation::{Operation, ReadResult};

/// One operation of a client: a transaction, and how the history tells it.
#[derive(Clone, PartialEq, Debug)]
pub struct Invocation {
    /// What the history calls it, as `txn`.
    pub f: String,
    /// What the history says of it when it begins.
    pub value: Value,
    /// What the cluster is asked.
    pub operations: Vec<Operation>,
}

/// How an operation ended, as its client saw it.
#[derive(Clone, PartialEq, Debug)]
pub enum Completion {
    /// It has happened; what its reads saw, in the order of the operations.
    Committed(Vec<ReadResult>),
    /// It has not happened and never will; one word why, as `bound` or `conflict`.
    Aborted(String),
    /// Nobody knows.
    Unknown,
}

/// What clients ask for, and what must be true of what they see.
pub trait Workload: Send {
    /// One word, as `bank`.
    fn name(&self) -> &'static str;

    /// Operations that come before all others, one after the other; each is repeated until it is committed.
    fn first(&mut self) -> Vec<Invocation>;

    /// What a process does next. The same calls with the same chances give the same answers. None: this process waits
    /// for others, and is asked again a little later.
    fn next(&mut self, process: u64, random: &mut Random) -> Option<Invocation>;

    /// An operation of a process has ended. Gives the value that the history keeps of it; for an operation that is not
    /// committed, most give the one that it began with.
    fn ended(&mut self, process: u64, invocation: &Invocation, completion: &Completion) -> Value;

    /// Operations that come after all others, when the faults are over: mostly reads of everything, so that what was
    /// lost last shows too. Each is repeated until it is committed.
    fn last(&mut self) -> Vec<Invocation>;

    /// What must be true of the history.
    fn check(&self, history: &History) -> Vec<Verdict>;
}
