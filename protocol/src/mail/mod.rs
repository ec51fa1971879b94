//! Messages between applications: sent with a transaction, delivered from a mailbox, and what is kept of them.
//!
//! A message is part of the transaction that sends it: its outbox is the vote. It is released to a numbered stream
//! when the transaction has committed ([`outbox`]), carried in order to the participant that holds the mailbox
//! ([`relay`]), and leased there to consumers until one of them finishes it ([`mailbox`]). The three are pure: the
//! participant's machine runs them, in the same turns and batches as everything else that it holds.
//!
//! Not to be confused with [`crate::message`], which is what the processes of a cluster say to each other.

pub mod mailbox;
pub mod outbox;
pub mod relay;

use crate::ids::{ClientName, FieldName, InvalidName, Member, NodeId, RecordId, Stamp, TxnId};
use alloc::{collections::BTreeMap, format, string::String, sync::Arc, vec::Vec};
use core::{fmt, str::FromStr};
use serde::{Deserialize, Deserializer, Serialize};
use smol_str::SmolStr;

/// The table whose records are mailboxes: the record of a mailbox holds its settings, and says where it is.
pub const MAILBOX_TABLE: &str = "mailbox";
/// The longest name of a mailbox, in bytes.
pub const MAILBOX_BYTES_MAX: usize = 64;
/// The longest key of a message, in bytes.
pub const KEY_BYTES_MAX: usize = 256;
/// The longest payload of a message, in bytes.
pub const PAYLOAD_BYTES_MAX: usize = 256 * 1024;
/// Headers of a message at most.
pub const HEADERS_MAX: usize = 32;
/// Bytes of all names and values of a message's headers at most.
pub const HEADER_BYTES_MAX: usize = 8 * 1024;
/// The longest delay of a message, in milliseconds: 30 days.
pub const DELAY_MS_MAX: u32 = 30 * 24 * 3600 * 1000;
/// The longest lease, in milliseconds: 12 hours.
pub const LEASE_MS_MAX: u32 = 12 * 3600 * 1000;
/// The longest wait for a message, in milliseconds.
pub const WAIT_MS_MAX: u32 = 60_000;
/// Messages in one delivery, or in one request about several, at most.
pub const DELIVERY_MAX: usize = 1024;
/// The longest explanation of a failure, in bytes.
pub const CAUSE_BYTES_MAX: usize = 1024;
/// Failures of a message that are kept, the latest; how many there were is counted on.
pub const FAILURES_KEPT_MAX: usize = 16;

/// A mailbox, by name: letters, digits, `.`, `_`, `-`. It is where the record `mailbox/NAME` is, and exists while that does.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Mailbox(RecordId);

impl Mailbox {
    /// Checks a name and takes it.
    pub fn new(name: &str) -> Result<Self, InvalidName> {
        if name.len() > MAILBOX_BYTES_MAX {
            return Err(InvalidName::new("mailbox", name, "it is too long"));
        }
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)) {
            let why = "only letters, digits, '.', '_' and '-' are allowed, and at least one of them";
            return Err(InvalidName::new("mailbox", name, why));
        }
        RecordId::new(&format!("{MAILBOX_TABLE}/{name}")).map(Mailbox)
    }

    /// The mailbox whose settings this record holds, if it is one of a mailbox.
    pub fn of_record(record: &RecordId) -> Option<Self> {
        if record.table() == MAILBOX_TABLE { Mailbox::new(record.id()).ok() } else { None }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.0.id()
    }

    /// The record with its settings.
    pub fn record(&self) -> &RecordId {
        &self.0
    }
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Mailbox {
    type Err = InvalidName;
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        Mailbox::new(text)
    }
}

impl<'de> Deserialize<'de> for Mailbox {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let record = RecordId::deserialize(deserializer)?;
        Mailbox::of_record(&record).ok_or_else(|| serde::de::Error::custom("the record is no mailbox"))
    }
}

