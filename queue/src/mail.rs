//! Messages in the database: how they are written, and read back one by one.
//!
//! Each message is one row in the family `messages`, and is read by its number or place: never by looking for it, since
//! looking wades through what was deleted in front of it. A long one leaves only what orders it in that row, and its body has
//! the same key in the family `bodies`: so a start that reads all rows reads no payloads.
//!
//! Which dead letters there are is kept in memory, for the same reason: some 20 bytes for each.
//!
//! The invariant: `dead` and `long` are what the database and the open batch together say.

use crate::{
    batch::Batch,
    keys::{Key, Numbered, families},
    overlay::Pending,
    recent::Recent,
    shared::Shared,
};
use assent_protocol::{
    codec,
    ids::Stamp,
    mail::{Envelope, Mailbox, MessageKey, Position, Stored, StreamSequence},
    storage::Write,
};
use foldhash::fast::RandomState;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, HashSet},
};

/// A message with more bytes than this has its body apart.
pub(crate) const WHOLE_BYTES_MAX: usize = 4 * 1024;

/// The value of a row in `messages`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Row<T, H> {
    Whole(T),
    /// What a start needs to know; the rest is in `bodies`.
    Apart(H),
}

/// What a start needs to know of a message in a mailbox.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) key: Option<MessageKey>,
    pub(crate) due: Stamp,
    pub(crate) failed: u32,
}

/// What is kept in rows.
pub(crate) trait Kept: Clone + Serialize + DeserializeOwned {
    type Head: Serialize + DeserializeOwned;
    fn head(&self) -> Self::Head;
    /// About; it never changes for one key, so that a body is always where it is looked for.
    fn bytes(&self) -> usize;
}

impl Kept for Envelope {
    /// The bytes that a stream counts.
    type Head = u64;

    fn head(&self) -> u64 {
        self.bytes() as u64
    }

    fn bytes(&self) -> usize {
        self.draft.bytes()
    }
}

impl Kept for Stored {
    type Head = Order;

    fn head(&self) -> Order {
        Order { key: self.envelope.draft.key.clone(), due: self.due, failed: self.failed }
    }

    fn bytes(&self) -> usize {
        self.envelope.draft.bytes()
    }
}

/// What is known of messages without asking the database.
pub(crate) struct Mail {
    outgoing: Recent<Envelope>,
    messages: Recent<Stored>,
    dead_letters: Recent<Stored>,
    pub(crate) known: Known,
}

/// What a start finds in the rows and must be known from then on.
#[derive(Default)]
pub(crate) struct Known {
    /// Where dead letters are.
    pub(crate) dead: BTreeMap<Mailbox, BTreeSet<Position>>,
    /// Rows whose bodies are apart.
    pub(crate) long: HashSet<Box<[u8]>, RandomState>,
}

impl Mail {
    pub(crate) fn new(known: Known, cached_bytes: usize) -> Self {
        Mail {
            outgoing: Recent::new(cached_bytes / 2),
            messages: Recent::new(cached_bytes / 2),
            // Hardly ever read.
            dead_letters: Recent::new(0),
            known,
        }
    }

