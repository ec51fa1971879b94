//! What a call and its reply look like as messages, and what is remembered of a call. Pure data.
//!
//! A call is a message with JSON as its payload and the rest in headers; a reply is one too. Who calls is not among the
//! headers: the id of the message says it, which no sender can choose.

use super::names::{CallId, MethodName, ServiceName};
use crate::{mail::NewMessage, transaction::Transaction};
use assent_protocol::{
    ids::{ClientName, FieldName, RecordId},
    mail::Mailbox,
    operation::{FieldContent, RecordContent, VALUE_BYTES_MAX, Value},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::{collections::BTreeMap, fmt};

/// Bytes of an explanation in a fault.
const WHY_BYTES_MAX: usize = 4096;

/// What a call promises. See the [module](super) for what each costs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Semantics {
    /// The call is acknowledged before its handler runs, which is lost with its instance.
    AtMostOnce,
    /// The call comes again until it has been dealt with. For methods that may run twice.
    AtLeastOnce,
    /// The handler's effects, its reply, the record of both and the acknowledgement are one commit.
    ExactlyOnce,
}

impl Semantics {
    /// As it stands in the header `semantics`.
    pub fn as_str(self) -> &'static str {
        match self {
            Semantics::AtMostOnce => "at-most-once",
            Semantics::AtLeastOnce => "at-least-once",
            Semantics::ExactlyOnce => "exactly-once",
        }
    }

    fn read(text: &str) -> Option<Semantics> {
        [Semantics::AtMostOnce, Semantics::AtLeastOnce, Semantics::ExactlyOnce]
            .into_iter()
            .find(|semantics| semantics.as_str() == text)
    }
}

impl fmt::Display for Semantics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A call, without its arguments.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Call {
    pub(super) service: ServiceName,
    pub(super) id: CallId,
    pub(super) method: MethodName,
    pub(super) semantics: Semantics,
    /// By the wall clock, in milliseconds since 1970: not begun after that.
    pub(super) deadline_ms: u64,
    pub(super) reply_to: Mailbox,
    /// The caller chose the id, so an earlier call may have had it.
    pub(super) may_repeat: bool,
}

impl Call {
    /// As a message to the service. Of calls of one id, one at a time is run: the id is the key.
    pub(super) fn message(&self, arguments: Vec<u8>) -> NewMessage {
        let message = NewMessage::new(self.service.mailbox(), arguments)
            .key(self.id.as_str())
            .header("call", self.id.as_str())
            .header("method", self.method.to_string())
            .header("semantics", self.semantics.as_str())
            .header("deadline", self.deadline_ms.to_string())
            .header("reply-to", self.reply_to.name());
        if self.may_repeat { message.header("repeat", "perhaps") } else { message }
    }

    /// As the service reads it.
    pub(super) fn read(service: &ServiceName, headers: &BTreeMap<String, String>) -> Result<Call, String> {
        let header = |name: &str| {
            headers
                .get(name)
                .map(String::as_str)
                .ok_or_else(|| format!("it is no call: it has no header {name:?}"))
        };
        let semantics = header("semantics")?;
        let deadline = header("deadline")?;
        Ok(Call {
            service: service.clone(),
            id: CallId::new(header("call")?).map_err(|error| error.to_string())?,
            method: header("method")?.parse().map_err(|error| format!("{error}"))?,
            semantics: Semantics::read(semantics).ok_or_else(|| format!("{semantics:?} is no semantics"))?,
            deadline_ms: deadline.parse().map_err(|_| format!("the deadline {deadline:?} is no number"))?,
            reply_to: Mailbox::new(header("reply-to")?).map_err(|error| error.to_string())?,
            may_repeat: headers.contains_key("repeat"),
        })
    }

    /// What is asked, in short: to tell a repeat from another call of the same id.
    pub(super) fn digest(&self, arguments: &[u8]) -> Vec<u8> {
        let mut digest = Sha256::new();
        digest.update(self.method.to_string());
        digest.update([0]);
        digest.update(arguments);
        digest.finalize().to_vec()
    }
}

/// Why a service did not do what a call wanted. Nothing of it has happened.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case")]
pub(super) enum Fault {
    UnknownMethod { has: Vec<String> },
    BadArguments { why: String },
    IdReused { method: String },
    Failed { why: String },
    Refused { kind: String, why: String },
}

impl Fault {
    /// Whether the handler, or its effects, said so: then a repeat gets the same answer. Otherwise it may do better.
    fn is_of_the_handler(&self) -> bool {
        match self {
            Fault::Failed { .. } | Fault::Refused { .. } => true,
            Fault::UnknownMethod { .. } | Fault::BadArguments { .. } | Fault::IdReused { .. } => false,
        }
    }

    pub(super) fn failed(why: impl fmt::Display) -> Fault {
        Fault::Failed { why: short(why) }
    }

