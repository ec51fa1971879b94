//! What must be true of the effects of messages: each of what was committed once where the acknowledgement is part of the
//! effect, nothing of what was not, nothing from nowhere, and per key in the order in which it was sent.

use super::{KEYLESS, PLAIN, RECEIPT, SECOND, WORK};
use crate::{
    history::{Event, History, Kind, Value},
    verdict::{Anomaly, Finding, Verdict},
};
use std::collections::BTreeMap;

/// A message as its sender knows it.
struct Sent {
    value: i64,
    mailbox: usize,
    key: i64,
    from: i64,
    /// Lines of the history: when it was asked for, and when it was known to be committed.
    invoked: u64,
    committed: Option<u64>,
    failed: bool,
}

type Wrong = (&'static str, String);
/// Effects by mailbox and key.
type Effects = BTreeMap<(usize, i64), Vec<i64>>;

pub(super) fn check(history: &History, ordered: bool, sends_on: bool) -> Verdict {
    let sent = sent(history);
    let effects = effects(history);
    let result = check_counts(&sent, &effects, sends_on)
        .and_then(|()| if ordered { check_order(&sent, &effects) } else { Ok(()) });
    let anomalies: Vec<Anomaly> = result
        .err()
        .into_iter()
        .map(|(class, words)| Anomaly { class: class.into(), words, events: Vec::new() })
        .collect();
    Verdict {
        checker: "messages".into(),
        finding: if anomalies.is_empty() { Finding::Holds } else { Finding::Violated },
        summary: format!("{} messages sent", sent.len()),
        anomalies,
        tables: Vec::new(),
    }
}

fn list(value: &Value) -> &[Value] {
    if let Value::Vector(values) = value { values } else { &[] }
}

fn int(value: &Value) -> i64 {
    if let Value::Int(value) = value { *value } else { i64::MIN }
}

fn sent(history: &History) -> Vec<Sent> {
    let mut sent: Vec<Sent> = Vec::new();
    let mut places = BTreeMap::new();
    for event in history.events.iter().filter(|event| event.f == "send") {
        for message in list(&event.value) {
            let [value, mailbox, key, from] = list(message) else { continue };
            let place = *places.entry(int(value)).or_insert_with(|| {
                sent.push(Sent {
                    value: int(value),
                    mailbox: int(mailbox) as usize,
                    key: int(key),
                    from: int(from),
                    invoked: event.index,
                    committed: None,
                    failed: false,
                });
                sent.len() - 1
            });
            match event.kind {
                Kind::Ok => sent[place].committed = Some(event.index),
                Kind::Fail => sent[place].failed = true,
                Kind::Invoke | Kind::Info => {}
            }
        }
    }
    sent
}

fn effects(history: &History) -> Effects {
    let read = |event: &&Event| event.f == "effects" && event.kind == Kind::Ok;
    let effects = history.events.iter().filter(read).filter_map(|event| {
        let [mailbox, key, values] = list(&event.value) else { return None };
        Some(((int(mailbox) as usize, int(key)), list(values).iter().map(int).collect()))
    });
    effects.collect()
}

fn check_counts(sent: &[Sent], effects: &Effects, sends_on: bool) -> Result<(), Wrong> {
    let mut counts: BTreeMap<(i64, usize, i64), usize> = BTreeMap::new();
    for ((mailbox, key), values) in effects {
        for value in values {
            *counts.entry((*value, *mailbox, *key)).or_default() += 1;
        }
    }
    for message in sent {
        let at = |mailbox: usize| counts.get(&(message.value, mailbox, message.key)).copied().unwrap_or(0);
        let count = at(message.mailbox);
        let value = message.value;
        if message.failed && count > 0 {
            return Err(("aborted", format!("{value} took effect, and its transaction has aborted")));
        }
        if message.mailbox != PLAIN && count > 1 {
            return Err(("doubled", format!("{value} took effect {count} times")));
        }
        if message.mailbox != RECEIPT && message.committed.is_some() && count == 0 {
            return Err(("lost", format!("{value} was sent, and took no effect")));
        }
        if message.mailbox == WORK && sends_on && at(SECOND) != count {
            let further = at(SECOND);
            return Err((
                "half processed",
                format!("{value} took effect {count} times, and further on {further}"),
            ));
        }
    }
    for (value, mailbox, key) in counts.keys() {
        let comes_from = |message: &&Sent| {
            let there =
                message.mailbox == *mailbox || message.mailbox == WORK && sends_on && *mailbox == SECOND;
            message.value == *value && message.key == *key && there
        };
        if !sent.iter().any(|message| comes_from(&message)) {
            return Err(("phantom", format!("{value} took effect, and nobody sent it there")));
        }
    }
    Ok(())
}

/// Who was known to be committed before another was asked for, from the same place and with the same key, comes first.
fn check_order(sent: &[Sent], effects: &Effects) -> Result<(), Wrong> {
    for ((mailbox, key), values) in effects {
        if *key == KEYLESS || *mailbox == PLAIN || *mailbox == RECEIPT {
            // Several take effect at the same time, or again.
            continue;
        }
        let direct =
            |value: &i64| sent.iter().find(|message| message.value == *value && message.mailbox == *mailbox);
        let messages: Vec<&Sent> = values.iter().filter_map(direct).collect();
        for (place, second) in messages.iter().enumerate() {
            for first in &messages[..place] {
                let overtaken = second.committed.is_some_and(|committed| committed < first.invoked)
                    || (second.invoked == first.invoked && second.value < first.value);
                if first.from == second.from && overtaken {
                    let words =
                        format!("{} took effect before {}, which was sent first", first.value, second.value);
                    return Err(("reordered", words));
                }
            }
        }
        if *mailbox == SECOND
            && let Some(before) = effects.get(&(WORK, *key))
        {
            let there: Vec<&i64> = before.iter().filter(|value| values.contains(value)).collect();
            let here: Vec<&i64> = values.iter().filter(|value| before.contains(value)).collect();
            if there != here {
                return Err(("reordered", format!("{there:?} were sent on, and took effect as {here:?}")));
            }
        }
    }
    Ok(())
}
