//! The short way in which transcripts write messages between applications, and its reader.

use crate::notation::{name, parsed};
use assent_protocol::{
    ids::RecordId,
    mail::{Cause, Draft, Envelope, LeaseId, Mailbox, MessageKey, Position, Stored},
    message::{Delivery, Finish, Intake, MailboxRefusal, Manage, Message, Receive},
    operation::Operation,
    storage::Write,
};
use std::{collections::BTreeMap, sync::Arc};

fn draft(draft: &Draft) -> String {
    let key = draft.key.as_ref().map(|key| format!(" key={}", key.as_str())).unwrap_or_default();
    let delay = if draft.delay_ms > 0 { format!(" delay={}ms", draft.delay_ms) } else { String::new() };
    format!("{}{key}{delay} {}", draft.mailbox, String::from_utf8_lossy(&draft.payload))
}

pub(crate) fn operation(operation: &Operation) -> String {
    match operation {
        Operation::Send { from, draft: what } => format!("send {from} {}", draft(what)),
        Operation::Acknowledge { mailbox, position, lease } => {
            format!("acknowledge {mailbox} {position} {lease}")
        }
        other => format!("{other:?}"),
    }
}

/// An operation of this kind, if it is one.
pub(crate) fn read_operation(text: &str) -> Option<Result<Operation, String>> {
    let words: Vec<&str> = text.split_whitespace().collect();
    match words[..] {
        ["send", from, mailbox, ref rest @ ..] => Some(read_send(from, mailbox, rest)),
        ["acknowledge", mailbox, position, lease] => Some(read_acknowledge(mailbox, position, lease)),
        _ => None,
    }
}

fn option<'a>(words: &[&'a str], name: &str) -> Option<&'a str> {
    words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
}

fn read_send(from: &str, mailbox: &str, rest: &[&str]) -> Result<Operation, String> {
    let from: RecordId = parsed(from)?;
    let key = option(rest, "key").map(MessageKey::new).transpose().map_err(|wrong| wrong.to_string())?;
    let delay_ms = option(rest, "delay").map_or(Ok(0), milliseconds)?;
    let words: Vec<&str> = rest.iter().copied().filter(|word| !word.contains('=')).collect();
    let draft = Draft {
        mailbox: parsed(mailbox)?,
        key,
        headers: BTreeMap::new(),
        payload: words.join(" ").into_bytes(),
        delay_ms,
    };
    Ok(Operation::Send { from, draft: Arc::new(draft) })
}

fn read_acknowledge(mailbox: &str, position: &str, lease: &str) -> Result<Operation, String> {
    let position = Position(parsed(position)?);
    Ok(Operation::Acknowledge { mailbox: parsed(mailbox)?, position, lease: parsed(lease)? })
}

fn milliseconds(text: &str) -> Result<u32, String> {
    parsed(text.strip_suffix("ms").ok_or_else(|| format!("{text:?} is no time, as 150ms"))?)
}

/// What a client says about a mailbox.
pub(crate) fn read_request(verb: &str, mailbox: &str, words: &[&str]) -> Result<(Mailbox, Message), String> {
    let to: Mailbox = parsed(mailbox)?;
    let mailbox = to.clone();
    let request = 1;
    let message = match (verb, words) {
        ("receive", options) => {
            let lease_ms = match option(options, "lease") {
                Some("none") => None,
                lease => Some(lease.map_or(Ok(1000), milliseconds)?),
            };
            let wait_ms = option(options, "wait").map_or(Ok(0), milliseconds)?;
            let max = option(options, "max").map_or(Ok(1), parsed)?;
            Message::Receive(Box::new(Receive { request, mailbox, max, lease_ms, wait_ms }))
        }
        ("redrive", places) => {
            Message::Manage { request, mailbox, what: Manage::Redrive(read_places(places)?) }
        }
        ("purge", places) => Message::Manage { request, mailbox, what: Manage::Purge(read_places(places)?) },
        ("discard", []) => Message::Manage { request, mailbox, what: Manage::Discard },
        (verb, [position, lease, options @ ..]) => {
            let lease: LeaseId = parsed(lease)?;
            let how = match verb {
                "finish" => Finish::Acknowledge,
                "extend" => Finish::Extend(option(options, "lease").map_or(Ok(1000), milliseconds)?),
                "release" => Finish::Release {
                    delay_ms: option(options, "after").map(milliseconds).transpose()?,
                    cause: option(options, "because").map(str::to_string),
                },
                _ => return Err("no such request".to_string()),
            };
            let deliveries = vec![(Position(parsed(position)?), lease)];
            Message::Finish { request, mailbox, deliveries, how }
        }
        _ => return Err("which message, and under which lease?".to_string()),
    };
    Ok((to, message))
}

fn read_places(words: &[&str]) -> Result<Option<Vec<Position>>, String> {
    let places: Result<Vec<Position>, String> =
        words.iter().map(|word| Ok(Position(parsed(word)?))).collect();
    Ok(if words.is_empty() { None } else { Some(places?) })
}

