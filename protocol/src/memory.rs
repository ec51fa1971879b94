//! A disk in memory: a [`Store`] that forgets, in a crash, what was not synced.
//!
//! For tests, models and simulations; no node runs on it. It keeps the promise of a disk that writes batches whole
//! and in order: after a crash it holds every synced batch, and of the others a prefix that the test chooses.
//!
//! The invariant: what a read sees is the durable state with the unsynced batches applied in order.

use crate::{
    ids::{ClientName, FieldName, Member, NodeId, RecordId, Sequence, SessionId, TxnId, Version},
    mail::{Arrived, Envelope, Mailbox, MailboxMark, Position, Stored, StreamSequence, VotePosition},
    operation::Value,
    storage::{
        ClientRecord, Field, GrantRecord, Recovered, RecoveredMail, RecoveredMessage, Store, TxnRecord, Write,
    },
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use core::ops::Bound;

/// A [`Store`] whose durable part survives [`crash`](MemoryStore::crash).
///
/// Write, then end the batch with [`commit`](MemoryStore::commit), then make all batches durable with
/// [`sync`](MemoryStore::sync). A batch survives a crash whole or not at all, as in RocksDB.
#[derive(Clone, Default, PartialEq, Eq, Hash, Debug)]
pub struct MemoryStore {
    durable: State,
    now: State,
    /// Unsynced writes, in order.
    log: Vec<Write>,
    /// Where in the log each committed batch ends, rising.
    batches: Vec<usize>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        MemoryStore::default()
    }

    /// Ends the batch: the writes since the last commit survive a crash together or not at all.
    pub fn commit(&mut self) {
        if self.has_pending() {
            self.batches.push(self.log.len());
        }
    }

    /// Whether anything was written since the last commit.
    pub fn has_pending(&self) -> bool {
        self.log.len() > self.batches.last().copied().unwrap_or(0)
    }

    /// Makes everything written so far durable; commits the batch that is open.
    pub fn sync(&mut self) {
        self.commit();
        self.sync_batches(self.unsynced());
    }

    /// Makes the oldest `batches` unsynced batches durable, as a sync does that began before the later ones.
    pub fn sync_batches(&mut self, batches: usize) {
        let kept = self.batches.drain(..batches.min(self.batches.len())).next_back().unwrap_or(0);
        for write in self.log.drain(..kept) {
            self.durable.apply(write);
        }
        for end in &mut self.batches {
            *end -= kept;
        }
    }

    /// How many batches a crash can lose, the open one included.
    pub fn unsynced(&self) -> usize {
        self.batches.len() + usize::from(self.has_pending())
    }

    /// Whether a crash would lose nothing.
    pub fn is_synced(&self) -> bool {
        self.log.is_empty()
    }

    /// Loses what was not synced.
    pub fn crash(&mut self) {
        self.crash_keeping(0);
    }

    /// Loses what was not synced, but for the oldest `batches` unsynced batches: a disk may have written them by itself.
    pub fn crash_keeping(&mut self, batches: usize) {
        self.commit();
        self.sync_batches(batches);
        self.log.clear();
        self.batches.clear();
        self.now = self.durable.clone();
    }

    /// What a machine loads when it starts.
    pub fn recover(&self) -> Recovered {
        let State { txns, watermarks, clients, grants, .. } = &self.now;
        Recovered {
            txns: txns.iter().map(|(txn, held)| (txn.clone(), held.clone())).collect(),
            watermarks: watermarks
                .iter()
                .map(|((client, session), sequence)| (client.clone(), *session, *sequence))
                .collect(),
            clients: clients.iter().map(|(client, held)| (client.clone(), held.clone())).collect(),
            grants: grants.iter().map(|(client, held)| (client.clone(), held.clone())).collect(),
            mail: self.now.mail.recover(),
        }
    }

    /// What is held of a transaction.
    pub fn txn(&self, txn: &TxnId) -> Option<&TxnRecord> {
        self.now.txns.get(txn)
    }
}

impl Store for MemoryStore {
    fn record(&self, record: &RecordId) -> Option<Version> {
        self.now.records.get(record)?.version
    }

    fn field(&self, record: &RecordId, field: &FieldName) -> Option<Field> {
        self.now.entry(record, field)?.field.clone()
    }

    fn fields(&self, record: &RecordId) -> Vec<FieldName> {
        let fields = self.now.records.get(record).into_iter().flat_map(|held| &held.fields);
        fields.filter(|(_, held)| held.field.is_some()).map(|(name, _)| name.clone()).collect()
    }

