//! How a transaction ends, and why.

use crate::{
    ids::{FieldName, Member, NodeId, RecordId},
    operation::Results,
};
use serde::{Deserialize, Serialize};

/// The outcome: one for all participants, for ever.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Outcome {
    /// Every participant holds a durable Yes (R1).
    Committed,
    /// One participant holds a durable abort (R2).
    Aborted(AbortReason),
}

/// Why a transaction was aborted. What was aborted has changed nothing and never will.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum AbortReason {
    /// An operation was refused by what the records hold.
    Refused(Refusal),
    /// An older transaction needed the same records, or the queue was full of older ones. Try again.
    Conflict,
    /// It was not decided before its deadline. Try again.
    Deadline,
    /// A participant takes no new work now (its disk is full, or its queue is). Try again later.
    Overloaded,
    /// Its coordinator was gone before every participant had voted. Try again.
    Abandoned,
    /// The id stands for another transaction.
    IdReused,
    /// The id is older than what its client still waits for.
    Expired,
    /// A participant can't take the transaction at all: the cluster files of client and node differ.
    Misplaced(NodeId),
}

/// Which operation was refused, and why.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Refusal {
    /// The operation's index in the transaction, from 0.
    pub operation: u16,
    /// What did not hold.
    pub kind: RefusalKind,
    /// The record.
    pub record: RecordId,
    /// The field, where there is one.
    pub field: Option<FieldName>,
    /// The member, where there is one.
    pub member: Option<Member>,
}

/// What did not hold.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum RefusalKind {
    /// The record had to exist.
    Exists,
    /// The record had to be absent.
    Absent,
    /// The field had to equal a value.
    Equals,
    /// The field had to be at least a value.
    AtLeast,
    /// The set had to contain a member.
    Contains,
    /// The record had to have a version.
    Version,
    /// The bound of a counter or set would be broken, however the transactions under way end.
    Bound,
    /// The member is in the set already.
    MemberExists,
    /// The member is not in the set.
    MemberAbsent,
    /// The field holds another type than the operation needs.
    WrongType,
    /// What would be read does not fit into one answer.
    TooLarge,
    /// There is no such message: it was acknowledged, or is a dead letter.
    MessageAbsent,
    /// The lease has run out or was given back: somebody else may have the message.
    LeaseLost,
    /// The lease is another client's.
    ForeignLease,
    /// The mailbox does not exist.
    MailboxAbsent,
    /// The outbox of the participant that would keep the message is full. Try again later.
    OutboxFull,
}

/// What the client is told.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Answer {
    /// Committed, with what its reads saw.
    Committed(Results),
    /// Aborted for good.
    Aborted(AbortReason),
    /// Not known here and now; ask again.
    Unknown,
    /// Nothing was sent to any participant on this attempt: too much is in flight here.
    Overloaded,
    /// Nothing is held of it, and it is too old to be run. Never by itself an outcome (R11).
    Expired,
    /// The request can't be understood as it is; nothing was sent to any participant.
    Malformed(Malformed),
}

/// What is wrong with a request.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Malformed {
    /// The digest is not that of the operations and participants.
    Digest,
    /// A participant that is not in the cluster file, or that is not a participant.
    UnknownParticipant(NodeId),
    /// An operation is wrong in itself.
    Operation(u16),
    /// The id names another client than the one that asks.
    ForeignClient,
}
