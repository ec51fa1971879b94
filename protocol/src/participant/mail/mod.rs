//! Messages between applications, as a participant keeps them: what a vote holds, what a commit releases.
//!
//! A message is in the outbox of the participant whose vote carries it. The vote is its first record; when the transaction
//! commits, the batch that stores the outcome stores the message too: under its number in the stream to its mailbox, or
//! as waiting for a transaction in doubt that voted before ([`crate::mail::outbox`]). `relaying` carries streams,
//! `delivering` is the mailbox, `figures` what people may see.
//!
//! What has to be durable before it is told is so by R7 alone: a number, an acknowledgement of a stream and a delivered
//! message leave after the batch that stores them, like everything else.

mod canonical;
mod delivering;
mod figures;
mod managing;
mod relaying;

use super::{Due, Participant, Turn};
use crate::{
    canary::{Canary, broken},
    ids::{ClientName, NodeId, Stamp, Time, TxnId},
    mail::{
        Arrived, Envelope, Mailbox, MessageId, StreamSequence, VotePosition,
        mailbox::{MailboxState, Unleased},
        outbox::{Outbox, Released},
        relay::Stream,
    },
    message::Intake,
    operation::{Operation, Step},
    outcome::{Refusal, RefusalKind},
    storage::{Recovered, RecoveredMail, Store, TxnRecord, Write},
};
use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet, VecDeque},
    string::String,
    vec::Vec,
};

/// Bytes of messages that one answer holds or one request moves, about, unless one alone is larger.
const BYTES_AT_ONCE_MAX: usize = 1024 * 1024;

/// The part of the outbox, beside its bound, that only transactions may use which acknowledge a message here.
const OUTBOX_RESERVE: u64 = 8;

/// The messages of a participant.
#[derive(Clone, Default, PartialEq, Eq, Hash, Debug)]
pub(super) struct Mail {
    outbox: Outbox,
    streams: BTreeMap<Mailbox, Stream>,
    /// What the outbox holds, votes in doubt included.
    held: Held,
    arrived: BTreeMap<(Mailbox, NodeId), Arrived>,
    /// Sources that are told at the end of the turn how far their streams have arrived, and whether more is taken.
    to_tell: BTreeMap<(Mailbox, NodeId), Intake>,
    mailboxes: BTreeMap<Mailbox, MailboxState>,
    /// Whose connections these are.
    clients: BTreeMap<u64, ClientName>,
    lease_serial: u64,
    /// The start of this process, by the machine's clock.
    since: Time,
    fault: Option<Fault>,
    figures: MailFigures,
}

/// Messages and their bytes, about.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Debug)]
struct Held {
    messages: u64,
    bytes: u64,
}

impl Held {
    fn of(sends: &[Envelope]) -> Held {
        let bytes = sends.iter().map(|envelope| envelope.draft.bytes() as u64).sum();
        Held { messages: sends.len() as u64, bytes }
    }

    fn add(&mut self, other: Held) {
        self.messages += other.messages;
        self.bytes += other.bytes;
    }

    fn take(&mut self, other: Held) {
        self.messages = self.messages.saturating_sub(other.messages);
        self.bytes = self.bytes.saturating_sub(other.bytes);
    }
}

/// Counts of what happened to messages since the start, for metrics.
#[derive(Clone, Default, PartialEq, Eq, Hash, Debug)]
struct MailFigures {
    released: u64,
    relayed: u64,
    relayed_again: u64,
    duplicates: u64,
    gaps: u64,
    stored: u64,
    refused_full: u64,
    outbox_full: u64,
    delivered: u64,
    redelivered: u64,
    acknowledged: u64,
    acknowledged_in_transactions: u64,
    leases_expired: u64,
    leases_lost: u64,
    failures: u64,
    died: u64,
    redriven: u64,
    purged: u64,
    discarded: u64,
}

