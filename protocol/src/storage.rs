//! What a participant needs from its disk.
//!
//! A machine reads through [`Store`] and writes through it; a write is visible to later reads at once, and durable
//! only when whoever runs the machine has synced the batch. Nothing that the machine says leaves before that (R7):
//! the machine doesn't sync, and so can't get it wrong.

use crate::{
    ids::{
        ClientName, Digest, FieldName, Member, NodeId, RecordId, Sequence, SessionId, Sponsor, Stamp, TxnId,
        Version,
    },
    mail::{
        Arrived, Envelope, Mailbox, MailboxMark, MessageId, MessageKey, Position, Stored, StreamSequence,
        VotePosition,
    },
    operation::{Results, Step, Value},
    outcome::Outcome,
};
use alloc::{boxed::Box, sync::Arc, vec::Vec};
use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::SerializeTupleVariant as _};

/// A field as stored: its value, or how many items or members it has. Items and members have keys of their own.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Field {
    /// One value.
    Value(Value),
    /// A list with this many items, at the indexes from 0.
    List(u64),
    /// A set with this many members.
    Set(u64),
}

/// A durable Yes: everything that is needed to commit, to answer, and to retake the locks after a restart.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Yes {
    /// What the id stands for.
    pub digest: Digest,
    /// Everyone who votes, sorted.
    pub participants: Vec<NodeId>,
    /// Whose Prepare it answered.
    pub sponsor: Sponsor,
    /// How old the transaction is.
    pub stamp: Stamp,
    /// Time to decide that the Prepare gave, in milliseconds.
    pub deadline_ms: u32,
    /// Told to a resolver: can't be vetoed any more (R4).
    pub pledged: bool,
    /// The operations. They are the redo record: what they add is added when the outcome is stored.
    pub steps: Vec<Step>,
    /// What the reads saw.
    pub results: Results,
    /// Of a transaction that sends messages: its place among the votes here, whose order they keep. Encoded by
    /// [`TxnRecord`], so that a vote that sends nothing has the bytes that it always had.
    #[serde(skip)]
    pub position: Option<VotePosition>,
}

/// A durable outcome.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Decided {
    /// What the id stands for.
    pub digest: Digest,
    /// Everyone who votes, sorted.
    pub participants: Vec<NodeId>,
    /// How it ended.
    pub outcome: Outcome,
    /// What the reads of a committed transaction saw here: the answer to a repeat.
    pub results: Results,
}

/// What is stored of one transaction. Shared with the machine, which keeps the same in memory.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum TxnRecord {
    /// In doubt.
    Yes(Arc<Yes>),
    /// Ended.
    Decided(Arc<Decided>),
}

impl Serialize for TxnRecord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const NAME: &str = "TxnRecord";
        match self {
            TxnRecord::Yes(yes) => match yes.position {
                None => serializer.serialize_newtype_variant(NAME, 0, "Yes", yes),
                Some(position) => {
                    let mut variant = serializer.serialize_tuple_variant(NAME, 2, "Sending", 2)?;
                    variant.serialize_field(&position)?;
                    variant.serialize_field(yes)?;
                    variant.end()
                }
            },
            TxnRecord::Decided(decided) => serializer.serialize_newtype_variant(NAME, 1, "Decided", decided),
        }
    }
}

impl<'de> Deserialize<'de> for TxnRecord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename = "TxnRecord")]
        enum Encoded {
            Yes(Yes),
            Decided(Decided),
            Sending(VotePosition, Yes),
        }
        Ok(match Encoded::deserialize(deserializer)? {
            Encoded::Yes(yes) => TxnRecord::Yes(Arc::new(yes)),
            Encoded::Decided(decided) => TxnRecord::Decided(Arc::new(decided)),
            Encoded::Sending(position, yes) => {
                TxnRecord::Yes(Arc::new(Yes { position: Some(position), ..yes }))
            }
        })
    }
}

/// What is stored of a client's sessions.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct ClientRecord {
    /// Ended sessions, as ranges from first to last, sorted and apart from each other.
    pub ended: Vec<(SessionId, SessionId)>,
}

/// What is stored where this participant grants a client's sessions.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct GrantRecord {
    /// The last session that was granted.
    pub last: SessionId,
    /// Granted and not ended, sorted.
    pub open: Vec<SessionId>,
}

