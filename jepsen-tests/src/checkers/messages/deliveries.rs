//! What consumers were given: nothing that was not sent, and nothing that was finished before they asked.

use super::book::{At, Book, Finish, Received};
use crate::checkers::{report::Report, spans::Span};
use std::collections::BTreeMap;

pub(super) fn judge(book: &Book<'_>, report: &mut Report) {
    let finished = finished(book);
    for received in &book.received {
        for number in &received.numbers {
            judge_one(book, received, *number, report);
            let Some(by) = finished.get(&(*number, received.mailbox)) else { continue };
            let Some(end) = by.ok().filter(|end| end.index < received.span.invoke.index) else { continue };
            report.add("delivered again", || {
                let words = format!(
                    "Message {number} was finished in {} at index {}, and index {}, which asked afterwards, was given it again",
                    received.mailbox, end.index, received.span.invoke.index
                );
                (words, [by.lines(), received.span.lines()].concat())
            });
        }
    }
}

/// By what each message was finished first, as far as that is known for certain.
fn finished<'h>(book: &Book<'h>) -> BTreeMap<At<'h>, Span<'h>> {
    let mut finished: BTreeMap<At<'h>, Span<'h>> = BTreeMap::new();
    let mut note = |at: At<'h>, span: Span<'h>| {
        let end = |span: &Span<'_>| span.ok().map_or(u64::MAX, |end| end.index);
        let first = finished.entry(at).or_insert(span);
        if end(&span) < end(first) {
            *first = span;
        }
    };
    let finish = |mailbox: &str| book.promise(mailbox).map(|promise| promise.finish);
    for (at, spans) in &book.processed {
        if finish(at.1) == Some(Finish::Transaction) {
            spans.iter().for_each(|span| note(*at, *span));
        }
    }
    for (at, spans) in &book.acknowledged {
        spans.iter().for_each(|span| note(*at, *span));
    }
    for received in &book.received {
        if finish(received.mailbox) == Some(Finish::OnReceipt) {
            received.numbers.iter().for_each(|number| note((*number, received.mailbox), received.span));
        }
    }
    finished
}

fn judge_one(book: &Book<'_>, received: &Received<'_>, number: i64, report: &mut Report) {
    let (mailbox, line) = (received.mailbox, received.span.invoke.index);
    let Some(sent) = book.comes(number, mailbox) else {
        return report.add("phantom", || {
            let words =
                format!("Index {line} was given message {number} from {mailbox}, and nobody sent it there");
            (words, received.span.lines())
        });
    };
    let too_early = received.span.ok().is_some_and(|end| end.index < sent.span.invoke.index);
    if too_early {
        report.add("phantom", || {
            let words = format!(
                "Index {line} was given message {number} from {mailbox} before index {} sent it",
                sent.span.invoke.index
            );
            (words, [received.span.lines(), sent.span.lines()].concat())
        });
    }
    if let Some(failed) = sent.span.failed() {
        report.add("aborted", || {
            let words = format!(
                "Index {line} was given message {number} from {mailbox}, and the transaction of index {} that sends it was aborted at index {}",
                sent.span.invoke.index, failed.index
            );
            (words, [received.span.lines(), sent.span.lines()].concat())
        });
    }
}
