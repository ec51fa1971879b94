//! Messages between applications in the model: what transactions send, where it has got to, and the order that it keeps.
//!
//! The first participant sends, the second has the mailbox. Nobody receives: what leases do concerns one node alone, and is
//! left to the simulator. So a message has the same number in its stream and place in its mailbox.

use super::{cast::Cast, config::Request, local::Flaw, rules::Seen, tables::Tables};
use assent_protocol::{
    directory::Directory,
    ids::{FieldName, NodeId, RecordId, TxnId},
    mail::{Draft, Mailbox, MessageId, MessageKey, VotePosition, settings},
    memory::MemoryStore,
    message::Message,
    operation::{Operation, Step, Value},
    storage::{Store, TxnRecord},
    workspace,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Whose transactions send.
pub(super) const SOURCE: usize = 0;
/// Where the mailbox is.
pub(super) const DESTINATION: usize = 1;
/// The only stream.
pub(super) const STREAM: (usize, usize) = (SOURCE, DESTINATION);
/// Operations that send come after all others.
const SENDS_FROM: u16 = 100;

/// Where messages are, durably, at one participant.
#[derive(Clone, Default, PartialEq, Eq, Hash, Debug)]
pub(super) struct Post {
    /// Committed, behind one of the key that is in doubt.
    pub(super) waiting: Vec<MessageId>,
    /// By number.
    pub(super) outgoing: Vec<(u64, MessageId)>,
    /// By place in the mailbox.
    pub(super) arrived: Vec<(u64, MessageId)>,
}

impl Post {
    /// What a disk holds.
    pub(super) fn of(cast: &Cast, disk: &MemoryStore) -> Post {
        if !cast.sends() {
            return Post::default();
        }
        let held = disk.recover().mail;
        let outgoing = held
            .outgoing
            .iter()
            .filter_map(|(mailbox, number, _)| Some((number.0, disk.outgoing(mailbox, *number)?.id)));
        let arrived = held.messages.iter().filter_map(|message| {
            let stored = disk.mail(&message.mailbox, message.position)?;
            Some((message.position.0, stored.envelope.id))
        });
        Post {
            waiting: held.waiting.iter().map(|(_, envelope)| envelope.id.clone()).collect(),
            outgoing: outgoing.collect(),
            arrived: arrived.collect(),
        }
    }

    /// Whether nothing is left to be sent.
    pub(super) fn is_sent(&self) -> bool {
        self.waiting.is_empty() && self.outgoing.is_empty()
    }
}

/// The messages that a message between nodes carries or tells of, with their numbers.
pub(super) fn numbered(message: &Message) -> Vec<(u64, MessageId)> {
    match message {
        Message::Relay { first, envelopes, .. } => {
            (first.0..).zip(envelopes.iter().map(|envelope| envelope.id.clone())).collect()
        }
        Message::RelayHeld { last: Some((last, id)), .. } => vec![(last.0, id.clone())],
        _ => Vec::new(),
    }
}

/// The mailbox: the first name that is at its place.
fn mailbox(directory: &Directory) -> Mailbox {
    let there = u16::try_from(DESTINATION + 1).map(NodeId).expect("there are few nodes");
    let mut named = (1..).map(|number| Mailbox::new(&format!("m{number}")).expect("a word is a mailbox"));
    named.find(|mailbox| directory.locate(mailbox.record()) == there).expect("there are names enough")
}

/// What a transaction does to send.
pub(super) fn sends(directory: &Directory, request: &Request, from: &RecordId) -> Vec<Step> {
    let send = |number: u16| {
        let draft = Draft {
            mailbox: mailbox(directory),
            key: Some(MessageKey::new("k").expect("a letter is a key")),
            headers: BTreeMap::new(),
            payload: Vec::new(),
            delay_ms: 0,
        };
        let operation = Operation::Send { from: from.clone(), draft: Arc::new(draft) };
        Step { index: SENDS_FROM + number, operation }
    };
    (0..request.sends).map(send).collect()
}

/// Makes the mailbox, as a transaction of long ago.
pub(super) fn create_mailbox(directory: &Directory, depth_max: Option<u16>, store: &mut MemoryStore) {
    let (name, default) = settings::DEPTH_MAX;
    let operation = Operation::Set {
        record: mailbox(directory).record().clone(),
        field: FieldName::new(name).expect("a setting is a field"),
        value: Value::Int(depth_max.map_or(default, i64::from)),
    };
    for write in workspace::redo(&[Step { index: 0, operation }], store) {
        store.write(write);
    }
    store.sync();
}

/// Messages of one key keep the order of votes (M1): none is released in front of one that voted earlier and is in doubt.
pub(super) fn check_order(
    cast: &Cast,
    before: &MemoryStore,
    after: &MemoryStore,
    flaws: &mut Vec<(Flaw, String)>,
) {
    if !cast.sends() {
        return;
    }
    let released = |store: &MemoryStore| -> BTreeSet<TxnId> {
        Post::of(cast, store).outgoing.into_iter().map(|(_, id)| id.txn).collect()
    };
    let (old, new) = (released(before), released(after));
    for overtaker in new.difference(&old) {
        // Who never was in doubt votes now.
        let voted = position(before, overtaker).unwrap_or(VotePosition(u64::MAX));
        for transaction in &cast.transactions {
            let earlier = &transaction.subject.txn;
            if matches!(after.txn(earlier), Some(TxnRecord::Yes(yes)) if yes.position.is_some_and(|at| at < voted))
            {
                flaws.push((Flaw::Overtaken, format!("{overtaker} is sent before {earlier} is decided")));
            }
        }
    }
}

/// Where a transaction voted, as far as it still matters.
fn position(store: &MemoryStore, txn: &TxnId) -> Option<VotePosition> {
    match store.txn(txn) {
        Some(TxnRecord::Yes(yes)) => yes.position,
        Some(TxnRecord::Decided(_)) | None => {
            let waiting = store.recover().mail.waiting;
            waiting.iter().find(|(_, envelope)| envelope.id.txn == *txn).map(|(position, _)| *position)
        }
    }
}

impl Seen {
    /// All that is said and stored agrees on which message has which number (M2), and on its place (M3).
    pub(super) fn one_number_one_message(&self, tables: &Tables) -> bool {
        let mut numbers = BTreeMap::new();
        !tables.cast.sends()
            || self.all_numbered().all(|(number, id)| *numbers.entry(*number).or_insert(id) == id)
    }

    /// What a transaction sends is waiting, on its way, or in the mailbox from its commit on (M6); and nowhere before.
    pub(super) fn what_is_committed_is_sent(&self, tables: &Tables) -> bool {
        if !tables.cast.sends() {
            return true;
        }
        let source = &self.nodes[SOURCE];
        let somewhere: BTreeSet<&MessageId> =
            self.all_numbered().map(|(_, id)| id).chain(&source.post.waiting).collect();
        (0..).zip(&tables.cast.transactions).all(|(place, transaction)| {
            let committed = (source.committed | source.passed) & 1 << place != 0;
            (0..transaction.request.sends).all(|number| {
                let id = MessageId { txn: transaction.subject.txn.clone(), operation: SENDS_FROM + number };
                somewhere.contains(&id) == committed
            })
        })
    }

    /// No message is in the mailbox twice (M3).
    pub(super) fn messages_arrive_once(&self) -> bool {
        self.nodes.iter().all(|node| {
            let different: BTreeSet<&MessageId> = node.post.arrived.iter().map(|(_, id)| id).collect();
            different.len() == node.post.arrived.len()
        })
    }

    fn all_numbered(&self) -> impl Iterator<Item = &(u64, MessageId)> {
        let stored = self.nodes.iter().flat_map(|node| node.post.outgoing.iter().chain(&node.post.arrived));
        stored.chain(self.said.iter().flat_map(|said| &said.numbered))
    }
}
