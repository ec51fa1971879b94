//! How a call ends: three ways, and no fourth. What a caller may conclude from each is said here.

use crate::{
    handle::Handle,
    link::Link,
    request::{Request, release},
    session::Session,
};
use assent_protocol::{
    ids::TxnId,
    operation::{FieldContent, ReadResult, RecordContent, Results},
    outcome::{AbortReason, Malformed, Refusal, RefusalKind},
};
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

/// How a call ended.
#[derive(Clone, Debug)]
#[must_use = "a transaction may have been refused, or its outcome may be unknown"]
pub enum Outcome {
    /// It has happened, on every participant, for good.
    Committed(Receipt),
    /// It has not happened, and never will.
    Aborted(Abort),
    /// It may have happened or not: [`Client::resolve`](crate::Client::resolve) finds out.
    Unknown(Handle),
}

impl Outcome {
    /// The id of the transaction; none if it was never given one, because nothing was sent.
    pub fn id(&self) -> Option<&TxnId> {
        match self {
            Outcome::Committed(receipt) => Some(&receipt.id),
            Outcome::Aborted(abort) => abort.id.as_ref(),
            Outcome::Unknown(handle) => Some(handle.id()),
        }
    }

    /// How many transactions were tried for this outcome: more than 1 only after
    /// [`Client::run_with_retries`](crate::Client::run_with_retries).
    pub fn attempts(&self) -> u32 {
        match self {
            Outcome::Committed(receipt) => receipt.attempts,
            Outcome::Aborted(abort) => abort.attempts,
            Outcome::Unknown(handle) => handle.attempts(),
        }
    }

    /// Whether it has happened for certain.
    pub fn is_committed(&self) -> bool {
        matches!(self, Outcome::Committed(_))
    }

    /// Tells the journal that the application has dealt with this answer, so that it does not come back after a
    /// restart. Does nothing without a journal, for an Unknown, or a second time.
    pub fn confirm(&self) {
        match self {
            Outcome::Committed(receipt) => receipt.confirm(),
            Outcome::Aborted(abort) => abort.confirm(),
            Outcome::Unknown(_) => {}
        }
    }
}

/// A transaction that has happened.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// Which transaction.
    pub id: TxnId,
    /// What its reads saw, in the order of the operations.
    pub reads: Vec<ReadResult>,
    /// How many transactions were tried, this one included.
    pub attempts: u32,
    pub(crate) confirmation: Option<Confirmation>,
}

impl Receipt {
    pub(crate) fn new(request: &mut Request, mut results: Results, attempts: u32) -> Receipt {
        results.sort_by_key(|(index, _)| *index);
        Receipt {
            id: request.subject().txn.clone(),
            reads: results.into_iter().map(|(_, result)| result).collect(),
            attempts,
            confirmation: Confirmation::of(request),
        }
    }

    /// See [`Outcome::confirm`].
    pub fn confirm(&self) {
        self.confirmation.iter().for_each(Confirmation::confirm);
    }

    /// The record that the `n`th read saw, from 0; none if there was no record, or it read something else.
    pub fn record(&self, n: usize) -> Option<&RecordContent> {
        match self.reads.get(n) {
            Some(ReadResult::Record(record)) => record.as_ref(),
            Some(ReadResult::Field(_) | ReadResult::Count(_) | ReadResult::Member(_)) | None => None,
        }
    }

    /// The field that the `n`th read saw, from 0; none if there was no field, or it read something else.
    pub fn field(&self, n: usize) -> Option<&FieldContent> {
        match self.reads.get(n) {
            Some(ReadResult::Field(field)) => field.as_ref(),
            Some(ReadResult::Record(_) | ReadResult::Count(_) | ReadResult::Member(_)) | None => None,
        }
    }
}

/// A transaction that has not happened and never will.
#[derive(Clone, Debug)]
pub struct Abort {
    /// Which transaction; none if it was never given an id.
    pub id: Option<TxnId>,
    /// Why.
    pub reason: Reason,
    /// How many transactions were tried, this one included.
    pub attempts: u32,
    pub(crate) confirmation: Option<Confirmation>,
}

impl Abort {
    pub(crate) fn new(request: &mut Request, reason: AbortReason, attempts: u32) -> Abort {
        Abort {
            id: Some(request.subject().txn.clone()),
            reason: Reason::Aborted(reason),
            attempts,
            confirmation: Confirmation::of(request),
        }
    }

    pub(crate) fn not_executed(id: Option<TxnId>, reason: NotExecuted, attempts: u32) -> Abort {
        Abort { id, reason: Reason::NotExecuted(reason), attempts, confirmation: None }
    }

