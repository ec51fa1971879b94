//! What a history says of messages: what mailboxes promise, what was sent, received, processed and acknowledged, and which
//! effects there were in the end. What is not understood is an error that names its line.

use crate::{
    checkers::{
        parts::{at, int, ints},
        spans::{Span, spans},
        words::short,
    },
    history::{History, Value},
};
use std::{collections::BTreeMap, fmt};

/// How messages of a mailbox are finished.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Finish {
    /// With the effect: exactly once.
    Transaction,
    /// After it: at least once.
    Plain,
    /// Before it: at most once.
    OnReceipt,
}

impl Finish {
    pub(super) fn words(self) -> &'static str {
        match self {
            Finish::Transaction => "transaction: exactly once",
            Finish::Plain => "plainly, after it: at least once",
            Finish::OnReceipt => "on receipt: at most once",
        }
    }
}

/// What is promised of a mailbox.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Promise<'h> {
    pub(super) finish: Finish,
    /// Messages of one key take effect in their order.
    pub(super) ordered: bool,
    /// Where the transaction that finishes a message sends it on to.
    pub(super) sends_on: Option<&'h str>,
}

/// A message as its sender knows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent<'h> {
    pub(super) number: i64,
    pub(super) mailbox: &'h str,
    pub(super) key: Option<i64>,
    /// The record from whose participant it was sent.
    pub(super) from: i64,
    pub(super) span: Span<'h>,
    /// Which message of its transaction.
    pub(super) place: usize,
}

impl Sent<'_> {
    /// Whether it may have been sent.
    pub(super) fn may_be(&self) -> bool {
        self.span.failed().is_none()
    }
}

/// One effect of a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Effect {
    pub(super) key: Option<i64>,
    /// In which list of its mailbox and key, and at which place in it.
    pub(super) page: usize,
    pub(super) place: usize,
}

/// The effects of one mailbox and key, as the last read saw them.
#[derive(Debug)]
pub(super) struct Read<'h> {
    pub(super) span: Span<'h>,
    /// Lists, each in the order in which messages took effect; between lists, the order is not told.
    pub(super) pages: Vec<Vec<i64>>,
}

/// Messages that a consumer received.
#[derive(Debug)]
pub(super) struct Received<'h> {
    pub(super) span: Span<'h>,
    pub(super) mailbox: &'h str,
    pub(super) numbers: Vec<i64>,
}

/// A message and one of its mailboxes.
pub(super) type At<'h> = (i64, &'h str);

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Book<'h> {
    pub(super) promises: BTreeMap<&'h str, Promise<'h>>,
    pub(super) sent: Vec<Sent<'h>>,
    by_number: BTreeMap<i64, usize>,
    pub(super) received: Vec<Received<'h>>,
    pub(super) processed: BTreeMap<At<'h>, Vec<Span<'h>>>,
    pub(super) acknowledged: BTreeMap<At<'h>, Vec<Span<'h>>>,
    pub(super) reads: BTreeMap<(&'h str, Option<i64>), Read<'h>>,
    pub(super) effects: BTreeMap<At<'h>, Vec<Effect>>,
    /// The last line of a send or of processing.
    last: u64,
}

/// A line that says something else than the checker reads.
#[derive(Debug)]
pub(super) struct Strange {
    index: u64,
    why: String,
}

impl fmt::Display for Strange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "index {}: {}", self.index, self.why)
    }
}

