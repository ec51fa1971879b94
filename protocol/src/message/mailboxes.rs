//! What consumers and mailboxes say to each other, as parts of messages.

use crate::{
    ids::NodeId,
    mail::{
        CAUSE_BYTES_MAX, DELAY_MS_MAX, DELIVERY_MAX, Envelope, LEASE_MS_MAX, LeaseId, Mailbox, Position,
        StreamSequence, WAIT_MS_MAX, relay,
    },
};
use alloc::{string::String, vec::Vec};
use serde::{Deserialize, Serialize};

/// Whether a mailbox takes more.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Intake {
    /// It does.
    Open,
    /// It holds as many messages as it may. The source is told when there is room.
    Full,
    /// It does not exist. Messages wait until it is created.
    Absent,
    /// It does, and what came was not next: it takes what comes after the last number that it has.
    Gap,
}

/// A consumer's request for messages.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Receive {
    /// Comes back with the answer.
    pub request: u64,
    /// Of which mailbox.
    pub mailbox: Mailbox,
    /// How many at most.
    pub max: u16,
    /// For how long, in milliseconds; none: for good, they are acknowledged on receipt (at most once).
    pub lease_ms: Option<u32>,
    /// How long to wait for the first one, in milliseconds.
    pub wait_ms: u32,
}

/// One message, given to a consumer.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Delivery {
    /// Where it is.
    pub position: Position,
    /// The right to finish it; none if it was acknowledged on receipt.
    pub lease: Option<LeaseId>,
    /// The message.
    pub envelope: Envelope,
    /// Which delivery of it this is, from 1; more may have failed unseen where a node was restarted.
    pub delivery: u32,
}

/// How a consumer is done with a message.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Finish {
    /// It is done: at least once.
    Acknowledge,
    /// It is not: somebody may have it, after a while.
    Release {
        /// How long it rests, in milliseconds; none: as the mailbox's settings say.
        delay_ms: Option<u32>,
        /// Why the delivery has failed; none: it has not, and is not counted.
        cause: Option<String>,
    },
    /// It goes on, for this long from now, in milliseconds.
    Extend(u32),
}

/// What is done with dead letters, or with all that is in a mailbox.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Manage {
    /// Back into the mailbox, as new messages with their old ids; none: the first ones. Of many bytes only the first are
    /// moved, in the order of their places: the answer says how many.
    Redrive(Option<Vec<Position>>),
    /// Gone for good; none: the first ones, as many as one request may.
    Purge(Option<Vec<Position>>),
    /// Messages, whoever has them or waits for them: gone for good, as many as one request may. Those that a transaction in
    /// doubt acknowledges stay.
    Discard,
}

/// Why something of a mailbox is refused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum MailboxRefusal {
    /// There is no such mailbox.
    MailboxAbsent,
    /// It is not on this node: the cluster files of client and node differ.
    Misplaced,
    /// The mailbox names its consumers, and the client is not one of them.
    NotPermitted,
    /// Too many consumers wait already.
    Overloaded,
    /// There is no such message: it was acknowledged, or is a dead letter.
    MessageAbsent,
    /// The lease has run out or was given back.
    LeaseLost,
    /// The lease is another client's.
    ForeignLease,
    /// A transaction that acknowledges the message is in doubt.
    Acknowledging,
    /// There is no such dead letter.
    DeadLetterAbsent,
}

/// What people may know of a mailbox.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct MailboxFigures {
    /// Which.
    pub mailbox: Mailbox,
    /// Whether it exists: messages outlive a deleted record.
    pub exists: bool,
    /// Messages in it.
    pub depth: u64,
    /// Of these, how many could be delivered now.
    pub ready: u64,
    /// How many are leased or being acknowledged.
    pub leased: u64,
    /// Consumers that wait.
    pub receivers: u64,
    /// Dead letters.
    pub dead: u64,
    /// How long the oldest message has been here, in milliseconds.
    pub oldest_ms: u64,
    /// How long the oldest dead letter has been in the mailbox, in milliseconds.
    pub dead_oldest_ms: u64,
}

/// What people may know of a stream in an outbox.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct StreamFigures {
    /// Where to.
    pub mailbox: Mailbox,
    /// On which node.
    pub destination: NodeId,
    /// The last number that was given.
    pub last: StreamSequence,
    /// Everything up to here has arrived.
    pub acked: StreamSequence,
    /// How long the oldest message has waited since its commit, in milliseconds.
    pub oldest_ms: u64,
    /// The mailbox takes nothing now.
    pub held_back: bool,
}

pub(super) fn check_relay(first: StreamSequence, envelopes: &[Envelope]) -> Result<(), &'static str> {
    if first.0 == 0 || first.0.checked_add(envelopes.len() as u64).is_none() {
        return Err("a stream has no such number");
    }
    if envelopes.len() > relay::BATCH_MESSAGES_MAX {
        return Err("more than 256 messages in a batch");
    }
    envelopes.iter().try_for_each(|envelope| envelope.draft.check())
}

pub(super) fn check_receive(receive: &Receive) -> Result<(), &'static str> {
    if receive.max == 0 {
        return Err("no message is asked for");
    }
    if receive.lease_ms.is_some_and(|ms| ms == 0 || ms > LEASE_MS_MAX) {
        return Err("a lease has 1 to 43,200,000 ms");
    }
    if receive.wait_ms > WAIT_MS_MAX {
        return Err("the wait is longer than 60,000 ms");
    }
    check_deliveries(usize::from(receive.max))
}

pub(super) fn check_finish(how: &Finish) -> Result<(), &'static str> {
    match how {
        Finish::Acknowledge => Ok(()),
        Finish::Release { delay_ms, cause } => {
            if delay_ms.is_some_and(|ms| ms > DELAY_MS_MAX) {
                return Err("the delay is longer than 30 days");
            }
            if cause.as_ref().is_some_and(|cause| cause.len() > CAUSE_BYTES_MAX) {
                return Err("the cause is longer than 1,024 bytes");
            }
            Ok(())
        }
        Finish::Extend(ms) if *ms == 0 || *ms > LEASE_MS_MAX => Err("a lease has 1 to 43,200,000 ms"),
        Finish::Extend(_) => Ok(()),
    }
}

pub(super) fn check_deliveries(count: usize) -> Result<(), &'static str> {
    if count > DELIVERY_MAX { Err("more than 1024 messages in one request") } else { Ok(()) }
}