    fn items(&self, record: &RecordId, field: &FieldName) -> Vec<Value> {
        self.now.entry(record, field).map_or_else(Vec::new, |held| held.items.values().cloned().collect())
    }

    fn contains(&self, record: &RecordId, field: &FieldName, member: &Member) -> bool {
        self.now.entry(record, field).is_some_and(|held| held.members.contains(member))
    }

    fn members(&self, record: &RecordId, field: &FieldName) -> Vec<Member> {
        self.now.entry(record, field).map_or_else(Vec::new, |held| held.members.iter().cloned().collect())
    }

    fn grant(&self, client: &ClientName) -> Option<GrantRecord> {
        self.now.grants.get(client).cloned()
    }

    fn records_after(
        &self,
        table: Option<&str>,
        after: Option<&RecordId>,
        limit: usize,
    ) -> Vec<(RecordId, Version)> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.now
            .records
            .range::<RecordId, _>((start, Bound::Unbounded))
            .filter(|(record, _)| table.is_none_or(|table| record.table() == table))
            .filter_map(|(record, held)| Some((record.clone(), held.version?)))
            .take(limit)
            .collect()
    }

    fn outgoing(&self, mailbox: &Mailbox, sequence: StreamSequence) -> Option<Envelope> {
        self.now.mail.outgoing.get(&(mailbox.clone(), sequence)).cloned()
    }

    fn mail(&self, mailbox: &Mailbox, position: Position) -> Option<Stored> {
        self.now.mail.messages.get(&(mailbox.clone(), position)).cloned()
    }

    fn dead(&self, mailbox: &Mailbox, position: Position) -> Option<Stored> {
        self.now.mail.dead.get(&(mailbox.clone(), position)).cloned()
    }

    fn dead_after(&self, mailbox: &Mailbox, after: Option<Position>, limit: usize) -> Vec<Position> {
        let start = after.unwrap_or_default().next();
        let dead = self.now.mail.dead.range((mailbox.clone(), start)..);
        let dead = dead.take_while(|((of, _), _)| of == mailbox).take(limit);
        dead.map(|((_, position), _)| *position).collect()
    }

    fn write(&mut self, write: Write) {
        self.now.apply(write.clone());
        self.log.push(write);
    }
}

#[derive(Clone, Default, PartialEq, Eq, Hash, Debug)]
struct State {
    records: BTreeMap<RecordId, RecordState>,
    txns: BTreeMap<TxnId, TxnRecord>,
    watermarks: BTreeMap<(ClientName, SessionId), Sequence>,
    clients: BTreeMap<ClientName, ClientRecord>,
    grants: BTreeMap<ClientName, GrantRecord>,
    mail: MailState,
}

#[derive(Clone, Default, PartialEq, Eq, Hash, Debug)]
struct MailState {
    waiting: BTreeMap<(VotePosition, u16), Envelope>,
    outgoing: BTreeMap<(Mailbox, StreamSequence), Envelope>,
    acknowledged: BTreeMap<Mailbox, StreamSequence>,
    arrived: BTreeMap<(Mailbox, NodeId), Arrived>,
    mailboxes: BTreeMap<Mailbox, MailboxMark>,
    messages: BTreeMap<(Mailbox, Position), Stored>,
    dead: BTreeMap<(Mailbox, Position), Stored>,
}

impl MailState {
    fn recover(&self) -> RecoveredMail {
        let message = |((mailbox, position), stored): (&(Mailbox, Position), &Stored)| RecoveredMessage {
            mailbox: mailbox.clone(),
            position: *position,
            key: stored.envelope.draft.key.clone(),
            due: stored.due,
            failed: stored.failed,
        };
        let mut dead: BTreeMap<Mailbox, u64> = BTreeMap::new();
        for (mailbox, _) in self.dead.keys() {
            *dead.entry(mailbox.clone()).or_default() += 1;
        }
        RecoveredMail {
            waiting: self.waiting.iter().map(|((position, _), held)| (*position, held.clone())).collect(),
            acknowledged: self
                .acknowledged
                .iter()
                .map(|(mailbox, up_to)| (mailbox.clone(), *up_to))
                .collect(),
            outgoing: self
                .outgoing
                .iter()
                .map(|((mailbox, sequence), held)| (mailbox.clone(), *sequence, held.draft.bytes()))
                .collect(),
            arrived: self
                .arrived
                .iter()
                .map(|((mailbox, source), held)| (mailbox.clone(), *source, held.clone()))
                .collect(),
            mailboxes: self.mailboxes.iter().map(|(mailbox, mark)| (mailbox.clone(), mark.clone())).collect(),
            messages: self.messages.iter().map(message).collect(),
            dead: dead.into_iter().collect(),
        }
    }
}