/// What orders messages: those of one mailbox and key are delivered one at a time, in the order of their votes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct MessageKey(SmolStr);

impl MessageKey {
    /// Checks `text` and takes it.
    pub fn new(text: &str) -> Result<Self, InvalidName> {
        crate::ids::check_length(text, KEY_BYTES_MAX).map_err(|why| InvalidName::new("key", text, why))?;
        Ok(MessageKey(SmolStr::new(text)))
    }

    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for MessageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for MessageKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = SmolStr::deserialize(deserializer)?;
        MessageKey::new(&text).map_err(serde::de::Error::custom)
    }
}

/// Makes a newtype over a number that is shown as it is.
macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl $name {
            /// The one after it.
            pub fn next(self) -> Self {
                $name(self.0.saturating_add(1))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    };
}

number!(
    /// The place of a vote among the votes here that send messages: the order that messages of one key keep.
    VotePosition
);
number!(
    /// The number of a message in the stream from one participant to one mailbox, from 1, without gaps.
    StreamSequence
);
number!(
    /// The place of a message in its mailbox, from 1, rising with its arrival.
    Position
);

impl Position {
    /// The one before it; none before the first.
    pub fn previous(self) -> Option<Position> {
        self.0.checked_sub(1).map(Position)
    }
}

/// One lease of one message: which start of the participant, and which lease since. Text: `boot.serial`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct LeaseId {
    /// The participant's boot number: a restart loses all leases.
    pub boot: u64,
    /// Counts leases within a boot.
    pub serial: u64,
}

impl fmt::Display for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.boot, self.serial)
    }
}

impl FromStr for LeaseId {
    type Err = InvalidName;
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let parse = || {
            let (boot, serial) = text.split_once('.')?;
            Some(LeaseId { boot: boot.parse().ok()?, serial: serial.parse().ok()? })
        };
        parse().ok_or_else(|| InvalidName::new("lease", text, "it must be boot.serial, as a delivery says"))
    }
}

/// A message, for ever: the transaction that sent it, and which of its operations. Text: `client:session:sequence/operation`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MessageId {
    /// Who sent it.
    pub txn: TxnId,
    /// Which operation of it.
    pub operation: u16,
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.txn, self.operation)
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for MessageId {
    type Err = InvalidName;
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let wrong = || InvalidName::new("message id", text, "it must be client:session:sequence/operation");
        let (txn, operation) = text.rsplit_once('/').ok_or_else(wrong)?;
        Ok(MessageId { txn: txn.parse()?, operation: operation.parse().map_err(|_| wrong())? })
    }
}

/// What a transaction sends.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Draft {
    /// Where to.
    pub mailbox: Mailbox,
    /// What orders it; without a key it is not ordered.
    pub key: Option<MessageKey>,
    /// Names and values that the application chooses.
    pub headers: BTreeMap<String, String>,
    /// What it says.
    #[serde(with = "serde_bytes")]
    pub payload: Vec<u8>,
    /// Delivered this long after its arrival in the mailbox, in milliseconds.
    pub delay_ms: u32,
}

impl Draft {
    /// Says what is wrong with it by itself.
    pub fn check(&self) -> Result<(), &'static str> {
        if self.payload.len() > PAYLOAD_BYTES_MAX {
            return Err("the payload is longer than 262,144 bytes");
        }
        if self.headers.len() > HEADERS_MAX {
            return Err("more than 32 headers");
        }
        if self.header_bytes() > HEADER_BYTES_MAX {
            return Err("the headers are longer than 8,192 bytes together");
        }
        if self.delay_ms > DELAY_MS_MAX {
            return Err("the delay is longer than 30 days");
        }
        Ok(())
    }

    fn header_bytes(&self) -> usize {
        self.headers.iter().map(|(name, value)| name.len() + value.len()).sum()
    }

    /// Bytes that it takes, about.
    pub fn bytes(&self) -> usize {
        const FIXED: usize = 64;
        let key = self.key.as_ref().map_or(0, |key| key.as_str().len());
        FIXED + self.mailbox.name().len() + key + self.header_bytes() + self.payload.len()
    }
}

