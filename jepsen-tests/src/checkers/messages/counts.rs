//! How often each message took effect: lost, duplicated, aborted, half processed, or from nowhere.

use super::book::{Book, Finish, Sent, place};
use crate::checkers::{report::Report, spans::Span};

pub(super) fn judge(book: &Book<'_>, report: &mut Report) {
    for sent in &book.sent {
        judge_sent(book, sent, report);
        judge_further(book, sent, report);
    }
    judge_effects(book, report);
    judge_processed(book, report);
}

/// The lines that show it: of the send, and of the read.
fn lines(sent: &Sent<'_>, read: Option<&Span<'_>>) -> Vec<u64> {
    [sent.span.lines(), read.map(Span::lines).unwrap_or_default()].concat()
}

fn judge_sent(book: &Book<'_>, sent: &Sent<'_>, report: &mut Report) {
    let Some(promise) = book.promise(sent.mailbox) else { return };
    let Some(read) = book.last_read(sent.mailbox, sent.key) else { return };
    let is_there = !book.effects_of(sent.number, sent.mailbox).is_empty();
    let (number, line) = (sent.number, sent.span.invoke.index);
    if let Some(end) = sent.span.ok()
        && !is_there
        && promise.finish != Finish::OnReceipt
    {
        report.add("lost", || {
            let to = place(sent.mailbox, sent.key);
            let words = format!(
                "Message {number} to {to} was sent by index {line} and committed at index {}, and took no effect: the read of index {} lacks it",
                end.index, read.span.invoke.index
            );
            (words, lines(sent, Some(&read.span)))
        });
    }
}

/// What is sent on is sent by the transaction that has the effect: both are there, or neither.
fn judge_further(book: &Book<'_>, sent: &Sent<'_>, report: &mut Report) {
    let Some(further) = book.further(sent) else { return };
    let Some(here) = book.last_read(sent.mailbox, sent.key) else { return };
    let Some(there) = book.last_read(further, sent.key) else { return };
    let took = |mailbox| !book.effects_of(sent.number, mailbox).is_empty();
    let (took_here, took_there) = (took(sent.mailbox), took(further));
    if took_here != took_there {
        report.add("half processed", || {
            let (with, without) =
                if took_here { (sent.mailbox, further) } else { (further, sent.mailbox) };
            let words = format!(
                "Message {} of index {} took effect in {with} and not in {without}, though {} sends it on to {further} with its effect",
                sent.number, sent.span.invoke.index, sent.mailbox
            );
            (words, [lines(sent, Some(&here.span)), there.span.lines()].concat())
        });
    }
}

