//! A disk and what waits for it: a memory store that forgets in a crash what was not synced, a sync that takes time, and
//! the messages that leave only behind it (R7), in the order of `participant/src/outgoing.rs`.
//!
//! It notes what becomes durable, so that properties can judge what is said by what is held.

use assent_protocol::{
    ids::{
        ClientName, Digest, FieldName, Member, NodeId, Peer, RecordId, Sequence, SessionId, Sponsor, TxnId,
        Version,
    },
    mail::{Envelope, Mailbox, Position, Stored, StreamSequence},
    memory::MemoryStore,
    message::Message,
    operation::Value,
    outcome::Outcome,
    storage::{ClientRecord, Field, GrantRecord, Store, TxnRecord, Write},
};
use std::collections::VecDeque;

/// Something that properties care about has become durable.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Durable {
    /// A vote, or its pledge.
    Yes { txn: TxnId, digest: Digest, sponsor: Sponsor, pledged: bool, participants: Vec<NodeId> },
    /// An outcome.
    Decided { txn: TxnId, digest: Digest, committed: bool, participants: Vec<NodeId> },
    /// Nothing is held of the transaction any more.
    Forgotten(TxnId),
    /// A watermark.
    Watermark(ClientName, SessionId, Sequence),
    /// Which sessions have ended.
    Ended(ClientName, ClientRecord),
    /// Which sessions were granted.
    Granted(ClientName, SessionId),
    /// Something of messages; noted behind what the same batch holds of transactions.
    Mail(Box<Write>),
}

impl Durable {
    fn of(write: &Write) -> Option<Durable> {
        match write {
            Write::PutTxn(txn, TxnRecord::Yes(yes)) => Some(Durable::Yes {
                txn: txn.clone(),
                digest: yes.digest,
                sponsor: yes.sponsor,
                pledged: yes.pledged,
                participants: yes.participants.clone(),
            }),
            Write::PutTxn(txn, TxnRecord::Decided(decided)) => Some(Durable::Decided {
                txn: txn.clone(),
                digest: decided.digest,
                committed: decided.outcome == Outcome::Committed,
                participants: decided.participants.clone(),
            }),
            Write::DeleteTxn(txn) => Some(Durable::Forgotten(txn.clone())),
            Write::PutWatermark(client, session, sequence) => {
                Some(Durable::Watermark(client.clone(), *session, *sequence))
            }
            Write::PutClient(client, record) => Some(Durable::Ended(client.clone(), record.clone())),
            Write::PutGrant(client, record) => Some(Durable::Granted(client.clone(), record.last)),
            Write::PutRecord(..)
            | Write::DeleteRecord(..)
            | Write::PutField(..)
            | Write::PutItem(..)
            | Write::PutMember(..)
            | Write::DeleteMember(..)
            | Write::DeleteField(..)
            | Write::DeleteWatermark(..)
            | Write::PutMailbox(..) => None,
            Write::PutWaiting(..)
            | Write::DeleteWaiting(..)
            | Write::PutOutgoing(..)
            | Write::DeleteOutgoing(..)
            | Write::PutAcknowledged(..)
            | Write::PutArrived(..)
            | Write::PutMessage(..)
            | Write::DeleteMessage(..)
            | Write::PutDead(..)
            | Write::DeleteDead(..) => Some(Durable::Mail(Box::new(write.clone()))),
        }
    }
}

/// Messages that wait for a sync.
pub(super) type Outbox = Vec<(Peer, Message)>;

/// What a node must do next for its disk.
pub(super) enum Next {
    /// Nothing: a sync runs, or nobody waits for one.
    Nothing,
    /// These may leave now.
    Send(Outbox),
    /// A sync has begun: say when it is done.
    Sync,
    /// Nobody waits, but something is written: sync it some time.
    Background,
}

/// The disk of one node.
#[derive(Default)]
pub(super) struct Disk {
    store: MemoryStore,
    /// What is noted of each batch that is not durable, by the number of the batch.
    noted: VecDeque<(u64, Durable)>,
    noted_mail: VecDeque<(u64, Durable)>,
    batches_written: u64,
    batches_durable: u64,
    syncing: Option<(usize, Outbox)>,
    gathered: Outbox,
    /// Transactions of which something is held.
    held: usize,
}

impl Disk {
    pub(super) fn store(&self) -> &MemoryStore {
        &self.store
    }

    /// How many transactions are held.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Ends the batch of a turn, and takes what the turn said.
    pub(super) fn end_turn(&mut self, said: &mut Outbox) -> Next {
        if self.store.has_pending() {
            self.store.commit();
            self.batches_written += 1;
        }
        self.gathered.append(said);
        self.go_on()
    }