impl<'h> Book<'h> {
    pub(super) fn read(history: &'h History) -> Result<Book<'h>, Strange> {
        let mut book = Book::default();
        for span in spans(history) {
            let read = match span.f() {
                "settings" => book.on_settings(&span.invoke.value),
                "send" => book.on_send(span),
                "receive" => book.on_receive(span),
                "process" => book.on_message(span, |book| &mut book.processed),
                "acknowledge" => book.on_message(span, |book| &mut book.acknowledged),
                "effects" => book.on_effects(span),
                _ => continue,
            };
            if let Err(why) = read {
                let value = short(span.value());
                let (index, why) = (span.invoke.index, format!("{} {value}: {why}", span.f()));
                return Err(Strange { index, why });
            }
            if matches!(span.f(), "send" | "process") {
                let lines = [Some(span.invoke), span.end];
                let lines = lines.into_iter().flatten().map(|event| event.index);
                book.last = lines.fold(book.last, u64::max);
            }
        }
        book.note_effects();
        book.check_mailboxes()?;
        Ok(book)
    }

    fn on_settings(&mut self, value: &'h Value) -> Result<(), String> {
        let mailbox = at(value, "mailbox").and_then(word).ok_or("it names no :mailbox")?;
        let finish = match at(value, "finish").and_then(word) {
            Some("transaction") => Finish::Transaction,
            Some("plain") => Finish::Plain,
            Some("on-receipt") => Finish::OnReceipt,
            _ => return Err("its :finish is none of :transaction, :plain and :on-receipt".to_owned()),
        };
        let Some(Value::Bool(ordered)) = at(value, "ordered") else {
            return Err("it does not say whether it is :ordered".to_owned());
        };
        let sends_on = match at(value, "sends-on") {
            None | Some(Value::Nil) => None,
            Some(other) => Some(word(other).ok_or("what it :sends-on to is no mailbox")?),
        };
        let promise = Promise { finish, ordered: *ordered, sends_on };
        match self.promises.insert(mailbox, promise.clone()) {
            Some(before) if before != promise => Err("it promises something else than before".to_owned()),
            _ => Ok(()),
        }
    }

    fn on_send(&mut self, span: Span<'h>) -> Result<(), String> {
        let shape = "messages sent are [[number mailbox key from] …]";
        let Value::Vector(all) = &span.invoke.value else { return Err(shape.to_owned()) };
        for (place, message) in all.iter().enumerate() {
            let Value::Vector(parts) = message else { return Err(shape.to_owned()) };
            let [number, mailbox, key, from] = &parts[..] else { return Err(shape.to_owned()) };
            let (Some(number), Some(mailbox), Some(key), Some(from)) =
                (int(number), word(mailbox), key_of(key), int(from))
            else {
                return Err(shape.to_owned());
            };
            if let Some(before) = self.by_number.insert(number, self.sent.len()) {
                let before = self.sent[before].span.invoke.index;
                return Err(format!("index {before} has sent message {number} before"));
            }
            self.sent.push(Sent { number, mailbox, key, from, span, place });
        }
        Ok(())
    }

    fn on_receive(&mut self, span: Span<'h>) -> Result<(), String> {
        let shape = "what is received is [mailbox [number …]]";
        let Some(end) = span.ok() else { return Ok(()) };
        let Value::Vector(parts) = &end.value else { return Err(shape.to_owned()) };
        let [mailbox, numbers] = &parts[..] else { return Err(shape.to_owned()) };
        let (Some(mailbox), Some(numbers)) = (word(mailbox), ints(numbers)) else {
            return Err(shape.to_owned());
        };
        self.received.push(Received { span, mailbox, numbers });
        Ok(())
    }

    fn on_message(
        &mut self,
        span: Span<'h>,
        of: impl FnOnce(&mut Self) -> &mut BTreeMap<At<'h>, Vec<Span<'h>>>,
    ) -> Result<(), String> {
        let shape = "a message is [number mailbox]";
        let Value::Vector(parts) = &span.invoke.value else { return Err(shape.to_owned()) };
        let [number, mailbox] = &parts[..] else { return Err(shape.to_owned()) };
        let (Some(number), Some(mailbox)) = (int(number), word(mailbox)) else {
            return Err(shape.to_owned());
        };
        of(self).entry((number, mailbox)).or_default().push(span);
        Ok(())
    }

    fn on_effects(&mut self, span: Span<'h>) -> Result<(), String> {
        let shape = "effects that were read are [mailbox key [[number …] …]]";
        let Some(end) = span.ok() else { return Ok(()) };
        let Value::Vector(parts) = &end.value else { return Err(shape.to_owned()) };
        let [mailbox, key, Value::Vector(pages)] = &parts[..] else { return Err(shape.to_owned()) };
        let pages: Option<Vec<Vec<i64>>> = pages.iter().map(ints).collect();
        let (Some(mailbox), Some(key), Some(pages)) = (word(mailbox), key_of(key), pages) else {
            return Err(shape.to_owned());
        };
        // The last one counts: spans are in the order in which they began.
        self.reads.insert((mailbox, key), Read { span, pages });
        Ok(())
    }

    fn note_effects(&mut self) {
        for ((mailbox, key), read) in &self.reads {
            for (page, numbers) in read.pages.iter().enumerate() {
                for (place, number) in numbers.iter().enumerate() {
                    let effect = Effect { key: *key, page, place };
                    self.effects.entry((*number, *mailbox)).or_default().push(effect);
                }
            }
        }
    }

    /// What is promised of a mailbox has to be known.
    fn check_mailboxes(&self) -> Result<(), Strange> {
        let sent = self.sent.iter().map(|sent| (sent.mailbox, sent.span.invoke.index));
        let read = self.reads.iter().map(|((mailbox, _), read)| (*mailbox, read.span.invoke.index));
        let received = self.received.iter().map(|one| (one.mailbox, one.span.invoke.index));
        for (mailbox, index) in sent.chain(read).chain(received) {
            if !self.promises.contains_key(mailbox) {
                let why = format!("what mailbox {mailbox} promises is not told by any settings");
                return Err(Strange { index, why });
            }
        }
        Ok(())
    }

    pub(super) fn of(&self, number: i64) -> Option<&Sent<'h>> {
        self.by_number.get(&number).and_then(|place| self.sent.get(*place))
    }