/// One write.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Write {
    /// A record exists with this version.
    PutRecord(RecordId, Version),
    /// A record and everything in it is gone.
    DeleteRecord(RecordId),
    /// A field, without its items or members.
    PutField(RecordId, FieldName, Field),
    /// An item of a list, at its index.
    PutItem(RecordId, FieldName, u64, Value),
    /// A member of a set is there.
    PutMember(RecordId, FieldName, Member),
    /// A member of a set is gone.
    DeleteMember(RecordId, FieldName, Member),
    /// A field with all its items and members is gone.
    DeleteField(RecordId, FieldName),
    /// What is held of a transaction.
    PutTxn(TxnId, TxnRecord),
    /// Nothing is held of a transaction any more (R8).
    DeleteTxn(TxnId),
    /// A client has every answer of a session below this.
    PutWatermark(ClientName, SessionId, Sequence),
    /// The session has ended: its watermark is not needed any more.
    DeleteWatermark(ClientName, SessionId),
    /// Which sessions of a client have ended.
    PutClient(ClientName, ClientRecord),
    /// Which sessions of a client were granted here.
    PutGrant(ClientName, GrantRecord),
    /// A committed message that waits for a transaction in doubt, by the place of its vote and its operation.
    PutWaiting(VotePosition, Box<Envelope>),
    /// It waits no more.
    DeleteWaiting(VotePosition, MessageId),
    /// A released message under its number.
    PutOutgoing(StreamSequence, Box<Envelope>),
    /// It has arrived.
    DeleteOutgoing(Mailbox, StreamSequence),
    /// All messages of the stream up to here have arrived.
    PutAcknowledged(Mailbox, StreamSequence),
    /// How far a source's stream has arrived in a mailbox here.
    PutArrived(Mailbox, NodeId, Arrived),
    /// Where a mailbox begins and ends.
    PutMailbox(Mailbox, MailboxMark),
    /// A message in a mailbox.
    PutMessage(Position, Box<Stored>),
    /// It is finished.
    DeleteMessage(Mailbox, Position),
    /// A dead letter; under the place that it had as a message.
    PutDead(Position, Box<Stored>),
    /// It was redriven or purged.
    DeleteDead(Mailbox, Position),
}

/// A participant's disk, as the machine sees it.
///
/// # Errors
/// There are none: a disk that can't be read or written stops the process, which recovers from what is on it.
pub trait Store {
    /// The version of a record, if it exists.
    fn record(&self, record: &RecordId) -> Option<Version>;
    /// A field of a record.
    fn field(&self, record: &RecordId, field: &FieldName) -> Option<Field>;
    /// The names of a record's fields, in order.
    fn fields(&self, record: &RecordId) -> Vec<FieldName>;
    /// The items of a list, in order.
    fn items(&self, record: &RecordId, field: &FieldName) -> Vec<Value>;
    /// Whether a set has a member.
    fn contains(&self, record: &RecordId, field: &FieldName, member: &Member) -> bool;
    /// The members of a set, in order.
    fn members(&self, record: &RecordId, field: &FieldName) -> Vec<Member>;
    /// What is stored of a client's granted sessions.
    fn grant(&self, client: &ClientName) -> Option<GrantRecord>;
    /// At most `limit` records that exist, in order, after `after`; only those of `table` if it is given.
    fn records_after(
        &self,
        table: Option<&str>,
        after: Option<&RecordId>,
        limit: usize,
    ) -> Vec<(RecordId, Version)>;
    /// A released message that has not been acknowledged.
    fn outgoing(&self, mailbox: &Mailbox, sequence: StreamSequence) -> Option<Envelope>;
    /// A message in a mailbox.
    fn mail(&self, mailbox: &Mailbox, position: Position) -> Option<Stored>;
    /// A dead letter of a mailbox.
    fn dead(&self, mailbox: &Mailbox, position: Position) -> Option<Stored>;
    /// Where dead letters of a mailbox are: at most `limit` places, in order, after `after`. Reads none of them.
    fn dead_after(&self, mailbox: &Mailbox, after: Option<Position>, limit: usize) -> Vec<Position>;
    /// Adds a write to the batch. Later reads see it.
    fn write(&mut self, write: Write);
}

/// Everything that a participant's machine loads when it starts.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Recovered {
    /// What is held of transactions.
    pub txns: Vec<(TxnId, TxnRecord)>,
    /// Watermarks of sessions that have not ended.
    pub watermarks: Vec<(ClientName, SessionId, Sequence)>,
    /// Which sessions have ended.
    pub clients: Vec<(ClientName, ClientRecord)>,
    /// Which sessions were granted here.
    pub grants: Vec<(ClientName, GrantRecord)>,
    /// Messages.
    pub mail: RecoveredMail,
}

/// The messages that a participant's machine loads when it starts: what orders them, not what they say.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct RecoveredMail {
    /// Committed messages that wait for a transaction in doubt, by the places of their votes and their operations.
    pub waiting: Vec<(VotePosition, Envelope)>,
    /// Up to where each stream has been acknowledged.
    pub acknowledged: Vec<(Mailbox, StreamSequence)>,
    /// The bytes of each released message, by mailbox and number.
    pub outgoing: Vec<(Mailbox, StreamSequence, usize)>,
    /// How far streams have arrived.
    pub arrived: Vec<(Mailbox, NodeId, Arrived)>,
    /// Where mailboxes begin and end.
    pub mailboxes: Vec<(Mailbox, MailboxMark)>,
    /// Messages in mailboxes, by mailbox and place.
    pub messages: Vec<RecoveredMessage>,
    /// How many dead letters each mailbox has.
    pub dead: Vec<(Mailbox, u64)>,
}

/// What orders one message in a mailbox.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecoveredMessage {
    /// Where it is.
    pub mailbox: Mailbox,
    /// At which place.
    pub position: Position,
    /// What it stands in line with.
    pub key: Option<MessageKey>,
    /// Not delivered before this moment of this node's wall clock.
    pub due: Stamp,
    /// How many deliveries have failed.
    pub failed: u32,
}
