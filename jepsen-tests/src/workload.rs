//! A workload: what clients ask for, and what must be true of what they see. One file each.
//!
//! The simulator and real clusters run the same workloads: a workload makes transactions and reads histories, and knows
//! nothing of either. One's own workload is an `impl Workload`.

use crate::{
    history::{History, Value},
    random::Random,
    verdict::Verdict,
};
use assent_protocol::{
    mail::Mailbox,
    message::Delivery,
    operation::{Operation, ReadResult},
};

/// One operation of a client: a transaction, and how the history tells it.
#[derive(Clone, PartialEq, Debug)]
pub struct Invocation {
    /// What the history calls it, as `txn`.
    pub f: String,
    /// What the history says of it when it begins.
    pub value: Value,
    /// What the cluster is asked.
    pub operations: Vec<Operation>,
    /// How often the runner sends the very same transaction again, under the same id and through any coordinator, after
    /// its first answer. It records none of this in the history, and fails if an answer differs: another outcome, or
    /// reads that saw something else. A different reason of an abort does not differ, nor does an answer that is none
    /// (unknown, expired). Only for transactions that write: of others no answer is kept, and a repeat reads again.
    pub repeats: u32,
}

impl Invocation {
    /// One that is sent once.
    pub fn new(f: &str, value: Value, operations: Vec<Operation>) -> Self {
        Invocation { f: f.to_owned(), value, operations, repeats: 0 }
    }
}

/// How an operation ended, as its client saw it.
#[derive(Clone, PartialEq, Debug)]
pub enum Completion {
    /// It has happened; what its reads saw, in the order of the operations.
    Committed(Vec<ReadResult>),
    /// It has not happened and never will; one word why, as `docs/transactions.md` has it: `bound`, `requirement`,
    /// `member_exists`, `conflict`… The history keeps this very word as the line's error, and checkers judge by it
    /// whether there was a cause.
    Aborted(String),
    /// Nobody knows.
    Unknown,
}

/// What a consumer takes messages from, and how.
#[derive(Clone, PartialEq, Debug)]
pub struct Taking {
    /// From where.
    pub mailbox: Mailbox,
    /// How it finishes them.
    pub manner: Manner,
    /// For how long it has one, in milliseconds.
    pub lease_ms: u32,
    /// How many at once.
    pub max: u16,
}

/// How a consumer finishes messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Manner {
    /// In the transaction that has the effect: exactly once.
    Transaction,
    /// After it: at least once.
    Plain,
    /// Before it: at most once.
    OnReceipt,
}

/// What clients ask for, and what must be true of what they see.
///
/// One's own workload, whole: visitors are counted, and nobody may be counted twice or forgotten.
///
/// ```
/// use assent_lab::{
///     history::{History, Kind, Value},
///     random::Random,
///     verdict::{Anomaly, Finding, Verdict},
///     workload::{Completion, Invocation, Workload},
/// };
/// use assent_protocol::{
///     ids::{FieldName, RecordId},
///     operation::{FieldContent, Operation, ReadResult, Selection, Value as Stored},
/// };
///
/// struct Visits {
///     page: RecordId,
///     count: FieldName,
/// }
///
/// impl Workload for Visits {
///     fn name(&self) -> &'static str {
///         "visits"
///     }
///
///     fn first(&mut self) -> Vec<Invocation> {
///         Vec::new()
///     }
///
///     fn next(&mut self, _process: u64, _random: &mut Random) -> Option<Invocation> {
///         let (record, field) = (self.page.clone(), self.count.clone());
///         let visit = Operation::Add { record, field, delta: 1, min: None, max: None };
///         Some(Invocation::new("visit", Value::Nil, vec![visit]))
///     }
///
///     fn ended(&mut self, _process: u64, invocation: &Invocation, completion: &Completion) -> Value {
///         match completion {
///             Completion::Committed(reads) => match reads.first() {
///                 Some(ReadResult::Field(Some(FieldContent::Value(Stored::Int(count))))) => Value::Int(*count),
///                 _ => invocation.value.clone(),
///             },
///             Completion::Aborted(_) | Completion::Unknown => invocation.value.clone(),
///         }
///     }
///
///     fn last(&mut self) -> Vec<Invocation> {
///         let what = Selection::Field(self.count.clone());
///         let read = Operation::Read { record: self.page.clone(), what };
///         vec![Invocation::new("read", Value::Nil, vec![read])]
///     }
///
///     fn check(&self, history: &History) -> Vec<Verdict> {
///         let visits = |kind| history.events.iter().filter(|e| e.f == "visit" && e.kind == kind).count() as i64;
///         // Who was not refused may have been counted; who was told so must have been.
///         let counted = visits(Kind::Ok)..=visits(Kind::Invoke) - visits(Kind::Fail);
///         let read = history.events.iter().rfind(|e| e.f == "read" && e.kind == Kind::Ok);
///         let mut anomalies = Vec::new();
///         let finding = match read.map(|e| (e.index, &e.value)) {
///             Some((_, Value::Int(seen))) if counted.contains(seen) => Finding::Holds,
///             Some((index, seen)) => {
///                 let words = format!("{seen:?} visits were counted, where {counted:?} can be");
///                 anomalies.push(Anomaly { class: "miscounted".into(), words, events: vec![index] });
///                 Finding::Violated
///             }
///             None => Finding::Unknown,
///         };
///         let summary = format!("{} visits", visits(Kind::Invoke));
///         vec![Verdict { checker: "visits".into(), finding, summary, anomalies, tables: Vec::new() }]
///     }
/// }
///
/// let mut visits = Visits { page: RecordId::new("page/home")?, count: FieldName::new("visits")? };
/// assert!(visits.next(0, &mut Random::new(1)).is_some());
/// assert_eq!(visits.check(&History::default())[0].finding, Finding::Unknown);
/// # Ok::<(), assent_protocol::ids::InvalidName>(())
/// ```
pub trait Workload: Send {
    /// One word, as `bank`.
    fn name(&self) -> &'static str;

    /// Operations that come before all others, one after the other; each is repeated until it is committed. One whose
    /// outcome is unknown is settled first, by sending it again under its own id: tried anew, it could take effect
    /// twice, the second time in the midst of the others.
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

    /// What a consumer takes, from 0 on; none: there are no more consumers. Asked before everything else.
    fn consumes(&mut self, _consumer: u64, _random: &mut Random) -> Option<Taking> {
        None
    }

    /// What a consumer does with a message that it has; the acknowledgement is part of it, where its manner says so.
    fn process(&mut self, taking: &Taking, delivery: &Delivery) -> Invocation {
        let value = Value::Text(format!("{} {}", taking.mailbox, delivery.envelope.id));
        Invocation::new("process", value, Vec::new())
    }

    /// How the history tells a message that was delivered.
    fn told(&self, delivery: &Delivery) -> Value {
        Value::Text(delivery.envelope.id.to_string())
    }

    /// What a consumer does for a mailbox that does not exist, or when the faults are over.
    fn tend(&mut self, _taking: &Taking) -> Option<Invocation> {
        None
    }

    /// What must be true of the history.
    fn check(&self, history: &History) -> Vec<Verdict>;
}
