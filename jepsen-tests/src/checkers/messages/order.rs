//! Messages of one mailbox, key and source take effect in the order in which they were sent.
//!
//! What is promised is the order of votes. A history proves it of two messages only if one was committed, as its sender saw,
//! before the other was asked for; or if one transaction sent both. Messages that are sent on keep the order of the effects
//! with which they were sent. Not judged: mailboxes whose dead letters leave the order, messages without a key, and those that
//! were acknowledged on receipt, which several may have at the same time.

use super::book::{Book, Finish, Read, Sent};
use crate::checkers::{report::Report, spans::Span};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn judge(book: &Book<'_>, report: &mut Report) {
    for ((mailbox, key), read) in &book.reads {
        let promise = book.promise(mailbox);
        let ordered = promise.is_some_and(|promise| promise.ordered && promise.finish != Finish::OnReceipt);
        if key.is_none() || !ordered {
            continue;
        }
        for page in &read.pages {
            judge_sent(book, mailbox, read, page, report);
            judge_sent_on(book, mailbox, *key, read, page, report);
        }
        if promise.is_some_and(|promise| promise.finish == Finish::Transaction) {
            judge_across(book, mailbox, *key, report);
        }
    }
}

/// The first effect of each message, since another one may come later where more than one is allowed.
fn firsts(page: &[i64]) -> impl Iterator<Item = i64> {
    let mut seen = BTreeSet::new();
    page.iter().copied().filter(move |number| seen.insert(*number))
}

/// The one that was asked for last, and the last of each transaction, of what has taken effect so far.
#[derive(Default)]
struct Before<'b, 'h> {
    latest: Option<&'b Sent<'h>>,
    of_transaction: BTreeMap<u64, &'b Sent<'h>>,
}

impl<'b, 'h> Before<'b, 'h> {
    /// One that was sent later than this one, and took effect before it.
    fn overtaken(&self, sent: &Sent<'h>) -> Option<&'b Sent<'h>> {
        let by_time = self.latest.filter(|latest| sent.span.is_before(latest.span.invoke.index));
        let same = self.of_transaction.get(&sent.span.invoke.index).copied();
        by_time.or(same.filter(|other| other.place > sent.place))
    }

    fn add(&mut self, sent: &'b Sent<'h>) {
        let begun = |sent: &Sent<'_>| sent.span.invoke.index;
        if self.latest.is_none_or(|latest| begun(latest) < begun(sent)) {
            self.latest = Some(sent);
        }
        let last = self.of_transaction.entry(begun(sent)).or_insert(sent);
        if last.place < sent.place {
            *last = sent;
        }
    }
}

fn judge_sent(book: &Book<'_>, mailbox: &str, read: &Read<'_>, page: &[i64], report: &mut Report) {
    let mut before: BTreeMap<i64, Before<'_, '_>> = BTreeMap::new();
    for sent in firsts(page).filter_map(|number| book.of(number)).filter(|sent| sent.mailbox == mailbox) {
        let before = before.entry(sent.from).or_default();
        if let Some(other) = before.overtaken(sent) {
            report.add("reordered", || {
                let words = format!(
                    "Index {} reads that message {} took effect in {mailbox} before message {} of the same source and key, which was sent first: {}",
                    line(&read.span), other.number, sent.number, why(sent, other)
                );
                (words, [sent.span.lines(), other.span.lines(), read.span.lines()].concat())
            });
        }
        before.add(sent);
    }
}

fn why(first: &Sent<'_>, second: &Sent<'_>) -> String {
    let begun = second.span.invoke.index;
    match first.span.ok() {
        Some(end) if end.index < begun => {
            format!("it was committed at index {}, and the other was asked for at index {begun}", end.index)
        }
        _ => format!("index {begun} sent both, in that order"),
    }
}

fn line(span: &Span<'_>) -> u64 {
    span.end.map_or(span.invoke.index, |end| end.index)
}

/// What was sent on by effects of one list comes in the order of that list.
fn judge_sent_on<'h>(
    book: &Book<'h>,
    mailbox: &'h str,
    key: Option<i64>,
    read: &Read<'h>,
    page: &[i64],
    report: &mut Report,
) {
    let mut last: BTreeMap<(&str, usize), (usize, i64)> = BTreeMap::new();
    for number in firsts(page) {
        let Some(sent) = book.of(number).filter(|sent| book.further(sent) == Some(mailbox)) else { continue };
        let from = book.effects_of(number, sent.mailbox).first().filter(|effect| effect.key == key);
        let Some(from) = from else { continue };
        let (place, other) = *last.entry((sent.mailbox, from.page)).or_insert((from.place, number));
        if place > from.place {
            report.add("reordered", || {
                let words = format!(
                    "Message {number} took effect in {} before message {other}, and was sent on by it; index {} reads that in {mailbox} it took effect after it",
                    sent.mailbox, line(&read.span)
                );
                let there = book.reads.get(&(sent.mailbox, key)).map(|read| read.span.lines());
                (words, [read.span.lines(), there.unwrap_or_default()].concat())
            });
        } else {
            last.insert((sent.mailbox, from.page), (from.place, number));
        }
    }
}

/// Of two lists the history does not tell which effect came first, unless one had ended before the other began.
fn judge_across<'h>(book: &Book<'h>, mailbox: &'h str, key: Option<i64>, report: &mut Report) {
    let mut done: Vec<(Span<'h>, &Sent<'h>, usize)> = Vec::new();
    for ((number, at), spans) in &book.processed {
        let Some(sent) = book.of(*number).filter(|sent| *at == mailbox && sent.mailbox == mailbox) else {
            continue;
        };
        let effect = book.effects_of(*number, mailbox).first().filter(|_| sent.key == key);
        let (Some(span), Some(effect)) = (spans.iter().find(|span| span.ok().is_some()), effect) else {
            continue;
        };
        done.push((*span, sent, effect.page));
    }
    let mut ended = done.clone();
    done.sort_unstable_by_key(|(span, ..)| span.invoke.index);
    ended.sort_unstable_by_key(|(span, ..)| line(span));
    let mut ended = ended.into_iter().peekable();
    let mut latest: BTreeMap<i64, (Span<'h>, &Sent<'h>, usize)> = BTreeMap::new();
    for (span, sent, page) in done {
        while let Some(one) = ended.next_if(|(before, ..)| line(before) < span.invoke.index) {
            let last = latest.entry(one.1.from).or_insert(one);
            if last.1.span.invoke.index < one.1.span.invoke.index {
                *last = one;
            }
        }
        let Some((before, other, of)) = latest.get(&sent.from) else { continue };
        if *of != page && sent.span.is_before(other.span.invoke.index) {
            report.add("reordered", || {
                let words = format!(
                    "Message {} was processed in {mailbox} by index {} before index {} processed message {} of the same source and key, which was sent first: {}",
                    other.number, before.invoke.index, span.invoke.index, sent.number, why(sent, other)
                );
                (words, [sent.span.lines(), other.span.lines(), before.lines(), span.lines()].concat())
            });
        }
    }
}
