//! Messages: sent with a transaction, received from a mailbox, and finished in one of three ways.
//!
//! - [`NewMessage`] and [`Transaction::send`](crate::Transaction::send): a message that is sent if its transaction commits,
//! - [`Consumer`]: receives messages under leases, and finishes them,
//! - [`Processor`]: a service of one function, exactly once: it receives, calls, and commits what the function changes and
//!   sends together with the acknowledgement,
//! - [`MailboxSettings`]: mailboxes are made and changed by ordinary transactions.
//!
//! | finished by | guarantee | costs |
//! | --- | --- | --- |
//! | [`Transaction::acknowledge`](crate::Transaction::acknowledge) | exactly once: effects, further messages and the acknowledgement are one commit | nothing beside the transaction, if that touches the mailbox's node anyway; else one more participant |
//! | [`Consumer::acknowledge`] | at least once | one synced write, shared by all that is finished at the same time |
//! | [`Consumer::receive_and_forget`] | at most once: gone before it is seen | the delivery waits for that write |

mod calls;
mod consumer;
mod delivery;
mod error;
mod new_message;
pub(crate) mod processor;
mod settings;
#[cfg(test)]
mod tests;

pub use assent_protocol::{
    mail::{Cause, Failure, LeaseId, Mailbox, MessageId, MessageKey, Position, Stored},
    message::{Finish, MailboxFigures, MailboxRefusal, Manage, StreamFigures},
};
pub use consumer::{Consumer, ConsumerConfig};
pub use delivery::Delivery;
pub use error::MailError;
pub use new_message::NewMessage;
pub use processor::{Processor, ProcessorConfig, ProcessorFigures};
pub use settings::MailboxSettings;
use std::time::Duration;

/// A request for messages.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Receiving {
    /// How many at most: 1 to 1,024.
    pub max: u16,
    /// How long they may be worked on before somebody else gets them, at most 12 hours; none: they are acknowledged on
    /// receipt, and gone before they are seen (at most once).
    pub lease: Option<Duration>,
    /// How long to wait for the first one, at most 60 s.
    pub wait: Duration,
}

/// What waits in the outbox of one participant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OutboxFigures {
    /// By mailbox.
    pub streams: Vec<StreamFigures>,
    /// Committed messages that wait for a transaction in doubt.
    pub waiting: u64,
    /// All messages, those of transactions in doubt included.
    pub messages: u64,
    /// Bytes of these, about.
    pub bytes: u64,
}