    pub(super) fn bad_arguments(why: impl fmt::Display) -> Fault {
        Fault::BadArguments { why: short(why) }
    }
}

/// At most some thousand bytes of an explanation.
pub(super) fn short(why: impl fmt::Display) -> String {
    let mut why = why.to_string();
    if why.len() > WHY_BYTES_MAX {
        why.truncate((0..=WHY_BYTES_MAX).rev().find(|&at| why.is_char_boundary(at)).unwrap_or(0));
    }
    why
}

/// How a call was answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Answer {
    /// What the method returned, as JSON.
    Reply(Vec<u8>),
    Fault(Fault),
}

impl Answer {
    const REPLY: &'static str = "reply";
    const FAULT: &'static str = "fault";

    fn parts(&self) -> (&'static str, Vec<u8>) {
        match self {
            Answer::Reply(payload) => (Answer::REPLY, payload.clone()),
            Answer::Fault(fault) => {
                (Answer::FAULT, serde_json::to_vec(fault).expect("texts in a struct are JSON"))
            }
        }
    }

    fn of_parts(result: &str, payload: Vec<u8>) -> Result<Answer, String> {
        match result {
            Answer::REPLY => Ok(Answer::Reply(payload)),
            Answer::FAULT => serde_json::from_slice(&payload)
                .map(Answer::Fault)
                .map_err(|error| format!("the service's refusal is of an unknown kind: {error}")),
            other => Err(format!("{other:?} is no result of a call")),
        }
    }

    /// Whether a call that promises exactly once is answered so for good.
    pub(super) fn is_remembered(&self) -> bool {
        match self {
            Answer::Reply(_) => true,
            Answer::Fault(fault) => fault.is_of_the_handler(),
        }
    }

    /// As a message to the caller. It is kept where the mailbox is: then a caller that is gone is a refusal, and no message
    /// waits for it in an outbox for ever.
    pub(super) fn message(&self, call: &Call) -> NewMessage {
        let (result, payload) = self.parts();
        NewMessage::new(&call.reply_to, payload)
            .from(call.reply_to.record())
            .header("service", call.service.as_str())
            .header("call", call.id.as_str())
            .header("result", result)
    }

    /// As the caller reads it, with whose answer it is: service and call.
    pub(super) fn read(
        headers: &BTreeMap<String, String>,
        payload: &[u8],
    ) -> Option<((String, String), Result<Answer, String>)> {
        let header = |name: &str| headers.get(name).cloned();
        let whose = (header("service")?, header("call")?);
        Some((whose, Answer::of_parts(&header("result")?, payload.to_vec())))
    }

    /// Writes down what was asked and answered; refused if something is written down already.
    pub(super) fn remember(
        &self,
        call: &Call,
        record: &RecordId,
        digest: Vec<u8>,
        now_ms: u64,
        transaction: Transaction,
    ) -> Transaction {
        let (result, payload) = self.parts();
        let transaction = transaction
            .require_absent(record)
            .set(record, "method", call.method.to_string())
            .set(record, "asked", digest)
            .set(record, "result", result)
            .set(record, "answered_ms", i64::try_from(now_ms).unwrap_or(i64::MAX));
        let parts = payload.chunks(VALUE_BYTES_MAX).enumerate();
        parts.fold(transaction, |all, (n, part)| all.set(record, format!("payload.{n}"), part))
    }

    /// What was written down: the digest of what was asked, the method, and the answer.
    pub(super) fn remembered(record: &RecordContent) -> Result<(Vec<u8>, String, Answer), String> {
        let value = |name: &str| {
            let field = FieldName::new(name).ok().and_then(|field| record.fields.get(&field));
            match field {
                Some(FieldContent::Value(value)) => Some(value.clone()),
                Some(_) | None => None,
            }
        };
        let text = |name: &str| match value(name) {
            Some(Value::Text(text)) => Ok(text),
            Some(_) | None => Err(format!("what is remembered of the call has no {name}")),
        };
        let bytes = |name: &str| match value(name) {
            Some(Value::Bytes(bytes)) => Some(bytes),
            Some(_) | None => None,
        };
        let asked = bytes("asked").ok_or("what is remembered of the call has no digest")?;
        let mut payload = Vec::new();
        let parts = (0..).map_while(|n| bytes(&format!("payload.{n}")));
        parts.for_each(|part| payload.extend(part));
        Ok((asked, text("method")?, Answer::of_parts(&text("result")?, payload)?))
    }
}

/// The wall clock, in milliseconds since 1970.
pub(super) fn now_ms() -> u64 {
    crate::link::stamp_now().0 / 1000
}

/// Whose record it is, as [`ServiceName::call`] has it.
pub(super) fn record_of(call: &Call, caller: &ClientName) -> RecordId {
    call.service.call(caller, &call.id)
}
