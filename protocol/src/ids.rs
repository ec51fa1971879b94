//! Identifiers and counters, each its own type, so that one can't be taken for another.
//!
//! Names are checked where they are made: a value of one of these types is valid.

use alloc::{format, string::String};
use core::{
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
    str::FromStr,
};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, Visitor},
};
use smol_str::SmolStr;

/// The longest name of a client or node, in bytes.
pub const NAME_BYTES_MAX: usize = 64;
/// The longest `table/id` of a record, in bytes.
pub const RECORD_BYTES_MAX: usize = 256;
/// The longest field name, in bytes.
pub const FIELD_BYTES_MAX: usize = 64;
/// The longest member of a set, in bytes.
pub const MEMBER_BYTES_MAX: usize = 256;

/// A name, id or field that breaks the rules for its kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} {text:?} is not valid: {why}")]
pub struct InvalidName {
    /// What it was meant to be, as "record".
    pub what: &'static str,
    /// The text that was refused (cut after 80 characters).
    pub text: String,
    /// The rule that it breaks.
    pub why: &'static str,
}

impl InvalidName {
    pub(crate) fn new(what: &'static str, text: &str, why: &'static str) -> Self {
        InvalidName { what, text: text.chars().take(80).collect(), why }
    }
}

/// Makes a newtype over a text whose every value passed its check. Most names are short: up to 23 bytes are held in
/// place, longer ones are shared, so a clone never copies to the heap.
macro_rules! checked_text {
    ($(#[$doc:meta])* $name:ident, $what:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        pub struct $name(SmolStr);

        impl $name {
            /// Checks `text` and takes it.
            pub fn new(text: &str) -> Result<Self, InvalidName> {
                let check: fn(&str) -> Result<(), &'static str> = $check;
                check(text).map_err(|why| InvalidName::new($what, text, why))?;
                Ok($name(SmolStr::new(text)))
            }

            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;
            fn from_str(text: &str) -> Result<Self, InvalidName> {
                $name::new(text)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Checked;

                impl Visitor<'_> for Checked {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($what)
                    }

                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$name, E> {
                        $name::new(text).map_err(E::custom)
                    }
                }

                deserializer.deserialize_str(Checked)
            }
        }
    };
}

pub(crate) fn check_length(text: &str, bytes_max: usize) -> Result<(), &'static str> {
    if text.is_empty() {
        return Err("it is empty");
    }
    if text.len() > bytes_max { Err("it is too long") } else { Ok(()) }
}

fn check_text(text: &str, bytes_max: usize) -> Result<(), &'static str> {
    check_length(text, bytes_max)?;
    // Names are hardly ever anything but printable ASCII, which is looked through bytewise.
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) || !text.chars().any(char::is_control) {
        return Ok(());
    }
    Err("it holds a control character")
}

checked_text!(
    /// The name of a client, from its certificate: letters, digits, `.`, `_`, `-`.
    ClientName,
    "client name",
    |text| {
        check_length(text, NAME_BYTES_MAX)?;
        if text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-')) {
            Ok(())
        } else {
            Err("only letters, digits, '.', '_' and '-' are allowed")
        }
    }
);

checked_text!(
    /// A record: `table/id`. The table names who holds it, the id is free text.
    RecordId,
    "record",
    |text| {
        check_text(text, RECORD_BYTES_MAX)?;
        match split_record(text) {
            Some((table, id)) if !table.is_empty() && !id.is_empty() => Ok(()),
            Some(_) | None => Err("it must be table/id"),
        }
    }
);

checked_text!(
    /// The name of a field of a record.
    FieldName,
    "field",
    |text| check_text(text, FIELD_BYTES_MAX)
);

checked_text!(
    /// A member of a set.
    Member,
    "member",
    |text| check_text(text, MEMBER_BYTES_MAX)
);

/// At the first `/`. Bytewise: what sets up a search for a character costs more than to look through a name.
fn split_record(text: &str) -> Option<(&str, &str)> {
    let slash = text.bytes().position(|byte| byte == b'/')?;
    Some((&text[..slash], &text[slash + 1..]))
}

impl RecordId {
    /// The part before the first `/`.
    pub fn table(&self) -> &str {
        split_record(&self.0).map_or("", |(table, _)| table)
    }

    /// The part after the first `/`.
    pub fn id(&self) -> &str {
        split_record(&self.0).map_or("", |(_, id)| id)
    }
}