/// A node has lost what it once held durably: its disk is an older copy. It must not go on.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Fault {
    /// Others hold messages of this participant under numbers that it does not know that it gave.
    NumbersLost {
        /// Where to.
        mailbox: Mailbox,
        /// What has arrived there.
        last: StreamSequence,
        /// The last number that is known here.
        given: StreamSequence,
    },
    /// A message that this participant acknowledged is not here any more.
    MessagesLost {
        /// In which mailbox.
        mailbox: Mailbox,
        /// Whose stream.
        source: NodeId,
        /// What was acknowledged.
        acked: StreamSequence,
        /// What is known here.
        last: StreamSequence,
    },
}

impl core::fmt::Display for Fault {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Fault::NumbersLost { mailbox, last, given } => write!(
                f,
                "mailbox {mailbox} holds message {last} of this participant under another content, or this participant has \
                 given only {given}: its database is an older copy of what it was"
            ),
            Fault::MessagesLost { mailbox, source, acked, last } => write!(
                f,
                "this participant acknowledged message {acked} of node {source} for mailbox {mailbox}, and holds only \
                 {last}: its database is an older copy of what it was"
            ),
        }
    }
}

/// Messages that these steps send, in their order.
fn sends(txn: &TxnId, steps: &[Step], sent: Stamp) -> Vec<Envelope> {
    let send = |step: &Step| {
        let Operation::Send { draft, .. } = &step.operation else { return None };
        let id = MessageId { txn: txn.clone(), operation: step.index };
        Some(Envelope { id, sent, draft: draft.clone() })
    };
    steps.iter().filter_map(send).collect()
}

impl Mail {
    /// What the disk holds. Votes in doubt are added by [`Participant::hold_mail`].
    pub(super) fn recover<S: Store>(
        recovered: RecoveredMail,
        store: &S,
        started: Stamp,
        since: Time,
    ) -> Mail {
        let mut mail = Mail { since, ..Mail::default() };
        for (position, envelope) in recovered.waiting {
            mail.held.add(Held::of(core::slice::from_ref(&envelope)));
            mail.outbox.recover_waiting(position, envelope);
        }
        let mut sizes: BTreeMap<Mailbox, (StreamSequence, VecDeque<u32>)> = BTreeMap::new();
        for (mailbox, acked) in recovered.acknowledged {
            sizes.entry(mailbox).or_default().0 = acked;
        }
        let outgoing = recovered.outgoing.len();
        for (place, (mailbox, sequence, bytes)) in recovered.outgoing.into_iter().enumerate() {
            if broken(Canary::NumberGivenTwice) && place + 1 == outgoing {
                continue;
            }
            let (acked, sizes) = sizes.entry(mailbox).or_default();
            // Deleted in the batch that stored the acknowledgement.
            assert!(sequence.0 == acked.0 + sizes.len() as u64 + 1, "the numbers of a stream have no gaps");
            sizes.push_back(u32::try_from(bytes).unwrap_or(u32::MAX));
            mail.held.add(Held { messages: 1, bytes: bytes as u64 });
        }
        mail.streams = sizes
            .into_iter()
            .map(|(mailbox, (acked, sizes))| (mailbox, Stream::recover(acked, sizes)))
            .collect();
        mail.arrived =
            recovered.arrived.into_iter().map(|(mailbox, source, held)| ((mailbox, source), held)).collect();
        for (mailbox, mark) in recovered.mailboxes {
            mail.mailboxes.insert(mailbox, MailboxState::new(mark.next));
        }
        for message in recovered.messages {
            let due = age(message.due, started, since).map(|due| {
                // The clock of an earlier start may have been wrong: nothing rests for longer than it was to.
                let stored = store.mail(&message.mailbox, message.position);
                let most_us = stored.map_or(0, |stored| stored.rest_us());
                due.min(Time(since.0.saturating_add(most_us)))
            });
            let state =
                mail.mailboxes.entry(message.mailbox).or_insert_with(|| MailboxState::new(message.position));
            state.restore(message.position, message.key, due, message.failed);
        }
        for (mailbox, dead) in recovered.dead {
            mail.mailboxes.entry(mailbox).or_default().dead = dead;
        }
        mail
    }
}

/// The moment of the machine's clock at which a message comes of age; none if that is before its start.
fn age(due: Stamp, started: Stamp, since: Time) -> Option<Time> {
    due.0.checked_sub(started.0).filter(|us| *us > 0).map(|us| Time(since.0.saturating_add(us)))
}