    /// See [`Outcome::confirm`].
    pub fn confirm(&self) {
        self.confirmation.iter().for_each(Confirmation::confirm);
    }

    /// Which operation was refused and why, if that is the reason.
    pub fn refusal(&self) -> Option<&Refusal> {
        match &self.reason {
            Reason::Aborted(AbortReason::Refused(refusal)) => Some(refusal),
            Reason::Aborted(_) | Reason::NotExecuted(_) => None,
        }
    }
}

impl fmt::Display for Abort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.reason, f)
    }
}

/// Why a transaction has not happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reason {
    /// The cluster has aborted it, durably.
    Aborted(AbortReason),
    /// No participant was ever asked.
    NotExecuted(NotExecuted),
}

/// Why no participant was ever asked.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotExecuted {
    /// The transaction is wrong in itself.
    #[error("{}{why}", operation.map(|n| format!("operation {n}: ")).unwrap_or_default())]
    Invalid {
        /// The index of the operation, where it is one's fault.
        operation: Option<usize>,
        /// What is wrong.
        why: String,
    },
    /// The coordinator understands the request otherwise than this client. Compare the cluster files and versions.
    #[error(
        "the coordinator can't take the request as it is ({0:?}); do client and nodes have the same cluster file?"
    )]
    Malformed(Malformed),
    /// Too much is under way here or at the coordinator. Try again later.
    #[error("too much is under way; try again later")]
    Overloaded,
    /// The deadline came before anything could be sent.
    #[error("the deadline came before anything could be sent; allow more time")]
    Late,
    /// No coordinator could be reached before the deadline.
    #[error("no coordinator could be reached before the deadline: {0}")]
    Unreachable(String),
    /// Requests of this session wait for one whose outcome is unknown or whose answer was not confirmed. Resolve it or
    /// give it up, or confirm answers.
    #[error(
        "4096 requests of this session wait for an earlier one that is unresolved or unconfirmed; resolve it, give it up or confirm it"
    )]
    SessionFull,
    /// The session has ended, and a new one could not be opened before the deadline.
    #[error("the session has ended, and no new one could be opened before the deadline")]
    SessionEnded,
    /// Only reads, and no answer before the deadline. There was nothing to change.
    #[error("no answer before the deadline; it was only to read, so nothing has changed")]
    Unanswered,
    /// The journal could not be written.
    #[error("the journal can't be written: {0}")]
    Journal(String),
    /// The client was closed.
    #[error("the client was closed")]
    Closed,
}

impl Reason {
    /// One word for it, as in JSON: see `docs/transactions.md`.
    pub fn kind(&self) -> &'static str {
        match self {
            Reason::Aborted(reason) => match reason {
                AbortReason::Refused(refusal) => refusal_kind(refusal.kind),
                AbortReason::Conflict => "conflict",
                AbortReason::Deadline => "deadline",
                AbortReason::Overloaded => "overloaded",
                AbortReason::Abandoned => "abandoned",
                AbortReason::IdReused => "id_reused",
                AbortReason::Expired => "expired",
                AbortReason::Misplaced(_) => "misplaced",
            },
            Reason::NotExecuted(reason) => match reason {
                NotExecuted::Invalid { .. } => "invalid",
                NotExecuted::Malformed(_) => "malformed",
                NotExecuted::Overloaded => "overloaded",
                NotExecuted::Late => "deadline",
                NotExecuted::Unreachable(_) => "unreachable",
                NotExecuted::SessionFull => "session_full",
                NotExecuted::SessionEnded => "session_ended",
                NotExecuted::Unanswered => "unanswered",
                NotExecuted::Journal(_) => "journal",
                NotExecuted::Closed => "closed",
            },
        }
    }

    /// Whether a new transaction with the same operations may well succeed: what
    /// [`Client::run_with_retries`](crate::Client::run_with_retries) tries again.
    pub fn is_transient(&self) -> bool {
        match self {
            Reason::Aborted(reason) => match reason {
                AbortReason::Conflict
                | AbortReason::Deadline
                | AbortReason::Overloaded
                | AbortReason::Abandoned => true,
                // Messages leave it all the time.
                AbortReason::Refused(refusal) if refusal.kind == RefusalKind::OutboxFull => true,
                AbortReason::Refused(_)
                | AbortReason::IdReused
                | AbortReason::Expired
                | AbortReason::Misplaced(_) => false,
            },
            Reason::NotExecuted(reason) => match reason {
                NotExecuted::Overloaded => true,
                NotExecuted::Invalid { .. }
                | NotExecuted::Malformed(_)
                | NotExecuted::Late
                | NotExecuted::Unreachable(_)
                | NotExecuted::SessionFull
                | NotExecuted::SessionEnded
                | NotExecuted::Unanswered
                | NotExecuted::Journal(_)
                | NotExecuted::Closed => false,
            },
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Aborted(reason) => match reason {
                AbortReason::Refused(refusal) => describe(refusal, f),
                AbortReason::Conflict => {
                    f.write_str("an older transaction needed the same records; try again")
                }
                AbortReason::Deadline => f.write_str("it was not decided before its deadline; try again"),
                AbortReason::Overloaded => {
                    f.write_str("a participant takes no new work now; try again later")
                }
                AbortReason::Abandoned => {
                    f.write_str("its coordinator was gone before every participant had voted; try again")
                }
                AbortReason::IdReused => {
                    f.write_str("the id stands for another transaction; use an id for one thing only")
                }
                AbortReason::Expired => {
                    f.write_str("the id is too old to be run; run it as a new transaction")
                }
                AbortReason::Misplaced(node) => {
                    write!(f, "node {node} can't take it: the cluster files of client and nodes differ")
                }
            },
            Reason::NotExecuted(reason) => fmt::Display::fmt(reason, f),
        }
    }
}

