//! Why a call about messages failed: for certain, or perhaps.

use crate::nodes::QueryError;
use assent_protocol::message::MailboxRefusal;

/// Why a call about messages failed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MailError {
    /// The mailbox's node refuses it; nothing has changed.
    #[error("{}", words(*.0))]
    Refused(MailboxRefusal),
    /// It was not sent; nothing has changed.
    #[error("nothing was sent: {0}")]
    NotSent(QueryError),
    /// It was sent, and no answer came: it may have happened or not.
    #[error("it may have happened or not: {0}")]
    Unknown(QueryError),
    /// A try of an acknowledgement was left without an answer, and at the next one the message was not there: that try may have
    /// acknowledged it, or somebody else has, or it has become a dead letter.
    #[error(
        "it may have happened or not: the answer was lost, and now there is no such message; it was acknowledged, or has \
         become a dead letter"
    )]
    Gone,
    /// It is wrong in itself, and was not sent.
    #[error("{0}")]
    Invalid(String),
}

impl MailError {
    /// Whether it has not happened for certain.
    pub fn is_definite(&self) -> bool {
        match self {
            MailError::Refused(_) | MailError::NotSent(_) | MailError::Invalid(_) => true,
            MailError::Unknown(_) | MailError::Gone => false,
        }
    }

    /// One word for it, as in JSON: see `docs/messages.md`.
    pub fn kind(&self) -> &'static str {
        match self {
            MailError::Refused(refusal) => match refusal {
                MailboxRefusal::MailboxAbsent => "mailbox_absent",
                MailboxRefusal::Misplaced => "misplaced",
                MailboxRefusal::NotPermitted => "not_permitted",
                MailboxRefusal::Overloaded => "overloaded",
                MailboxRefusal::MessageAbsent => "message_absent",
                MailboxRefusal::LeaseLost => "lease_lost",
                MailboxRefusal::ForeignLease => "foreign_lease",
                MailboxRefusal::Acknowledging => "acknowledging",
                MailboxRefusal::DeadLetterAbsent => "dead_letter_absent",
            },
            MailError::NotSent(_) => "unreachable",
            MailError::Unknown(_) => "unanswered",
            MailError::Gone => "gone",
            MailError::Invalid(_) => "invalid",
        }
    }
}

fn words(refusal: MailboxRefusal) -> &'static str {
    match refusal {
        MailboxRefusal::MailboxAbsent => "there is no such mailbox",
        MailboxRefusal::Misplaced => {
            "the mailbox is not on that node: the cluster files of client and nodes differ"
        }
        MailboxRefusal::NotPermitted => "the mailbox names its consumers, and this client is not one of them",
        MailboxRefusal::Overloaded => "too many consumers wait at the mailbox; try again later",
        MailboxRefusal::MessageAbsent => {
            "there is no such message in the mailbox: it was acknowledged, or is a dead letter"
        }
        MailboxRefusal::LeaseLost => {
            "the lease has run out, was given back, or ended with a restart: somebody else may have the message"
        }
        MailboxRefusal::ForeignLease => "the lease is another client's",
        MailboxRefusal::Acknowledging => {
            "a transaction that acknowledges the message is in doubt; try again later"
        }
        MailboxRefusal::DeadLetterAbsent => "there is no such dead letter; nothing was done",
    }
}
