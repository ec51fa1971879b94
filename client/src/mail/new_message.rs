//! A message before it is sent, and how it gets into a transaction.
//!
//! The invariant of [`Transaction::send`]: a message that names no record is kept where the transaction is executed anyway,
//! at whatever place among the operations it was put.

use crate::{mail::Delivery, names::Named, transaction::Transaction};
use assent_protocol::{
    ids::{InvalidName, RecordId},
    mail::{DELAY_MS_MAX, Draft, Mailbox, MessageKey},
    operation::Operation,
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// A message that is sent if its transaction commits.
///
/// ```
/// # use assent_client::{Transaction, mail::NewMessage};
/// let order = Transaction::new()
///     .add("student/s17", "credits", -6, 0..)
///     .send(NewMessage::new("orders", "one book").key("s17").header("kind", "book"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a message is sent by Transaction::send"]
pub struct NewMessage {
    mailbox: Result<Mailbox, InvalidName>,
    key: Option<Result<MessageKey, InvalidName>>,
    headers: BTreeMap<String, String>,
    payload: Vec<u8>,
    delay_ms: u32,
    from: Option<Result<RecordId, InvalidName>>,
}

impl NewMessage {
    /// To a mailbox, with up to 262,144 bytes of payload.
    pub fn new(mailbox: impl Named<Mailbox>, payload: impl Into<Vec<u8>>) -> NewMessage {
        NewMessage {
            mailbox: mailbox.named(),
            key: None,
            headers: BTreeMap::new(),
            payload: payload.into(),
            delay_ms: 0,
            from: None,
        }
    }

    /// Messages of one mailbox and key are delivered one at a time, in the order in which their transactions voted.
    pub fn key(mut self, key: impl Named<MessageKey>) -> NewMessage {
        self.key = Some(key.named());
        self
    }

    /// A name and a value for the receiver; at most 32 of them, of 8,192 bytes together.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> NewMessage {
        self.headers.insert(name.into(), value.into());
        self
    }

    /// Delivered this long after its arrival in the mailbox, at most 30 days.
    pub fn delay(mut self, delay: Duration) -> NewMessage {
        // What is too long must stay so, to be refused.
        self.delay_ms = u32::try_from(delay.as_millis()).unwrap_or(DELAY_MS_MAX + 1);
        self
    }

    /// The record whose participant keeps the message until it has arrived. Without it, that of the first operation that
    /// changes something, so that the message adds no participant; in a transaction of nothing but messages, the first
    /// one's mailbox. Messages of one key keep their order only if they are sent from one participant.
    pub fn from(mut self, record: impl Named<RecordId>) -> NewMessage {
        self.from = Some(record.named());
        self
    }

    /// Checked; with the record that was named.
    pub(crate) fn into_draft(self) -> Result<(Draft, Option<RecordId>), InvalidName> {
        let draft = Draft {
            mailbox: self.mailbox?,
            key: self.key.transpose()?,
            headers: self.headers,
            payload: self.payload,
            delay_ms: self.delay_ms,
        };
        Ok((draft, self.from.transpose()?))
    }
}

impl Transaction {
    /// Sends a message if the transaction commits. Locks nothing, and waits for no mailbox: if the mailbox is full or
    /// does not exist yet, the message waits in the outbox (only where the mailbox's own participant keeps the message,
    /// a mailbox that does not exist refuses the transaction). A full outbox refuses it too; that is tried again.
    pub fn send(mut self, message: NewMessage) -> Self {
        let (draft, from) = match message.into_draft() {
            Ok(checked) => checked,
            Err(error) => return self.with(|| Err(error)),
        };
        match from {
            Some(from) => self.push(Operation::Send { from, draft: Arc::new(draft) }),
            None => {
                let from = self.home().unwrap_or_else(|| draft.mailbox.record()).clone();
                self.homeless.push(self.operations.len());
                self.operations.push(Operation::Send { from, draft: Arc::new(draft) });
                self
            }
        }
    }

    /// Finishes a message if the transaction commits: exactly once, whatever crashes. Refused if the lease has run out, so
    /// that of two consumers only one takes effect. Wants a delivery under a lease.
    pub fn acknowledge(self, delivery: &Delivery) -> Self {
        let Some(lease) = delivery.lease() else {
            let text = format!("message {} of {}", delivery.position(), delivery.mailbox());
            let why = "it was acknowledged on receipt, and is gone";
            return self.with(|| Err(InvalidName { what: "delivery", text, why }));
        };
        self.push(Operation::Acknowledge {
            mailbox: delivery.mailbox().clone(),
            position: delivery.position(),
            lease,
        })
    }

    /// Where messages that name no record are kept.
    fn home(&self) -> Option<&RecordId> {
        let first = self.home.or_else(|| self.homeless.first().copied())?;
        self.operations.get(first).map(Operation::record)
    }

    /// After an operation was added: the first one that changes something takes in the messages from before.
    pub(crate) fn house(&mut self) {
        let last = self.operations.len().saturating_sub(1);
        if self.home.is_some() || !self.operations.last().is_some_and(Operation::is_write) {
            return;
        }
        self.home = Some(last);
        let record = self.operations[last].record().clone();
        for index in &self.homeless {
            if let Operation::Send { from, .. } = &mut self.operations[*index] {
                *from = record.clone();
            }
        }
    }
}
