//! Messages as JSON: the operations that send and finish them, and what is shown of them.

use super::object::{JsonError, Object, name};
use crate::mail::{Delivery, NewMessage};
use assent_protocol::{
    ids::RecordId,
    mail::{Cause, LeaseId, Mailbox, MessageKey, Position, Stored},
    operation::Operation,
};
use serde_json::{Value, json};
use std::time::Duration;

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub(super) const SEND: &str = "send has mailbox, payload, and maybe key, headers, delay_ms and from";
pub(super) const ACKNOWLEDGE: &str = "acknowledge has mailbox, message and lease";

/// `{"op":"send","mailbox":"orders","payload":"text" or {"base64":"…"},"key":"s17","headers":{},"delay_ms":0,"from":"student/s17"}`
pub(super) fn send(object: &mut Object) -> Result<NewMessage, JsonError> {
    let mut message = NewMessage::new(object.named("mailbox", Mailbox::new)?, take_payload(object)?);
    if object.present("key") {
        message = message.key(object.named("key", MessageKey::new)?);
    }
    if object.present("from") {
        message = message.from(object.named("from", RecordId::new)?);
    }
    if let Some(delay_ms) = object.optional_count("delay_ms")? {
        message = message.delay(Duration::from_millis(delay_ms));
    }
    match object.take("headers") {
        None | Some(Value::Null) => {}
        Some(Value::Object(headers)) => {
            for (header, value) in headers {
                let Value::String(value) = value else {
                    let found = name(&value);
                    return Err(JsonError::at("headers", format!("{header:?} must be text, not {found}")));
                };
                message = message.header(header, value);
            }
        }
        Some(other) => {
            return Err(JsonError::at("headers", format!("it must be an object, not {}", name(&other))));
        }
    }
    Ok(message)
}

fn take_payload(object: &mut Object) -> Result<Vec<u8>, JsonError> {
    let expected = "text, or {\"base64\": \"…\"}";
    let wrong =
        |found: &Value| JsonError::at("payload", format!("it must be {expected}, not {}", name(found)));
    match object.require("payload")? {
        Value::String(text) => Ok(text.into_bytes()),
        Value::Object(map) if map.len() == 1 => match map.get("base64") {
            Some(Value::String(text)) => {
                from_base64(text).ok_or_else(|| JsonError::at("payload", "it is no base64"))
            }
            Some(_) | None => Err(wrong(&Value::Object(map))),
        },
        other => Err(wrong(&other)),
    }
}

/// `{"op":"acknowledge","mailbox":"orders","message":17,"lease":"3.42"}`
pub(super) fn acknowledge(object: &mut Object) -> Result<Operation, JsonError> {
    let mailbox = object.named("mailbox", Mailbox::new)?;
    let position = object
        .optional_count("message")?
        .ok_or_else(|| JsonError::at("message", "it is missing: the message's number, as received"))?;
    let lease = object.named("lease", str::parse::<LeaseId>)?;
    Ok(Operation::Acknowledge { mailbox, position: Position(position), lease })
}

/// What a message says: text as such, anything else as `{"base64": "…"}`.
pub fn payload(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => json!({ "base64": to_base64(bytes) }),
    }
}

/// A message as a consumer has it; `mailbox`, `message` and `lease` are what `acknowledge` wants.
pub fn delivery(delivery: &Delivery) -> Value {
    json!({
        "mailbox": delivery.mailbox().name(),
        "message": delivery.position().0,
        "lease": delivery.lease().map(|lease| lease.to_string()),
        "id": delivery.id().to_string(),
        "key": delivery.key(),
        "headers": delivery.headers(),
        "payload": payload(delivery.payload()),
        "delivery": delivery.attempt(),
        "sent_us": delivery.sent().0,
    })
}

/// A message as its mailbox has it, or a dead letter, with its failures.
pub fn stored(position: Position, stored: &Stored) -> Value {
    let draft = &stored.envelope.draft;
    let failures: Vec<Value> = stored
        .failures
        .iter()
        .map(|failure| {
            let cause = match &failure.cause {
                Cause::LeaseExpired => "the lease ran out",
                Cause::Failed(words) => words,
            };
            json!({ "consumer": failure.consumer.as_str(), "at_us": failure.at.0, "cause": cause })
        })
        .collect();
    json!({
        "mailbox": draft.mailbox.name(),
        "message": position.0,
        "id": stored.envelope.id.to_string(),
        "key": draft.key.as_ref().map(MessageKey::as_str),
        "headers": draft.headers,
        "payload": payload(&draft.payload),
        "source": stored.source.0,
        "sent_us": stored.envelope.sent.0,
        "arrived_us": stored.arrived.0,
        "failed": stored.failed,
        "failures": failures,
    })
}

/// Bytes as base64 (RFC 4648, with padding).
pub fn to_base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let group = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            let index = (group >> (18 - 6 * digit)) & 63;
            text.push(if digit <= chunk.len() { char::from(DIGITS[index as usize]) } else { '=' });
        }
    }
    text
}

/// Bytes from base64, with padding; none if it is no base64.
pub fn from_base64(text: &str) -> Option<Vec<u8>> {
    let text = text.as_bytes();
    if !text.len().is_multiple_of(4) {
        return None;
    }
    let digits = text.strip_suffix(b"==").or_else(|| text.strip_suffix(b"=")).unwrap_or(text);
    let mut bytes = Vec::with_capacity(digits.len() / 4 * 3 + 2);
    for chunk in digits.chunks(4) {
        let mut group = 0_u32;
        for digit in chunk {
            let value = DIGITS.iter().position(|known| known == digit)?;
            group = group << 6 | u32::try_from(value).ok()?;
        }
        group <<= 6 * (4 - chunk.len());
        // Bits that stand for no byte must be none: every text of its kind stands for other bytes.
        let (kept, rest) = match chunk.len() {
            4 => (3, 0),
            3 => (2, group & 0xff),
            2 => (1, group & 0xffff),
            _ => return None,
        };
        if rest != 0 {
            return None;
        }
        bytes.extend_from_slice(&group.to_be_bytes()[1..=kept]);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_rfc_4648() {
        let pairs = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
        ];
        for (bytes, text) in pairs {
            assert_eq!(to_base64(bytes.as_bytes()), text);
            assert_eq!(from_base64(text).as_deref(), Some(bytes.as_bytes()));
        }
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(from_base64(&to_base64(&all)), Some(all));
        for wrong in ["Z", "Zg", "Zg=", "Zh==", "Zm9=", "Zg==Zg==", "Z===", "====", "Zm 9", "Zm-_"] {
            assert_eq!(from_base64(wrong), None, "{wrong}");
        }
    }
}
