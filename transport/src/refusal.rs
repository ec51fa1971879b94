//! Why a connection is refused or ended: what a peer did that it must not do.
//!
//! A refusal is told three times: to the peer (error code and text in the QUIC close), to people (a log line), and
//! to the metrics (a label). It never ends the process.

use crate::{
    frames::TooLarge,
    principal::{InvalidPrincipal, Principal, Role},
};
use assent_protocol::{codec::DecodeError, message::Message};
use quinn::VarInt;
use std::fmt::{self, Write};

/// The process ends in good order.
pub(crate) const CODE_CLOSING: VarInt = VarInt::from_u32(0);
/// The same node has made a newer connection.
pub(crate) const CODE_REPLACED: VarInt = VarInt::from_u32(1);

/// What a peer is refused for.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// Its certificate is genuine and names nobody.
    #[error("its certificate names nobody: {0}")]
    Nobody(InvalidPrincipal),
    /// Its certificate names a node that the cluster file does not list with this role and name.
    #[error("{0} is not in the cluster file here; both sides must use the same file")]
    NotInCluster(Principal),
    /// It is a node that this one dials, or that has nothing to do with it.
    #[error("{0} does not dial this node: this node dials it")]
    WrongDirection(Principal),
    /// Another node answered than was dialled.
    #[error("{found} answers where {expected} was expected; does the cluster file have the right address?")]
    WrongNode {
        /// Whom the cluster file says.
        expected: Principal,
        /// Whom the certificate names.
        found: Principal,
    },
    /// There are as many clients as allowed.
    #[error("there are {0} clients already, as many as allowed; try another coordinator")]
    TooManyClients(usize),
    /// A stream began with something else than its kind.
    #[error("a stream begins with byte {0}, which is no kind of stream that is expected here")]
    WrongPreface(u8),
    /// A frame is larger than its stream carries.
    #[error("a frame announces {bytes} bytes where {bytes_max} are allowed")]
    Oversized {
        /// What its header says.
        bytes: usize,
        /// What the stream carries.
        bytes_max: usize,
    },
    /// A stream ended within a frame.
    #[error("a stream ended within a frame")]
    Truncated,
    /// A stream was reset or stopped, which no peer does.
    #[error("a stream was reset or stopped; streams last as long as their connection")]
    StreamBroken,
    /// A frame is no message.
    #[error("a frame is no message: {0}")]
    Malformed(DecodeError),
    /// A message breaks its own rules.
    #[error("{message} is not valid: {why}")]
    Invalid {
        /// Which kind of message.
        message: String,
        /// Which rule.
        why: &'static str,
    },
    /// The role table forbids the message.
    #[error("a {from} may not send {message} to a {to}")]
    Forbidden {
        /// The sender's role.
        from: Role,
        /// This process's role.
        to: Role,
        /// Which kind of message.
        message: String,
    },
}

impl Refusal {
    pub(crate) fn invalid(message: &Message, why: &'static str) -> Refusal {
        Refusal::Invalid { message: kind(message), why }
    }

    pub(crate) fn forbidden(from: Role, to: Role, message: &Message) -> Refusal {
        Refusal::Forbidden { from, to, message: kind(message) }
    }

    /// The application error code in the QUIC close. Append-only: peers of other versions show it.
    pub(crate) fn code(&self) -> VarInt {
        VarInt::from_u32(match self {
            Refusal::Nobody(_) => 2,
            Refusal::NotInCluster(_) => 3,
            Refusal::WrongDirection(_) => 4,
            Refusal::WrongNode { .. } => 5,
            Refusal::TooManyClients(_) => 6,
            Refusal::WrongPreface(_) => 7,
            Refusal::Oversized { .. } => 8,
            Refusal::Truncated => 9,
            Refusal::Malformed(_) => 10,
            Refusal::Invalid { .. } => 11,
            Refusal::Forbidden { .. } => 12,
            Refusal::StreamBroken => 13,
        })
    }

    /// The value of the metric's `reason` label.
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Refusal::Nobody(_) => "nobody",
            Refusal::NotInCluster(_) => "not_in_cluster",
            Refusal::WrongDirection(_) => "wrong_direction",
            Refusal::WrongNode { .. } => "wrong_node",
            Refusal::TooManyClients(_) => "too_many_clients",
            Refusal::WrongPreface(_) => "wrong_preface",
            Refusal::Oversized { .. } => "oversized",
            Refusal::Truncated => "truncated",
            Refusal::StreamBroken => "stream_broken",
            Refusal::Malformed(_) => "malformed",
            Refusal::Invalid { .. } => "invalid",
            Refusal::Forbidden { .. } => "forbidden",
        }
    }
}

impl From<TooLarge> for Refusal {
    fn from(TooLarge { bytes, bytes_max }: TooLarge) -> Refusal {
        Refusal::Oversized { bytes, bytes_max }
    }
}

/// The name of a message's kind, as "Prepare".
fn kind(message: &Message) -> String {
    let mut name = FirstWord(String::new());
    // `FirstWord` fails after the first word on purpose: a whole message may be megabytes of text.
    let _ = write!(name, "{message:?}");
    name.0
}

struct FirstWord(String);

impl Write for FirstWord {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let word = text.find(|c: char| !c.is_alphanumeric()).map_or(text, |end| &text[..end]);
        self.0.push_str(word);
        if word.len() == text.len() { Ok(()) } else { Err(fmt::Error) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_called_by_its_kind() {
        assert_eq!(kind(&Message::OpenSession { request: 7 }), "OpenSession");
        assert_eq!(kind(&Message::AllHeld { subjects: Vec::new() }), "AllHeld");
    }
}