fn envelope(envelope: &Envelope) -> String {
    let key = envelope.draft.key.as_ref().map(|key| format!(" key={}", key.as_str())).unwrap_or_default();
    format!("{}{key} {}", envelope.id, String::from_utf8_lossy(&envelope.draft.payload))
}

fn stored(stored: &Stored) -> String {
    let causes: Vec<&str> = stored
        .failures
        .iter()
        .map(|failure| match &failure.cause {
            Cause::LeaseExpired => "lease expired",
            Cause::Failed(words) => words,
        })
        .collect();
    let failed = if stored.failed > 0 {
        format!(", failed {} ({})", stored.failed, causes.join(", "))
    } else {
        String::new()
    };
    let due = if stored.due.0 > 0 { format!(", due at {} ms", stored.due.0 / 1000) } else { String::new() };
    format!("{}{failed}{due}", envelope(&stored.envelope))
}

fn intake(intake: Intake) -> &'static str {
    match intake {
        Intake::Open => "open",
        Intake::Full => "full",
        Intake::Absent => "absent",
        Intake::Gap => "gap",
    }
}

fn refusal(refusal: MailboxRefusal) -> &'static str {
    match refusal {
        MailboxRefusal::MailboxAbsent => "no such mailbox",
        MailboxRefusal::Misplaced => "not here",
        MailboxRefusal::NotPermitted => "not permitted",
        MailboxRefusal::Overloaded => "overloaded",
        MailboxRefusal::MessageAbsent => "no such message",
        MailboxRefusal::LeaseLost => "lease lost",
        MailboxRefusal::ForeignLease => "foreign lease",
        MailboxRefusal::Acknowledging => "an acknowledgement is in doubt",
        MailboxRefusal::DeadLetterAbsent => "no such dead letter",
    }
}

fn delivery(delivery: &Delivery) -> String {
    let lease = delivery.lease.map_or("for good".to_string(), |lease| format!("lease {lease}"));
    format!(
        "at {} {lease} delivery {}: {}",
        delivery.position,
        delivery.delivery,
        envelope(&delivery.envelope)
    )
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}

/// A message of this kind, if it is one.
pub(crate) fn message(message: &Message) -> Option<String> {
    Some(match message {
        Message::Relay { mailbox, acked, first, envelopes } => {
            let all = (first.0..).zip(envelopes).map(|(number, one)| format!("{number} {}", envelope(one)));
            format!("relay {mailbox} acked {acked} [{}]", joined(all))
        }
        Message::RelayHeld { mailbox, last, intake: takes } => {
            let last = last.as_ref().map_or("nothing".to_string(), |(last, id)| format!("{last} ({id})"));
            format!("relay-held {mailbox} {last}, {}", intake(*takes))
        }
        Message::Received { deliveries: Ok(deliveries), .. } => {
            format!("received [{}]", joined(deliveries.iter().map(delivery)))
        }
        Message::Received { deliveries: Err(why), .. } => format!("received refused ({})", refusal(*why)),
        Message::Finished { results: Ok(results), .. } => {
            let all = results.iter().map(|result| match result {
                Ok(()) => "done".to_string(),
                Err(why) => format!("refused ({})", refusal(*why)),
            });
            format!("finished [{}]", joined(all))
        }
        Message::Finished { results: Err(why), .. } => format!("finished refused ({})", refusal(*why)),
        Message::Managed { done: Ok(done), .. } => format!("managed {done}"),
        Message::Managed { done: Err(why), .. } => format!("managed refused ({})", refusal(*why)),
        _ => return None,
    })
}

/// A write of this kind, if it is one.
pub(crate) fn write(write: &Write) -> Option<String> {
    Some(match write {
        Write::PutWaiting(position, held) => {
            format!("{} waiting at vote {position}: {}", held.draft.mailbox, envelope(held))
        }
        Write::DeleteWaiting(position, id) => format!("{id} at vote {position} waits no more"),
        Write::PutOutgoing(number, held) => {
            format!("{} outgoing {number}: {}", held.draft.mailbox, envelope(held))
        }
        Write::DeleteOutgoing(mailbox, number) => format!("{mailbox} outgoing {number} gone"),
        Write::PutAcknowledged(mailbox, number) => format!("{mailbox} acknowledged {number}"),
        Write::PutArrived(mailbox, source, arrived) => {
            format!("{mailbox} from {} arrived {} ({})", name(*source), arrived.last, arrived.id)
        }
        Write::PutMailbox(mailbox, mark) => format!("{mailbox} from {} to {}", mark.head, mark.next),
        Write::PutMessage(position, held) => {
            format!("{} message {position}: {}", held.mailbox(), stored(held))
        }
        Write::DeleteMessage(mailbox, position) => format!("{mailbox} message {position} gone"),
        Write::PutDead(position, held) => {
            format!("{} dead letter {position}: {}", held.mailbox(), stored(held))
        }
        Write::DeleteDead(mailbox, position) => format!("{mailbox} dead letter {position} gone"),
        _ => return None,
    })
}
