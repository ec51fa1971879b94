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
    operation::{Results, Step, Value},
    outcome::Outcome,
};
use alloc::{sync::Arc, vec::Vec};
use serde::{Deserialize, Serialize};

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
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum TxnRecord {
    /// In doubt.
    Yes(Arc<Yes>),
    /// Ended.
    Decided(Arc<Decided>),
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
}