    pub(super) fn promise(&self, mailbox: &str) -> Option<&Promise<'h>> {
        self.promises.get(mailbox)
    }

    /// Where a message is sent on to.
    pub(super) fn further(&self, sent: &Sent<'h>) -> Option<&'h str> {
        self.promise(sent.mailbox).and_then(|promise| promise.sends_on)
    }

    /// The message, if it was sent to this mailbox, or is sent on to it.
    pub(super) fn comes(&self, number: i64, mailbox: &str) -> Option<&Sent<'h>> {
        self.of(number).filter(|sent| sent.mailbox == mailbox || self.further(sent) == Some(mailbox))
    }

    pub(super) fn effects_of(&self, number: i64, mailbox: &'h str) -> &[Effect] {
        self.effects.get(&(number, mailbox)).map_or(&[], Vec::as_slice)
    }

    /// The read of all effects of a mailbox and key, if nothing was sent or processed afterwards.
    pub(super) fn last_read(&self, mailbox: &'h str, key: Option<i64>) -> Option<&Read<'h>> {
        self.reads.get(&(mailbox, key)).filter(|read| read.span.invoke.index > self.last)
    }

    /// Of how many mailboxes and keys effects can be, and were not read at the end.
    pub(super) fn unread(&self) -> usize {
        let can_be = self.sent.iter().filter(|sent| sent.may_be());
        let mut of: Vec<_> = can_be
            .flat_map(|sent| {
                [Some(sent.mailbox), self.further(sent)]
                    .into_iter()
                    .flatten()
                    .map(|mailbox| (mailbox, sent.key))
            })
            .collect();
        of.sort_unstable();
        of.dedup();
        of.into_iter().filter(|(mailbox, key)| self.last_read(mailbox, *key).is_none()).count()
    }
}

/// A mailbox, or a way of finishing.
fn word(value: &Value) -> Option<&str> {
    match value {
        Value::Keyword(word) | Value::Text(word) => Some(word),
        _ => None,
    }
}

/// A key, or that there is none.
fn key_of(value: &Value) -> Option<Option<i64>> {
    match value {
        Value::Nil => Some(None),
        Value::Int(key) => Some(Some(*key)),
        _ => None,
    }
}

/// A mailbox with a key, in words.
pub(super) fn place(mailbox: &str, key: Option<i64>) -> String {
    match key {
        Some(key) => format!("{mailbox} with key {key}"),
        None => format!("{mailbox} without a key"),
    }
}