/// Makes a newtype over an integer.
macro_rules! number {
    ($(#[$doc:meta])* $name:ident, $inner:ty) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    };
}

number!(
    /// A node of the cluster, as numbered in the cluster file. Never reused for another node.
    NodeId,
    u16
);
number!(
    /// The number of a request within its session, from 1.
    Sequence,
    u64
);
number!(
    /// When the client first tried the transaction, in microseconds since 1970. Only ever compared.
    Stamp,
    u64
);
number!(
    /// The version of a record: how many transactions have changed it.
    Version,
    u64
);
number!(
    /// A moment of the node's own monotonic clock, in microseconds. Never sent to anyone.
    Time,
    u64
);

/// A client session. The high 16 bits are the participant that granted it; the low 48 bits rise for ever per client and
/// granter. They begin with the second in which the counter was created, times 65,536, so that a counter that is created
/// again begins above all that the lost one has given. Text: `granter.number`, as `3.1`; without a granter, `1`.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(pub u64);

impl SessionId {
    const NUMBER_BITS: u32 = 48;

    /// Below every session that `granter` grants from a counter that was created at `created_s`, in seconds since 1970.
    pub fn before_first(granter: NodeId, created_s: u32) -> SessionId {
        SessionId(u64::from(granter.0) << Self::NUMBER_BITS | u64::from(created_s) << 16)
    }

    /// Who granted it, and knows whether it has ended.
    pub fn granter(self) -> NodeId {
        NodeId((self.0 >> Self::NUMBER_BITS) as u16)
    }

    /// The one after it.
    pub fn next(self) -> SessionId {
        SessionId(self.0.saturating_add(1))
    }

    /// The one before it.
    pub fn previous(self) -> SessionId {
        SessionId(self.0.saturating_sub(1))
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.0 & ((1 << Self::NUMBER_BITS) - 1);
        match self.granter() {
            NodeId(0) => write!(f, "{number}"),
            granter => write!(f, "{granter}.{number}"),
        }
    }
}

impl FromStr for SessionId {
    type Err = InvalidName;
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let wrong = || InvalidName::new("session", text, "it must be granter.number");
        let (granter, number) = text.split_once('.').unwrap_or(("0", text));
        let granter: u16 = granter.parse().map_err(|_| wrong())?;
        let number: u64 = number.parse().map_err(|_| wrong())?;
        if number >> Self::NUMBER_BITS != 0 {
            return Err(wrong());
        }
        Ok(SessionId(u64::from(granter) << Self::NUMBER_BITS | number))
    }
}

impl Time {
    /// This moment and `ms` milliseconds.
    pub fn after_ms(self, ms: u64) -> Time {
        Time(self.0.saturating_add(ms.saturating_mul(1000)))
    }

    /// Milliseconds from now until this moment; 0 if it has passed.
    pub fn ms_from(self, now: Time) -> u32 {
        u32::try_from(self.0.saturating_sub(now.0) / 1000).unwrap_or(u32::MAX)
    }
}

/// What a client calls a transaction, on the first attempt and on every repeat. Text: `client:session:sequence`.
///
/// Ordered by the numbers first: ids are looked up all the time, and the names hardly ever differ.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TxnId {
    /// Who asked.
    pub client: ClientName,
    /// In which session.
    pub session: SessionId,
    /// As which request of the session.
    pub sequence: Sequence,
}

impl Ord for TxnId {
    fn cmp(&self, other: &Self) -> Ordering {
        if self.session != other.session {
            return self.session.cmp(&other.session);
        }
        if self.sequence != other.sequence {
            return self.sequence.cmp(&other.sequence);
        }
        // Equal in place is told faster than which comes first.
        if self.client == other.client { Ordering::Equal } else { self.client.cmp(&other.client) }
    }
}

impl PartialOrd for TxnId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for TxnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.client, self.session, self.sequence)
    }
}

impl fmt::Debug for TxnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for TxnId {
    type Err = InvalidName;
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let wrong = || InvalidName::new("transaction id", text, "it must be client:session:sequence");
        let mut parts = text.splitn(3, ':');
        let (Some(client), Some(session), Some(sequence)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(wrong());
        };
        Ok(TxnId {
            client: ClientName::new(client)?,
            session: session.parse().map_err(|_| wrong())?,
            sequence: Sequence(sequence.parse().map_err(|_| wrong())?),
        })
    }
}

/// SHA-256 of the operations and the participant list: what a `TxnId` stands for (R12).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Digest(#[serde(with = "serde_bytes")] pub [u8; 32]);

// For tables it is a hash already, and a part of it tells as well as all of it.
impl Hash for Digest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        if let Some(first) = self.0.first_chunk() {
            state.write_u64(u64::from_le_bytes(*first));
        }
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format!("{:02x}{:02x}{:02x}{:02x}", self.0[0], self.0[1], self.0[2], self.0[3]))
    }
}

/// A transaction and what it stands for: the subject of every message (R12).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Subject {
    /// Which transaction.
    pub txn: TxnId,
    /// Which content.
    pub digest: Digest,
}

/// One start of a coordinator process: 128 random bits.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Incarnation(pub u128);

/// One attempt of one coordinator process to drive a transaction. Never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Sponsor {
    /// Where to ask.
    pub node: NodeId,
    /// Which start of that node.
    pub incarnation: Incarnation,
    /// Which attempt since that start.
    pub attempt: u64,
}

/// How old a transaction is: orders all transactions, the smaller being the older.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Age {
    /// The stamp of the first attempt.
    pub stamp: Stamp,
    /// Breaks ties.
    pub txn: TxnId,
}

/// Who a message came from or goes to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Peer {
    /// A node of the cluster.
    Node(NodeId),
    /// A client's connection to this process, numbered by the transport; never reused.
    Client(u64),
}