impl Participant {
    /// The wall clock now, as far as it went on evenly since the start. Only messages' ages rest on it.
    fn wall(&self, now: Time) -> Stamp {
        Stamp(self.started().0.saturating_add(now.0.saturating_sub(self.mail.since.0)))
    }

    fn started(&self) -> Stamp {
        Stamp(u64::from(self.config.started_s) * 1_000_000)
    }

    /// A node that has lost what it once held durably: whoever runs this machine must stop it.
    pub fn fault(&self) -> Option<&Fault> {
        self.mail.fault.as_ref()
    }

    /// Work that a restart leaves: what is of age, what rests, what is to be sent.
    pub(super) fn resume_mail(&mut self, now: Time) {
        for mailbox in self.mail.streams.keys() {
            self.agenda.set(Due::Relay(mailbox.clone()), now);
        }
        for (mailbox, state) in &self.mail.mailboxes {
            for (position, until) in state.resting() {
                self.agenda.set(Due::Rest(mailbox.clone(), position), until);
            }
        }
    }

    /// Whether the transaction may send and finish its messages. Asked when the vote would be written.
    pub(super) fn check_mail<S: Store>(&self, txn: &TxnId, steps: &[Step], store: &S) -> Result<(), Refusal> {
        let acknowledges = acknowledged(steps).next().is_some();
        let mut finished = BTreeSet::new();
        let mut sent = Held::default();
        for step in steps {
            let kind = match &step.operation {
                Operation::Send { draft, .. } => {
                    sent.add(Held { messages: 1, bytes: draft.bytes() as u64 });
                    if self.is_outbox_full(sent, acknowledges) {
                        Some(RefusalKind::OutboxFull)
                    } else {
                        self.check_send(&draft.mailbox, steps, store)
                    }
                }
                Operation::Acknowledge { mailbox, position, lease } => {
                    let held = self.mail.mailboxes.get(mailbox);
                    match held
                        .map_or(Err(Unleased::Absent), |held| held.check(*position, *lease, &txn.client))
                    {
                        _ if broken(Canary::LeaseNotChecked) => None,
                        Ok(()) if finished.insert((mailbox, position)) => None,
                        Ok(()) | Err(Unleased::Absent) => Some(RefusalKind::MessageAbsent),
                        Err(Unleased::Foreign) => Some(RefusalKind::ForeignLease),
                        // The lock on the message lets no other acknowledgement be in doubt beside this one.
                        Err(Unleased::Lost | Unleased::Acknowledging) => Some(RefusalKind::LeaseLost),
                    }
                }
                Operation::Require { .. }
                | Operation::Set { .. }
                | Operation::Delete { .. }
                | Operation::Append { .. }
                | Operation::Add { .. }
                | Operation::Insert { .. }
                | Operation::Remove { .. }
                | Operation::Read { .. } => None,
            };
            if let Some(kind) = kind {
                let record = match &step.operation {
                    Operation::Send { draft, .. } if kind == RefusalKind::MailboxAbsent => {
                        draft.mailbox.record().clone()
                    }
                    operation => operation.record().clone(),
                };
                return Err(Refusal { operation: step.index, kind, record, field: None, member: None });
            }
        }
        Ok(())
    }

    pub(super) fn note_mail_refusal(&mut self, kind: RefusalKind) {
        match kind {
            RefusalKind::OutboxFull => self.mail.figures.outbox_full += 1,
            RefusalKind::LeaseLost | RefusalKind::ForeignLease => self.mail.figures.leases_lost += 1,
            RefusalKind::Exists
            | RefusalKind::Absent
            | RefusalKind::Equals
            | RefusalKind::AtLeast
            | RefusalKind::Contains
            | RefusalKind::Version
            | RefusalKind::Bound
            | RefusalKind::MemberExists
            | RefusalKind::MemberAbsent
            | RefusalKind::WrongType
            | RefusalKind::TooLarge
            | RefusalKind::MessageAbsent
            | RefusalKind::MailboxAbsent => {}
        }
    }