/// Kept only while it holds something, so that equal contents are equal states.
#[derive(Clone, Default, PartialEq, Eq, Hash, Debug)]
struct RecordState {
    version: Option<Version>,
    fields: BTreeMap<FieldName, FieldState>,
}

#[derive(Clone, Default, PartialEq, Eq, Hash, Debug)]
struct FieldState {
    field: Option<Field>,
    items: BTreeMap<u64, Value>,
    members: BTreeSet<Member>,
}

impl FieldState {
    fn is_empty(&self) -> bool {
        self.field.is_none() && self.items.is_empty() && self.members.is_empty()
    }
}

impl State {
    fn entry(&self, record: &RecordId, field: &FieldName) -> Option<&FieldState> {
        self.records.get(record)?.fields.get(field)
    }

    fn entry_mut(&mut self, record: RecordId, field: FieldName) -> &mut FieldState {
        self.records.entry(record).or_default().fields.entry(field).or_default()
    }

    fn apply(&mut self, write: Write) {
        match write {
            Write::PutRecord(record, version) => {
                self.records.entry(record).or_default().version = Some(version);
            }
            Write::DeleteRecord(record) => {
                self.records.remove(&record);
            }
            Write::PutField(record, field, held) => self.entry_mut(record, field).field = Some(held),
            Write::PutItem(record, field, index, value) => {
                self.entry_mut(record, field).items.insert(index, value);
            }
            Write::PutMember(record, field, member) => {
                self.entry_mut(record, field).members.insert(member);
            }
            Write::DeleteMember(record, field, member) => self.remove_member(&record, &field, &member),
            Write::DeleteField(record, field) => self.remove_field(&record, &field),
            Write::PutTxn(txn, held) => {
                self.txns.insert(txn, held);
            }
            Write::DeleteTxn(txn) => {
                self.txns.remove(&txn);
            }
            Write::PutWatermark(client, session, sequence) => {
                self.watermarks.insert((client, session), sequence);
            }
            Write::DeleteWatermark(client, session) => {
                self.watermarks.remove(&(client, session));
            }
            Write::PutClient(client, held) => {
                self.clients.insert(client, held);
            }
            Write::PutGrant(client, held) => {
                self.grants.insert(client, held);
            }
            Write::PutWaiting(position, envelope) => {
                self.mail.waiting.insert((position, envelope.id.operation), *envelope);
            }
            Write::DeleteWaiting(position, id) => {
                self.mail.waiting.remove(&(position, id.operation));
            }
            Write::PutOutgoing(sequence, envelope) => {
                self.mail.outgoing.insert((envelope.draft.mailbox.clone(), sequence), *envelope);
            }
            Write::DeleteOutgoing(mailbox, sequence) => {
                self.mail.outgoing.remove(&(mailbox, sequence));
            }
            Write::PutAcknowledged(mailbox, up_to) => {
                self.mail.acknowledged.insert(mailbox, up_to);
            }
            Write::PutArrived(mailbox, source, arrived) => {
                self.mail.arrived.insert((mailbox, source), arrived);
            }
            Write::PutMailbox(mailbox, mark) => {
                self.mail.mailboxes.insert(mailbox, mark);
            }
            Write::PutMessage(position, stored) => {
                self.mail.messages.insert((stored.mailbox().clone(), position), *stored);
            }
            Write::DeleteMessage(mailbox, position) => {
                self.mail.messages.remove(&(mailbox, position));
            }
            Write::PutDead(position, stored) => {
                self.mail.dead.insert((stored.mailbox().clone(), position), *stored);
            }
            Write::DeleteDead(mailbox, position) => {
                self.mail.dead.remove(&(mailbox, position));
            }
        }
    }

    fn remove_member(&mut self, record: &RecordId, field: &FieldName, member: &Member) {
        let held = self.records.get_mut(record).and_then(|record| record.fields.get_mut(field));
        if held.is_some_and(|held| held.members.remove(member) && held.is_empty()) {
            self.remove_field(record, field);
        }
    }

    fn remove_field(&mut self, record: &RecordId, field: &FieldName) {
        if let Some(held) = self.records.get_mut(record) {
            held.fields.remove(field);
            if held.version.is_none() && held.fields.is_empty() {
                self.records.remove(record);
            }
        }
    }
}