    /// One sync at a time; what was said since it began waits for the next.
    fn go_on(&mut self) -> Next {
        if self.syncing.is_some() {
            return Next::Nothing;
        }
        let unsynced = self.store.unsynced();
        match (unsynced, self.gathered.is_empty()) {
            (0, true) => Next::Nothing,
            (0, false) => Next::Send(std::mem::take(&mut self.gathered)),
            (_, true) => Next::Background,
            (_, false) => {
                self.begin_sync();
                Next::Sync
            }
        }
    }

    /// Begins a sync of all that is written. Says whether there was anything to sync, and no sync running.
    pub(super) fn begin_sync(&mut self) -> bool {
        let unsynced = self.store.unsynced();
        if self.syncing.is_some() || unsynced == 0 {
            return false;
        }
        self.syncing = Some((unsynced, std::mem::take(&mut self.gathered)));
        true
    }

    /// The sync is done: gives what waited for it, and notes what is durable now.
    pub(super) fn end_sync(&mut self, durable: &mut Vec<Durable>) -> Outbox {
        let Some((batches, freed)) = self.syncing.take() else { return Outbox::new() };
        self.store.sync_batches(batches);
        self.note_durable(batches as u64, durable);
        freed
    }

    /// What comes after a sync.
    pub(super) fn after_sync(&mut self) -> Next {
        self.go_on()
    }

    /// How many batches a crash could lose.
    pub(super) fn unsynced(&self) -> usize {
        self.store.unsynced()
    }

    /// The process is gone; its disk has written these batches all the same, and lost the later ones.
    pub(super) fn crash(&mut self, kept: usize, durable: &mut Vec<Durable>) {
        self.store.crash_keeping(kept);
        self.note_durable(kept as u64, durable);
        self.noted.clear();
        self.noted_mail.clear();
        self.batches_written = self.batches_durable;
        self.syncing = None;
        self.gathered.clear();
        self.held = self.store.recover().txns.len();
    }

    fn note_durable(&mut self, batches: u64, durable: &mut Vec<Durable>) {
        for batch in self.batches_durable..self.batches_durable + batches {
            for queue in [&mut self.noted, &mut self.noted_mail] {
                while queue.front().is_some_and(|(of, _)| *of == batch) {
                    durable.extend(queue.pop_front().map(|(_, noted)| noted));
                }
            }
        }
        self.batches_durable += batches;
    }
}

impl Store for Disk {
    fn record(&self, record: &RecordId) -> Option<Version> {
        self.store.record(record)
    }

    fn field(&self, record: &RecordId, field: &FieldName) -> Option<Field> {
        self.store.field(record, field)
    }

    fn fields(&self, record: &RecordId) -> Vec<FieldName> {
        self.store.fields(record)
    }

    fn items(&self, record: &RecordId, field: &FieldName) -> Vec<Value> {
        self.store.items(record, field)
    }

    fn contains(&self, record: &RecordId, field: &FieldName, member: &Member) -> bool {
        self.store.contains(record, field, member)
    }

    fn members(&self, record: &RecordId, field: &FieldName) -> Vec<Member> {
        self.store.members(record, field)
    }

    fn grant(&self, client: &ClientName) -> Option<GrantRecord> {
        self.store.grant(client)
    }

    fn records_after(
        &self,
        table: Option<&str>,
        after: Option<&RecordId>,
        limit: usize,
    ) -> Vec<(RecordId, Version)> {
        self.store.records_after(table, after, limit)
    }

    fn outgoing(&self, mailbox: &Mailbox, sequence: StreamSequence) -> Option<Envelope> {
        self.store.outgoing(mailbox, sequence)
    }

    fn mail(&self, mailbox: &Mailbox, position: Position) -> Option<Stored> {
        self.store.mail(mailbox, position)
    }

    fn dead(&self, mailbox: &Mailbox, position: Position) -> Option<Stored> {
        self.store.dead(mailbox, position)
    }

    fn dead_after(&self, mailbox: &Mailbox, after: Option<Position>, limit: usize) -> Vec<Position> {
        self.store.dead_after(mailbox, after, limit)
    }

    fn write(&mut self, write: Write) {
        match &write {
            Write::PutTxn(txn, _) if self.store.txn(txn).is_none() => self.held += 1,
            Write::DeleteTxn(txn) if self.store.txn(txn).is_some() => self.held -= 1,
            _ => {}
        }
        if let Some(durable) = Durable::of(&write) {
            let queue =
                if matches!(durable, Durable::Mail(_)) { &mut self.noted_mail } else { &mut self.noted };
            queue.push_back((self.batches_written, durable));
        }
        self.store.write(write);
    }
}