    /// Whether the outbox does not take this as well. Who acknowledges a message here has a reserve: the outbox may be full
    /// of messages that wait for the room which that makes.
    fn is_outbox_full(&self, sent: Held, acknowledges: bool) -> bool {
        let limits = &self.config.limits;
        let bound =
            |max: u64| if acknowledges { max.saturating_add((max / OUTBOX_RESERVE).max(1)) } else { max };
        self.mail.held.messages + sent.messages > bound(limits.outbox_messages_max)
            || self.mail.held.bytes + sent.bytes > bound(limits.outbox_bytes_max)
    }

    fn check_send<S: Store>(&self, mailbox: &Mailbox, steps: &[Step], store: &S) -> Option<RefusalKind> {
        // Only where the mailbox is here can anybody know; a message to another node waits until the mailbox is created.
        let here = self.config.directory.locate(mailbox.record()) == self.config.node;
        let created = || steps.iter().any(|step| step.operation.creates(mailbox.record()));
        (here && store.record(mailbox.record()).is_none() && !created()).then_some(RefusalKind::MailboxAbsent)
    }

    /// The transaction votes Yes, or has done so before a restart: what it sends takes its place, what it acknowledges
    /// stays where it is. Returns the place of a vote that sends.
    pub(super) fn hold_mail(
        &mut self,
        txn: &TxnId,
        steps: &[Step],
        recovered: Option<VotePosition>,
    ) -> Option<VotePosition> {
        for (mailbox, position) in acknowledged(steps) {
            if let Some(state) = self.mail.mailboxes.get_mut(mailbox) {
                state.become_acknowledging(position);
            }
        }
        let sends = sends(txn, steps, Stamp(0));
        if sends.is_empty() {
            return None;
        }
        let position = recovered.unwrap_or_else(|| self.mail.outbox.next_position());
        self.mail.outbox.hold(position, &sends);
        self.mail.held.add(Held::of(&sends));
        Some(position)
    }

    /// Nothing, unless a canary says so.
    pub(super) fn acknowledge_with_vote<S: Store>(&mut self, steps: &[Step], turn: &mut Turn<'_, S>) {
        if broken(Canary::AcknowledgedWithVote) {
            for (mailbox, message) in acknowledged(steps) {
                self.finish_message(mailbox, message, turn);
            }
        }
    }

    /// The transaction has committed: in the same batch its messages are released or wait, and those that it acknowledges
    /// are finished. `position` is where it voted; none if it was never in doubt.
    pub(super) fn commit_mail<S: Store>(
        &mut self,
        txn: &TxnId,
        steps: &[Step],
        position: Option<VotePosition>,
        turn: &mut Turn<'_, S>,
    ) {
        for (mailbox, message) in acknowledged(steps) {
            self.mail.figures.acknowledged_in_transactions += 1;
            self.finish_message(mailbox, message, turn);
        }
        let sends = sends(txn, steps, self.wall(turn.now));
        if sends.is_empty() {
            return;
        }
        let position = match position {
            Some(position) => position,
            None => {
                self.mail.held.add(Held::of(&sends));
                self.mail.outbox.next_position()
            }
        };
        let released = self.mail.outbox.commit(position, sends);
        for envelope in released.waiting.iter().filter(|_| !broken(Canary::WaitingNotStored)) {
            turn.store.write(Write::PutWaiting(position, Box::new(envelope.clone())));
        }
        self.release(released, turn);
    }

    /// The transaction has aborted: nothing is sent, and what it would have acknowledged is its consumer's again.
    pub(super) fn abort_mail<S: Store>(
        &mut self,
        txn: &TxnId,
        steps: &[Step],
        position: Option<VotePosition>,
        turn: &mut Turn<'_, S>,
    ) {
        for (mailbox, message) in acknowledged(steps) {
            self.on_acknowledgement_aborted(mailbox, message, turn);
        }
        if let Some(position) = position {
            let sends = sends(txn, steps, Stamp(0));
            if broken(Canary::AbortReleased) {
                let released = self.mail.outbox.commit(position, sends);
                return self.release(released, turn);
            }
            self.mail.held.take(Held::of(&sends));
            let released = self.mail.outbox.abort(position, &sends);
            self.release(released, turn);
        }
    }

