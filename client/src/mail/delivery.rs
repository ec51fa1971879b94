//! One message in a consumer's hands.

use assent_protocol::{
    ids::Stamp,
    mail::{LeaseId, Mailbox, MessageId, Position},
    message,
};
use std::{collections::BTreeMap, time::Duration};
use tokio::time::Instant;

/// A message, and the right to finish it. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Delivery {
    mailbox: Mailbox,
    inner: message::Delivery,
    /// When it came, and for how long.
    lease: Option<(Instant, Duration)>,
}

impl Delivery {
    pub(crate) fn new(mailbox: Mailbox, inner: message::Delivery, lease: Option<Duration>) -> Delivery {
        Delivery { mailbox, inner, lease: lease.map(|lease| (Instant::now(), lease)) }
    }

    /// Where it is.
    pub fn mailbox(&self) -> &Mailbox {
        &self.mailbox
    }

    /// Its place in the mailbox.
    pub fn position(&self) -> Position {
        self.inner.position
    }

    /// The lease; none if it was acknowledged on receipt.
    pub fn lease(&self) -> Option<LeaseId> {
        self.inner.lease
    }

    /// Which message, for ever: the idempotency key for effects outside of the cluster.
    pub fn id(&self) -> &MessageId {
        &self.inner.envelope.id
    }

    /// What orders it: of one key, one message is delivered at a time.
    pub fn key(&self) -> Option<&str> {
        self.inner.envelope.draft.key.as_ref().map(|key| key.as_str())
    }

    /// Names and values that its sender chose.
    pub fn headers(&self) -> &BTreeMap<String, String> {
        &self.inner.envelope.draft.headers
    }

    /// One header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers().get(name).map(String::as_str)
    }

    /// What it says.
    pub fn payload(&self) -> &[u8] {
        &self.inner.envelope.draft.payload
    }

    /// What it says, if that is text.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(self.payload()).ok()
    }

    /// When its transaction committed, by the wall clock of the node that sent it.
    pub fn sent(&self) -> Stamp {
        self.inner.envelope.sent
    }

    /// Which delivery of it this is, from 1; more may have failed unseen where a node was restarted.
    pub fn attempt(&self) -> u32 {
        self.inner.delivery
    }

    /// Position and lease, if there is one.
    pub(crate) fn place(&self) -> Option<(Position, LeaseId)> {
        Some((self.position(), self.lease()?))
    }

    /// Whether half of the lease is over, unless it was extended.
    pub(crate) fn is_old(&self) -> bool {
        self.lease.is_some_and(|(came, lease)| came.elapsed() > lease / 2)
    }
}
