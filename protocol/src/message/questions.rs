//! What people and tools may ask of a node. Answering changes nothing.

use super::{Held, MailboxFigures, StreamFigures};
use crate::{
    ids::{NodeId, RecordId, Sponsor, Subject, TxnId},
    mail::{Mailbox, Position, Stored},
    operation::RecordContent,
};
use alloc::{string::String, vec::Vec};
use serde::{Deserialize, Serialize};

/// A question of people and tools. Answering changes nothing.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Query {
    /// To participants: undecided transactions.
    InDoubt,
    /// To participants: what is held of an id, whatever its digest.
    Outcome(TxnId),
    /// To participants: records in order, after one, until the page is full. Each is consistent in itself only.
    Scan {
        /// Only this table.
        table: Option<String>,
        /// Start after this record.
        after: Option<RecordId>,
    },
    /// To any node: figures about it.
    Status,
    /// To participants: the mailboxes here.
    Mailboxes,
    /// To participants: what waits in the outbox here.
    Outbox,
    /// To participants: messages of a mailbox in order, after one, until the page is full.
    Mail {
        /// Which mailbox.
        mailbox: Mailbox,
        /// Its dead letters, not its messages.
        dead: bool,
        /// Start after this place.
        after: Option<Position>,
    },
}

/// What is known.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Reply {
    /// Undecided transactions here.
    InDoubt(Vec<InDoubt>),
    /// What is held, with the participant list where it is known.
    Outcome {
        /// What is held.
        held: Held,
        /// Everyone who votes; empty if not known.
        participants: Vec<NodeId>,
    },
    /// A page of records.
    Scan {
        /// In order of their ids.
        records: Vec<(RecordId, RecordContent)>,
        /// There are more after the last one.
        more: bool,
    },
    /// Named figures, as "in_doubt", "transactions_held".
    Status(Vec<(String, u64)>),
    /// The question can't be answered here, and why.
    Refused(String),
    /// The mailboxes here, by name.
    Mailboxes(Vec<MailboxFigures>),
    /// What waits in the outbox here.
    Outbox {
        /// By mailbox.
        streams: Vec<StreamFigures>,
        /// Committed messages that wait for a transaction in doubt.
        waiting: u64,
        /// All messages, those of transactions in doubt included.
        messages: u64,
        /// Bytes of these, about.
        bytes: u64,
    },
    /// A page of messages.
    Mail {
        /// In order of their places.
        messages: Vec<(Position, Stored)>,
        /// There are more after the last one.
        more: bool,
    },
}

/// One undecided transaction on one participant.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct InDoubt {
    /// Which.
    pub subject: Subject,
    /// Everyone who votes.
    pub participants: Vec<NodeId>,
    /// Who drives it, as far as is known.
    pub sponsor: Sponsor,
    /// How long ago it arrived here, in milliseconds.
    pub age_ms: u64,
    /// Waits for locks; otherwise it has voted Yes.
    pub queued: bool,
    /// The Yes is pledged.
    pub pledged: bool,
    /// Participants that have not answered this one's questions yet; empty if it has not asked.
    pub missing: Vec<NodeId>,
    /// The records that wait.
    pub records: Vec<RecordId>,
}