/// What is read must have been sent there, and not too often.
fn judge_effects(book: &Book<'_>, report: &mut Report) {
    for ((number, mailbox), effects) in &book.effects {
        let first = effects[0];
        let read = |key| book.reads.get(&(*mailbox, key)).map(|read| &read.span);
        let of_key = |key: Option<i64>| effects.iter().filter(move |effect| effect.key == key).count();
        let line = |key| read(key).and_then(|span| span.end).map_or(0, |end| end.index);
        let at = |key| place(mailbox, key);
        let Some(sent) = book.comes(*number, mailbox) else {
            report.add("phantom", || {
                let sent = book.of(*number).map_or_else(
                    || "which nobody sent".to_owned(),
                    |sent| format!("which index {} sent to {} only", sent.span.invoke.index, sent.mailbox),
                );
                let words = format!(
                    "Index {} reads that message {number} took effect in {}, {sent}",
                    line(first.key),
                    at(first.key)
                );
                let lines = book.of(*number).map(|sent| sent.span.lines()).unwrap_or_default();
                (words, [lines, read(first.key).map(Span::lines).unwrap_or_default()].concat())
            });
            continue;
        };
        if let Some(strange) = effects.iter().find(|effect| effect.key != sent.key) {
            report.add("phantom", || {
                let words = format!(
                    "Index {} reads that message {number} took effect in {}, and index {} sent it to {}",
                    line(strange.key),
                    at(strange.key),
                    sent.span.invoke.index,
                    place(sent.mailbox, sent.key)
                );
                (words, lines(sent, read(strange.key)))
            });
        }
        let span = read(first.key);
        if span.and_then(|span| span.end).is_some_and(|end| end.index < sent.span.invoke.index) {
            report.add("phantom", || {
                let words = format!(
                    "Index {} reads that message {number} took effect in {mailbox}, before index {} sent it",
                    line(first.key),
                    sent.span.invoke.index
                );
                (words, lines(sent, span))
            });
        }
        if let Some(failed) = sent.span.failed() {
            report.add("aborted", || {
                let words = format!(
                    "Message {number} took effect in {mailbox}, and the transaction of index {} that sends it was aborted at index {}",
                    sent.span.invoke.index, failed.index
                );
                (words, lines(sent, span))
            });
        }
        let times = of_key(sent.key);
        let once = book.promise(mailbox).is_some_and(|promise| promise.finish != Finish::Plain);
        if once && times > 1 {
            report.add("duplicated", || {
                let words = format!(
                    "Index {} reads that message {number} of index {} took effect {times} times in {mailbox}, where once is the most",
                    line(sent.key), sent.span.invoke.index
                );
                let processed = book.processed.get(&(*number, *mailbox)).into_iter().flatten();
                let processed = processed.flat_map(Span::lines);
                (words, lines(sent, span).into_iter().chain(processed).collect())
            });
        }
    }
}

/// Each effect was made by a transaction that a consumer told of, and each that was committed is there.
fn judge_processed(book: &Book<'_>, report: &mut Report) {
    for ((number, mailbox), spans) in &book.processed {
        let Some(sent) = book.comes(*number, mailbox) else { continue };
        let Some(read) = book.last_read(mailbox, sent.key) else { continue };
        let times = book.effects_of(*number, mailbox).len();
        let made: Vec<&Span<'_>> = spans.iter().filter(|span| span.ok().is_some()).collect();
        if times < made.len() {
            report.add("lost", || {
                let words = format!(
                    "Message {number} was processed in {mailbox} {} times, committed as index {} says, and {times} effects of it are there",
                    made.len(), made[0].invoke.index
                );
                (words, made.iter().flat_map(|span| span.lines()).chain(read.span.lines()).collect())
            });
        }
    }
    if book.processed.is_empty() {
        // Its consumers told nothing.
        return;
    }
    for ((number, mailbox), effects) in &book.effects {
        if book.comes(*number, mailbox).is_none() {
            continue;
        }
        let spans = book.processed.get(&(*number, *mailbox)).map_or(&[][..], Vec::as_slice);
        let may_be = spans.iter().filter(|span| span.failed().is_none()).count();
        if effects.len() <= may_be {
            continue;
        }
        let lines = || {
            let read = book.reads.get(&(*mailbox, effects[0].key)).map(|read| read.span.lines());
            spans.iter().flat_map(Span::lines).chain(read.unwrap_or_default()).collect()
        };
        let times = effects.len();
        match (may_be, spans.len()) {
            (0, 0) => report.add("phantom", || {
                (format!("Message {number} took effect in {mailbox}, and no consumer processed it"), lines())
            }),
            (0, _) => report.add("aborted", || {
                let words =
                    format!("Message {number} took effect in {mailbox}, and each transaction that processed it was aborted");
                (words, lines())
            }),
            // Where once is the most, this was said before.
            _ if book.promise(mailbox).is_some_and(|promise| promise.finish == Finish::Plain) => {
                report.add("duplicated", || {
                    let words = format!(
                        "Message {number} took effect {times} times in {mailbox}, and at most {may_be} transactions that processed it can have happened"
                    );
                    (words, lines())
                });
            }
            _ => {}
        }
    }
}
