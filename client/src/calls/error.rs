//! Why a call failed: whether it has happened, and what to do.

use super::{
    names::{CallId, MethodName, ServiceName},
    wire::Fault,
};
use crate::outcome::Reason;
use assent_protocol::ids::InvalidName;

/// Why a call failed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CallError {
    /// There is no service of this name.
    #[error("there is no service {0}: none of its instances has ever been started")]
    NoService(ServiceName),
    /// The service has no such method, or not in this version. Nothing has happened.
    #[error("the service {service} has no {method}; it has {}", has.join(", "))]
    UnknownMethod {
        /// Which service.
        service: ServiceName,
        /// What was called.
        method: MethodName,
        /// What it has: `name@version`.
        has: Vec<String>,
    },
    /// The arguments can't be encoded, or the service can't decode them. Nothing has happened.
    #[error("the arguments of {method} are wrong: {why}")]
    BadArguments {
        /// What was called.
        method: MethodName,
        /// What is wrong.
        why: String,
    },
    /// The id stands for another call of this client to this service. This one has not happened.
    #[error("the id {id} stands for another call, of {method}; use an id for one call only")]
    IdReused {
        /// Which.
        id: CallId,
        /// What was called under this id.
        method: String,
    },
    /// The handler said so, or panicked. Nothing of its transaction has happened.
    #[error("{method} has failed: {why}")]
    Failed {
        /// What was called.
        method: MethodName,
        /// As it said.
        why: String,
    },
    /// The handler's effects were refused because of what records hold. Nothing of them has happened.
    #[error("what {method} wanted was refused: {why}")]
    Refused {
        /// What was called.
        method: MethodName,
        /// One word for it: see `docs/transactions.md`.
        kind: String,
        /// In words.
        why: String,
    },
    /// The call was never sent, and never will be.
    #[error("the call was not sent: {0}")]
    NotSent(Reason),
    /// The caller was closed, or could not get a mailbox for replies.
    #[error("the caller can't receive replies: {0}")]
    NoReplies(String),
    /// **It has happened**, but its reply is not what was expected. Nothing is lost: here are its bytes, and if the call
    /// promises exactly once, a repeat with [`CallOptions::id`](super::CallOptions::id) gets them again.
    #[error("the call {id} of {method} has happened, but its reply does not decode: {why}")]
    BadReply {
        /// Which call.
        id: CallId,
        /// What was called.
        method: MethodName,
        /// What is wrong with it.
        why: String,
        /// The reply.
        reply: Vec<u8>,
    },
    /// No reply in time: **it may have happened, or may yet**. What promises exactly once is repeated with
    /// [`CallOptions::id`](super::CallOptions::id), and then takes effect once and gets its reply; what may run twice may
    /// simply be called again.
    #[error("no reply to the call {id} of {method} in time; it may have happened or not")]
    Unknown {
        /// Which call.
        id: CallId,
        /// What was called.
        method: MethodName,
    },
}

impl CallError {
    /// Whether nothing has happened, for certain.
    pub fn is_definite(&self) -> bool {
        match self {
            CallError::NoService(_)
            | CallError::UnknownMethod { .. }
            | CallError::BadArguments { .. }
            | CallError::IdReused { .. }
            | CallError::Failed { .. }
            | CallError::Refused { .. }
            | CallError::NotSent(_)
            | CallError::NoReplies(_) => true,
            CallError::BadReply { .. } | CallError::Unknown { .. } => false,
        }
    }

    pub(super) fn of(fault: Fault, service: &ServiceName, method: MethodName, id: CallId) -> CallError {
        match fault {
            Fault::UnknownMethod { has } => {
                CallError::UnknownMethod { service: service.clone(), method, has }
            }
            Fault::BadArguments { why } => CallError::BadArguments { method, why },
            Fault::IdReused { method } => CallError::IdReused { id, method },
            Fault::Failed { why } => CallError::Failed { method, why },
            Fault::Refused { kind, why } => CallError::Refused { method, kind, why },
        }
    }
}

/// Why a service was not started.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ServiceError {
    /// A name is wrong.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// Two methods have one name and version.
    #[error("the service has {0} twice")]
    Twice(MethodName),
    /// Its mailbox could not be made, or its methods not be published. It may be tried again.
    #[error("the service could not be published: {0}")]
    NotPublished(String),
}