/// A message on its way: committed, and known by its id.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Envelope {
    /// Which message.
    pub id: MessageId,
    /// When its transaction ended at its source, by that node's wall clock.
    pub sent: Stamp,
    /// What it says.
    pub draft: Arc<Draft>,
}

/// A message in its mailbox.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Stored {
    /// The message.
    pub envelope: Envelope,
    /// The participant from whose outbox it came.
    pub source: NodeId,
    /// When it arrived, by this node's wall clock.
    pub arrived: Stamp,
    /// Not delivered before this moment of this node's wall clock.
    pub due: Stamp,
    /// How many deliveries have failed.
    pub failed: u32,
    /// The latest failures.
    pub failures: Vec<Failure>,
}

impl Stored {
    /// Where it is.
    pub fn mailbox(&self) -> &Mailbox {
        &self.envelope.draft.mailbox
    }

    /// Bytes that it takes with what is said of its failures, about.
    pub fn bytes_with_failures(&self) -> usize {
        let words = |failure: &Failure| match &failure.cause {
            Cause::LeaseExpired => 0,
            Cause::Failed(words) => words.len(),
        };
        self.envelope.draft.bytes() + self.failures.iter().map(words).sum::<usize>()
    }

    /// For how many microseconds it was to rest when it began to: both moments are of one start, and so of one clock.
    pub fn rest_us(&self) -> u64 {
        let began = self.failures.last().map_or(self.arrived, |failure| failure.at);
        self.due.0.saturating_sub(began.0)
    }
}

/// Why a delivery failed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Failure {
    /// Who had it.
    pub consumer: ClientName,
    /// When, by the wall clock of the mailbox's node.
    pub at: Stamp,
    /// What happened.
    pub cause: Cause,
}

/// What happened to a delivery that failed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Cause {
    /// The lease ran out.
    LeaseExpired,
    /// The consumer gave it back, and says why.
    Failed(String),
}

impl Cause {
    /// A failure in the consumer's words, cut to what is kept.
    pub fn failed(words: &str) -> Cause {
        let mut end = words.len().min(CAUSE_BYTES_MAX);
        while !words.is_char_boundary(end) {
            end -= 1;
        }
        Cause::Failed(words[..end].into())
    }
}

/// What is stored of a mailbox beside its messages.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct MailboxMark {
    /// The place that the next message gets.
    pub next: Position,
    /// No message is stored below this.
    pub head: Position,
}

/// How far a stream has arrived: the whole filter of duplicates, stored in the batch that stores the messages.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Arrived {
    /// The number of the last message.
    pub last: StreamSequence,
    /// Which message that was: a source that says otherwise has given the number twice.
    pub id: MessageId,
}

/// Fields of a mailbox's record that are its settings, each an integer if it is there.
pub mod settings {
    /// Messages that it may hold; more wait in the outboxes of their sources.
    pub const DEPTH_MAX: (&str, i64) = ("depth_max", 100_000);
    /// Deliveries of one message before it becomes a dead letter.
    pub const DELIVERIES_MAX: (&str, i64) = ("deliveries_max", 10);
    /// How long a message rests after its first failed delivery, in milliseconds; twice as long after each further one.
    pub const BACKOFF_MS: (&str, i64) = ("backoff_ms", 100);
    /// The longest rest, in milliseconds.
    pub const BACKOFF_MS_MAX: (&str, i64) = ("backoff_ms_max", 60_000);
    /// A set of client names: those who may receive, finish and manage. Without it, everybody may.
    pub const CONSUMERS: &str = "consumers";
}

/// The part of a mailbox's record that locks a message: of its acknowledgements in transactions one at a time goes on.
pub fn lock_of(position: Position) -> (FieldName, Member) {
    let field = FieldName::new("messages").expect("it is a valid name");
    let member = Member::new(&format!("{position}")).expect("a number is a valid member");
    (field, member)
}
