//! What the properties look at of a node and of a set of messages: bits by transaction, found once for each.

use super::{
    cast::{Cast, field},
    letters::{self, Post},
    local::{Local, ParticipantNode},
    reads::Told,
};
use crate::properties::{durable, outcomes};
use assent_protocol::{
    ids::Sponsor,
    mail::MessageId,
    message::Message,
    operation::Value,
    outcome::Answer,
    storage::{Recovered, Store, TxnRecord},
};

/// A bit for each transaction, by its place.
pub(super) type Bits = u8;

/// What is to be seen of a node.
#[derive(Clone, Default, PartialEq, Eq, Hash, Debug)]
pub(super) struct NodeView {
    pub(super) up: bool,
    pub(super) synced: bool,
    /// It takes nothing more before it has synced.
    pub(super) full: bool,
    /// Until it must be woken, in milliseconds.
    pub(super) wake_ms: Option<u64>,
    /// Nodes whose answer about their attempts it waits for, a bit for each.
    pub(super) waits_for: u8,
    /// Transactions that it is in doubt about, or that wait for locks.
    pub(super) undecided: bool,
    /// Of which its memory holds nothing and its disk neither.
    pub(super) blank: bool,
    pub(super) queued: bool,
    /// Durably.
    pub(super) yes: Bits,
    pub(super) pledged: Bits,
    pub(super) committed: Bits,
    pub(super) aborted: Bits,
    /// The client durably has the answer.
    pub(super) passed: Bits,
    /// The id durably stands for something else.
    pub(super) other_content: Bits,
    /// What it appends is there; more than once.
    pub(super) applied: Bits,
    pub(super) applied_twice: Bits,
    /// Messages between applications.
    pub(super) post: Post,
    /// Whose attempts it has voted for.
    pub(super) sponsors: Vec<(usize, Sponsor)>,
}

impl NodeView {
    /// Whether messages can arrive.
    pub(super) fn takes_messages(&self) -> bool {
        self.up && !self.full
    }

    pub(super) fn of(cast: &Cast, node: usize, local: &Local) -> Self {
        let mut view = NodeView {
            up: local.is_up(),
            wake_ms: local.wake_ms(),
            full: local.is_full(),
            synced: true,
            ..NodeView::default()
        };
        if let Local::Participant(held) = local {
            view.look_at_memory(cast, held);
            let disk = durable::disk(&held.store);
            view.look_at_disk(cast, &disk.recover());
            view.post = Post::of(cast, &disk);
            view.look_at_records(cast, node, held);
        }
        view
    }

    fn look_at_memory(&mut self, cast: &Cast, held: &ParticipantNode) {
        self.synced = held.store.is_synced();
        let Some(machine) = &held.machine else { return };
        let undecided = machine.in_doubt(assent_protocol::canonical::ORIGIN);
        self.waits_for = machine.waited_for().iter().fold(0, |bits, node| bits | 1 << cast.node(*node));
        self.undecided = !undecided.is_empty();
        self.queued = undecided.iter().any(|doubt| doubt.queued);
        self.blank = undecided.is_empty() && held.store.recover().txns.is_empty();
    }

    fn look_at_disk(&mut self, cast: &Cast, disk: &Recovered) {
        for (place, transaction) in cast.transactions.iter().enumerate() {
            let bit = 1 << place;
            let subject = &transaction.subject;
            let record = disk.txns.iter().find(|(txn, _)| *txn == subject.txn).map(|(_, record)| record);
            match record {
                Some(TxnRecord::Yes(yes)) if yes.digest == subject.digest => {
                    self.yes |= bit;
                    self.pledged |= if yes.pledged { bit } else { 0 };
                    self.sponsors.push((place, yes.sponsor));
                }
                Some(record @ TxnRecord::Decided(decided)) if decided.digest == subject.digest => {
                    match outcomes::held(record) {
                        Some(outcomes::Verdict::Committed) => self.committed |= bit,
                        Some(outcomes::Verdict::Aborted) => self.aborted |= bit,
                        None => {}
                    }
                }
                Some(TxnRecord::Yes(_) | TxnRecord::Decided(_)) => self.other_content |= bit,
                None => {}
            }
            if durable::passed(disk, &subject.txn) {
                self.passed |= bit;
            }
        }
    }

    fn look_at_records(&mut self, cast: &Cast, node: usize, held: &ParticipantNode) {
        for (place, transaction) in cast.transactions.iter().enumerate() {
            let Some(record) = cast.record(transaction, node) else { continue };
            let items = held.store.items(&record, &field());
            let mine = Value::Int(transaction.request.value);
            match items.iter().filter(|item| **item == mine).count() {
                0 => {}
                1 => self.applied |= 1 << place,
                _ => self.applied_twice |= 1 << place,
            }
        }
    }
}

/// What is to be seen of messages that were sent.
#[derive(Clone, Default, Debug)]
pub(super) struct SaidView {
    pub(super) committed: Bits,
    pub(super) aborted: Bits,
    pub(super) pledged: Bits,
    /// Answers to the client.
    pub(super) expired: Bits,
    pub(super) unknown: Bits,
    /// Two answers to one request contradict each other.
    pub(super) changed: bool,
    /// What the client was told that it has read.
    pub(super) told: Vec<Told>,
    /// Messages between applications, with the numbers that they are said to have.
    pub(super) numbered: Vec<(u64, MessageId)>,
}

impl SaidView {
    pub(super) fn of<'a>(cast: &Cast, messages: impl Iterator<Item = &'a Message> + Clone) -> Self {
        let mut view = SaidView::default();
        for message in messages.clone() {
            if let Some((subject, verdict)) = outcomes::said(message) {
                let bit = cast.transaction(subject).map_or(0, |place| cast.written(place));
                match verdict {
                    outcomes::Verdict::Committed => view.committed |= bit,
                    outcomes::Verdict::Aborted => view.aborted |= bit,
                }
            }
            view.note_other(cast, message);
            view.told.extend(Told::of(cast, message));
            view.numbered.extend(letters::numbered(message));
        }
        view.numbered.sort_unstable();
        view.numbered.dedup();
        let answers = messages.filter_map(|message| match message {
            Message::Answer { subject, answer } => Some((subject, answer)),
            _ => None,
        });
        view.changed = answers.clone().any(|(one, first)| {
            answers.clone().any(|(two, second)| one == two && !outcomes::agree(first, second))
        });
        view
    }

    /// Transactions that were told to be committed, or whose effects were: what is read can't go away again.
    pub(super) fn said_committed(&self) -> Bits {
        self.told.iter().fold(self.committed, |all, told| all | told.all())
    }

    fn note_other(&mut self, cast: &Cast, message: &Message) {
        let bit = |subject| cast.transaction(subject).map_or(0, |place| 1 << place);
        match message {
            Message::Pledged { subject, .. } => self.pledged |= bit(subject),
            Message::Answer { subject, answer: Answer::Expired } => self.expired |= bit(subject),
            Message::Answer { subject, answer: Answer::Unknown } => self.unknown |= bit(subject),
            _ => {}
        }
    }
}