    /// Numbers messages, in this order; or puts them straight into a mailbox that is here.
    fn release<S: Store>(&mut self, released: Released, turn: &mut Turn<'_, S>) {
        for (waited, envelope) in released.now {
            self.mail.figures.released += 1;
            if let Some(position) = waited {
                turn.store.write(Write::DeleteWaiting(position, envelope.id.clone()));
            }
            let mailbox = envelope.draft.mailbox.clone();
            let here = self.config.directory.locate(mailbox.record()) == self.config.node;
            let stream = self.mail.streams.entry(mailbox.clone()).or_default();
            if here && stream.is_empty() && self.intake(&mailbox, turn.store).is_open() {
                self.mail.held.take(Held::of(core::slice::from_ref(&envelope)));
                self.store_message(envelope, self.config.node, turn);
                continue;
            }
            let stream = self.mail.streams.entry(mailbox.clone()).or_default();
            let sequence = stream.give(envelope.draft.bytes());
            turn.store.write(Write::PutOutgoing(sequence, Box::new(envelope)));
            self.agenda.set_at_latest(Due::Relay(mailbox), turn.now);
        }
    }

    /// What must hold of messages after every step.
    pub(super) fn check_mail_invariants(&self) -> Result<(), String> {
        self.mail.outbox.check_invariants()?;
        self.mail.mailboxes.values().try_for_each(MailboxState::check_invariants)
    }

    /// What is remembered of messages is what is stored, and what a restart would make of it. Says what is not.
    pub fn check_stored_mail<S: Store>(&self, stored: &Recovered, store: &S) -> Result<(), String> {
        let mut fresh = Mail::recover(stored.mail.clone(), store, self.started(), self.mail.since);
        let mut held = fresh.held;
        for (txn, record) in &stored.txns {
            if let TxnRecord::Yes(yes) = record {
                let sends = sends(txn, &yes.steps, Stamp(0));
                held.add(Held::of(&sends));
                if let Some(position) = yes.position {
                    fresh.outbox.hold(position, &sends);
                } else if !sends.is_empty() {
                    return Err(alloc::format!("{txn} sends, and has no place among the votes"));
                }
            }
        }
        self.mail.outbox.check_same(&fresh.outbox)?;
        if held != self.mail.held {
            return Err(alloc::format!("the outbox counts {:?}, and {held:?} is stored", self.mail.held));
        }
        for (mailbox, stream) in &self.mail.streams {
            let recovered = fresh.streams.remove(mailbox).unwrap_or_default();
            if !stream.is_same(&recovered) {
                return Err(alloc::format!(
                    "the stream to {mailbox} is {stream:?}, and stored {recovered:?}"
                ));
            }
        }
        if let Some((mailbox, stream)) = fresh.streams.iter().next() {
            return Err(alloc::format!("the stream to {mailbox} is stored, and not known: {stream:?}"));
        }
        if self.mail.arrived != fresh.arrived {
            let (known, held) = (&self.mail.arrived, &fresh.arrived);
            return Err(alloc::format!("{known:?} has arrived, and {held:?} is stored"));
        }
        for (mailbox, state) in &self.mail.mailboxes {
            let recovered = fresh.mailboxes.remove(mailbox).unwrap_or_default();
            state.check_same(&recovered).map_err(|wrong| alloc::format!("mailbox {mailbox}: {wrong}"))?;
            if let Some(dead) = store.dead_after(mailbox, recovered.next().previous(), 1).first() {
                return Err(alloc::format!(
                    "a restart would give the place of the dead letter {dead} of {mailbox}"
                ));
            }
        }
        match fresh.mailboxes.iter().find(|(_, state)| state.depth() > 0 || state.dead > 0) {
            Some((mailbox, state)) => {
                Err(alloc::format!("mailbox {mailbox} is stored, and not known: {state:?}"))
            }
            None => Ok(()),
        }
    }
}

/// Messages that these steps acknowledge.
fn acknowledged(steps: &[Step]) -> impl Iterator<Item = (&Mailbox, crate::mail::Position)> {
    steps.iter().filter_map(|step| {
        if let Operation::Acknowledge { mailbox, position, .. } = &step.operation {
            Some((mailbox, *position))
        } else {
            None
        }
    })
}