/// The kind of a refusal in one word.
fn refusal_kind(kind: RefusalKind) -> &'static str {
    match kind {
        RefusalKind::Exists
        | RefusalKind::Absent
        | RefusalKind::Equals
        | RefusalKind::AtLeast
        | RefusalKind::Contains
        | RefusalKind::Version => "requirement",
        RefusalKind::Bound => "bound",
        RefusalKind::MemberExists => "member_exists",
        RefusalKind::MemberAbsent => "member_absent",
        RefusalKind::WrongType => "wrong_type",
        RefusalKind::TooLarge => "too_large",
        RefusalKind::MessageAbsent => "message_absent",
        RefusalKind::LeaseLost => "lease_lost",
        RefusalKind::ForeignLease => "foreign_lease",
        RefusalKind::MailboxAbsent => "mailbox_absent",
        RefusalKind::OutboxFull => "outbox_full",
    }
}

fn describe(refusal: &Refusal, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "operation {} on {}", refusal.operation, refusal.record)?;
    if let Some(field) = &refusal.field {
        write!(f, ", field {field}")?;
    }
    if let Some(member) = &refusal.member {
        write!(f, ", member {member}")?;
    }
    f.write_str(match refusal.kind {
        RefusalKind::Exists => ": there is no such record",
        RefusalKind::Absent => ": the record exists already",
        RefusalKind::Equals => ": the field has another value",
        RefusalKind::AtLeast => ": the field is less",
        RefusalKind::Contains => ": the set lacks the member",
        RefusalKind::Version => ": the record has another version",
        RefusalKind::Bound => ": the bound would be broken",
        RefusalKind::MemberExists => ": the set has the member already",
        RefusalKind::MemberAbsent => ": the set lacks the member",
        RefusalKind::WrongType => ": the field holds another type",
        RefusalKind::TooLarge => ": the answer would be too large",
        RefusalKind::MessageAbsent => ": there is no such message: it was acknowledged, or is a dead letter",
        RefusalKind::LeaseLost => {
            ": the lease has run out or was given back; somebody else may have the message"
        }
        RefusalKind::ForeignLease => ": the lease is another client's",
        RefusalKind::MailboxAbsent => ": there is no such mailbox",
        RefusalKind::OutboxFull => ": the outbox of its participant is full; try again later",
    })
}

/// What has to be done once the application has dealt with an answer that the journal keeps.
#[derive(Clone)]
pub(crate) struct Confirmation(Arc<Mutex<Option<Unconfirmed>>>);

struct Unconfirmed {
    link: Arc<Link>,
    txn: TxnId,
    session: Option<Arc<Session>>,
}

impl Confirmation {
    /// For a request that is being answered; none if nothing keeps it.
    fn of(request: &mut Request) -> Option<Confirmation> {
        request.answered();
        request.is_journaled().then(|| {
            let link = Arc::clone(request.link());
            let unconfirmed =
                Unconfirmed { link, txn: request.subject().txn.clone(), session: request.session().cloned() };
            Confirmation(Arc::new(Mutex::new(Some(unconfirmed))))
        })
    }

    fn confirm(&self) {
        if let Some(unconfirmed) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            release(&unconfirmed.link, &unconfirmed.txn, unconfirmed.session, true);
        }
    }
}

impl fmt::Debug for Confirmation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Confirmation")
    }
}