    /// Takes a write, if it is one of messages.
    pub(crate) fn put(&mut self, write: Write, key: &mut Key, batch: &mut Batch) {
        match write {
            Write::PutWaiting(position, envelope) => {
                self.put_row(key.waiting(position, envelope.id.operation), &*envelope, batch);
            }
            Write::DeleteWaiting(position, id) => {
                self.delete_row(key.waiting(position, id.operation), batch);
            }
            Write::PutOutgoing(sequence, envelope) => {
                let place = (envelope.draft.mailbox.clone(), sequence.0);
                self.put_row(key.numbered(Numbered::Outgoing, &place.0, place.1), &*envelope, batch);
                let bytes = envelope.bytes();
                self.outgoing.put(place, *envelope, bytes);
            }
            Write::DeleteOutgoing(mailbox, sequence) => {
                self.delete_row(key.numbered(Numbered::Outgoing, &mailbox, sequence.0), batch);
                self.outgoing.delete((mailbox, sequence.0));
            }
            Write::PutMessage(position, stored) => {
                let place = (stored.mailbox().clone(), position.0);
                self.put_row(key.numbered(Numbered::Message, &place.0, place.1), &*stored, batch);
                let bytes = stored.bytes();
                self.messages.put(place, *stored, bytes);
            }
            Write::DeleteMessage(mailbox, position) => {
                self.delete_row(key.numbered(Numbered::Message, &mailbox, position.0), batch);
                self.messages.delete((mailbox, position.0));
            }
            Write::PutDead(position, stored) => {
                let place = (stored.mailbox().clone(), position.0);
                self.put_row(key.numbered(Numbered::Dead, &place.0, place.1), &*stored, batch);
                self.known.dead.entry(place.0.clone()).or_default().insert(position);
                let bytes = stored.bytes();
                self.dead_letters.put(place, *stored, bytes);
            }
            Write::DeleteDead(mailbox, position) => {
                self.delete_row(key.numbered(Numbered::Dead, &mailbox, position.0), batch);
                if let Some(places) = self.known.dead.get_mut(&mailbox) {
                    places.remove(&position);
                    if places.is_empty() {
                        self.known.dead.remove(&mailbox);
                    }
                }
                self.dead_letters.delete((mailbox, position.0));
            }
            Write::PutAcknowledged(mailbox, up_to) => {
                batch.put(families::STREAMS, key.acknowledged(&mailbox), &codec::encode(&up_to));
            }
            Write::PutArrived(mailbox, source, arrived) => {
                batch.put(families::STREAMS, key.arrived(&mailbox, source), &codec::encode(&arrived));
            }
            Write::PutMailbox(mailbox, mark) => {
                batch.put(families::STREAMS, key.mark(&mailbox), &codec::encode(&mark));
            }
            other => unreachable!("{other:?} is none of messages"),
        }
    }

    fn put_row<T: Kept>(&mut self, key: &Key, value: &T, batch: &mut Batch) {
        if value.bytes() <= WHOLE_BYTES_MAX {
            let row: Row<&T, T::Head> = Row::Whole(value);
            return batch.put(families::MESSAGES, key, &codec::encode(&row));
        }
        let row: Row<&T, T::Head> = Row::Apart(value.head());
        batch.put(families::MESSAGES, key, &codec::encode(&row));
        batch.put(families::BODIES, key, &codec::encode(value));
        self.known.long.insert(key.as_ref().into());
    }

    fn delete_row(&mut self, key: &Key, batch: &mut Batch) {
        batch.delete(families::MESSAGES, key);
        if self.known.long.remove(key.as_ref()) {
            batch.delete(families::BODIES, key);
        }
    }

    /// Everything that was written is in the database.
    pub(crate) fn committed(&mut self) {
        self.outgoing.committed();
        self.messages.committed();
        self.dead_letters.committed();
    }

    pub(crate) fn outgoing(
        &self,
        mailbox: &Mailbox,
        sequence: StreamSequence,
        database: (&Shared, &RefCell<Key>),
    ) -> Option<Envelope> {
        read(&self.outgoing, Numbered::Outgoing, mailbox, sequence.0, database)
    }

    pub(crate) fn message(
        &self,
        mailbox: &Mailbox,
        position: Position,
        database: (&Shared, &RefCell<Key>),
    ) -> Option<Stored> {
        read(&self.messages, Numbered::Message, mailbox, position.0, database)
    }

    pub(crate) fn dead(
        &self,
        mailbox: &Mailbox,
        position: Position,
        database: (&Shared, &RefCell<Key>),
    ) -> Option<Stored> {
        read(&self.dead_letters, Numbered::Dead, mailbox, position.0, database)
    }

    pub(crate) fn dead_after(
        &self,
        mailbox: &Mailbox,
        after: Option<Position>,
        limit: usize,
    ) -> Vec<Position> {
        let places = self.known.dead.get(mailbox).into_iter();
        let places = places.flat_map(|places| places.range(after.unwrap_or_default().next()..));
        places.take(limit).copied().collect()
    }
}

fn read<T: Kept>(
    recent: &Recent<T>,
    kind: Numbered,
    mailbox: &Mailbox,
    number: u64,
    (shared, key): (&Shared, &RefCell<Key>),
) -> Option<T> {
    match recent.get(&(mailbox.clone(), number)) {
        Pending::Put(value) => return Some(value.clone()),
        Pending::Gone => return None,
        Pending::Untouched => {}
    }
    let mut key = key.borrow_mut();
    let key = key.numbered(kind, mailbox, number);
    match shared.lookup::<Row<T, T::Head>>(families::MESSAGES, key)? {
        Row::Whole(value) => Some(value),
        Row::Apart(_) => {
            let body = shared.lookup(families::BODIES, key);
            Some(shared.read_checked(body.ok_or("a message lacks its body")))
        }
    }
}
